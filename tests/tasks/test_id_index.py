import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SeedloomError
from tasks import id_index
from tasks.id_index import index_ids

NAMES = st.lists(st.text("ab1", max_size=4), unique=True, max_size=30)


@given(NAMES, st.integers(1, 7))
def test_an_id_is_found_where_it_lies_whatever_the_pages(names, size):
    pages = [pl.Series(names[i : i + size], dtype=pl.String) for i in range(0, len(names), size)]
    index = index_ids(lambda: pages)
    asked = pl.Series([*names[::-1], "nobody"], dtype=pl.String)
    assert index.find(asked).tolist() == [*range(len(names) - 1, -1, -1), -1]


def test_a_collision_is_met_by_another_seed(monkeypatch):
    honest = id_index.id_keys
    collides = lambda ids, seed: np.zeros(len(ids), np.uint64) if seed == 0 else honest(ids, seed)  # noqa: E731
    monkeypatch.setattr(id_index, "id_keys", collides)
    index = index_ids(lambda: [pl.Series(["a", "b"])])
    assert index.seed == 1
    assert index.find(pl.Series(["b", "a"])).tolist() == [1, 0]


def test_an_id_twice_is_refused():
    with pytest.raises(SeedloomError, match="two of 3 samples share an id"):
        index_ids(lambda: [pl.Series(["a", "b"]), pl.Series(["a"])])
