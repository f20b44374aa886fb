import numpy as np
import polars as pl
import pytest

from schemas.errors import BadInput
from tasks import vectors as stored
from tasks.vectors import earlier_pages, encoder_of, matrix, unit_rows
from warehouse.parts import polars_schema


def parts_of(run, rows, name="made"):
    """Parts of `embedding` of (id, encoder, vector)."""
    given = [
        {"sample_id": i, "run_id": run.run_id, "encoder": e, "truncated": False, "vector": v}
        for i, e, v in rows
    ]
    frame = pl.DataFrame(given, schema=polars_schema("embedding"))
    return run.once(name, [], {}, lambda: {"embedding": frame})


def test_rows_get_length_1_and_rows_without_direction_become_unknown():
    found = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0]], dtype=np.float32))
    assert found[0] == pytest.approx([0.6, 0.8])
    assert np.isnan(found[1:]).all()


def test_vectors_come_in_the_order_of_the_ids_and_unknown_ones_are_nan(run):
    parts = parts_of(run, [("a", "e", [1.0, 0.0]), ("b", "e", [0.0, 1.0]), ("c", "other", [1.0, 1.0])])
    found = matrix(run, parts, pl.Series(["b", "c", "a"]), "e")
    assert found[[0, 2]].tolist() == [[0, 1], [1, 0]]
    assert np.isnan(found[1]).all()


def test_one_encoder_is_named_two_are_refused_and_none_is_none(run):
    one = parts_of(run, [("a", "e", [1.0])])
    assert encoder_of(run, one) == "e"
    assert encoder_of(run, []) is None
    with pytest.raises(BadInput, match="2 encoders"):
        encoder_of(run, [*one, *parts_of(run, [("b", "f", [1.0])], "more")])


def test_vectors_of_other_lengths_under_one_encoder_are_refused(run):
    parts = [*parts_of(run, [("a", "e", [1.0])]), *parts_of(run, [("b", "e", [1.0, 2.0])], "more")]
    with pytest.raises(BadInput, match="have 1 and 2 dimensions"):
        matrix(run, parts, pl.Series(["a", "b"]), "e")


def test_committed_vectors_come_in_pages_whose_ranks_ascend(run, monkeypatch):
    from warehouse.run import begin

    monkeypatch.setattr(stored, "PAGE", 2)
    run.commit(parts_of(run, [(f"s{i}", "e", [float(i + 1), 0.0]) for i in range(5)]))
    later = begin(run.root, "corpus", "test", "second", {})
    pages = list(earlier_pages(later, pl.Series(["s4", "s0", "s2"]), "e"))
    assert sorted(rank for page in pages for rank in page.ranks) == [0, 1, 2]
    assert all((np.diff(page.ranks) > 0).all() and len(page.ranks) <= 2 for page in pages)
    assert all((page.vectors == [1, 0]).all() for page in pages)
    assert list(earlier_pages(later, pl.Series([], dtype=pl.String), "e")) == []
