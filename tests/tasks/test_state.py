import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import state
from tasks.design import Design
from tasks.moments import difference
from tasks.neighbours import bottom
from tasks.spread import moments, unit
from tasks.state import joined, nothing, of_texts, of_vectors

IDS = [f"s{i:03}" for i in range(60)]
VECTORS = unit(np.random.default_rng(0).standard_normal((60, 5))).astype(np.float32)


def states_of(places):
    ids = [IDS[i] for i in places]
    samples = pl.DataFrame({"sample_id": ids, "text": [f"text {i}" for i in ids], "slots": ["{}"] * len(ids)})
    return [of_texts(samples, Design()), of_vectors(ids, VECTORS[places], "e")] if places else []


@given(st.permutations(range(60)), st.lists(st.integers(0, 60), max_size=4), st.sampled_from([7, 100]))
@settings(max_examples=40)
def test_any_split_joined_again_is_the_state_of_the_whole(order, cuts, m):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "M", m)
        edges = [0, *sorted(cuts), 60]
        pieces = [one for a, b in zip(edges, edges[1:], strict=False) for one in states_of(order[a:b])]
        found, whole = joined(pieces), joined(states_of(list(range(60))))
    assert found.counts == whole.counts
    assert found.texts.equals(whole.texts)
    assert found.ids == whole.ids == [IDS[i] for i in bottom(IDS, m)]
    assert np.array_equal(found.vectors, whole.vectors)
    assert difference(found.sums, whole.sums) < 1e-12
    assert difference(found.sums, moments(VECTORS)) < 1e-12


def test_nothing_joins_without_a_trace():
    one = joined(states_of(list(range(9))))
    both = joined([nothing(), one, nothing()])
    assert both.counts == one.counts and both.ids == one.ids and both.texts.equals(one.texts)
    empty = joined([])
    assert (empty.sums, empty.ids, empty.texts.height) == (None, [], 0)
