import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.bands import buckets
from tasks.leader_kernel import Sets, _agreement, begin, lead, reach


def pool_of(*sets, bands=None):
    """Rows with these sets; they share as many bands (whole sketches without `bands`) as `bands` says."""
    sketch = np.zeros((len(sets), 128), np.uint8)
    for i in range(len(sets)):
        shared = 128 if bands is None else 4 * bands
        sketch[i, shared:] = i + 1
    sizes = np.array([len(each) for each in sets], np.int32)
    hashes = np.array([h for each in sets for h in sorted(each)], np.uint64)
    return sketch, Sets(np.cumsum(sizes, dtype=np.int64) - sizes, sizes, hashes)


def run(sketch, sets, threshold=0.5, n_earlier=0, least=0, cap=100, steps=1):
    """Kept, score, witness and full bands; decided in pieces of `steps` rows."""
    groups, words = buckets(sketch, cap), sketch.view(np.uint64)
    progress = begin(len(sketch), groups)
    for start in range(0, len(sketch), steps):
        stop = min(start + steps, len(sketch))
        lead(start, stop, n_earlier, words, groups, sets, least, threshold, progress)
    return progress[:4]


def test_a_chain_keeps_both_ends():
    pool, sets = pool_of({1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6})  # 3/5, 3/5, 2/6
    kept, score, witness, _ = run(pool, sets)
    assert kept.tolist() == [True, False, True]
    assert score[1:].tolist() == [0.6, 2 / 6]
    assert witness[1] == 0
    assert np.isnan(score[0])


def test_a_similarity_of_exactly_the_threshold_is_a_duplicate():
    pool, sets = pool_of({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {1, 2, 3, 4, 5, 6, 7})
    assert run(pool, sets, threshold=0.7)[0].tolist() == [True, False]
    assert run(pool, sets, threshold=0.7000001)[0].tolist() == [True, True]


def test_the_most_similar_leader_is_the_witness_and_the_first_of_equals():
    pool, sets = pool_of({1, 2, 3, 7}, {1, 2, 3, 4, 5, 6}, {1, 2, 3, 8}, {1, 2, 3})
    kept, score, witness, _ = run(pool, sets, threshold=0.65)
    assert kept.tolist() == [True, True, True, False]
    assert (witness[3], score[3]) == (0, 0.75)
    pool[0, :8] = 9  # the third is met in the first two bands, before the first
    assert run(pool, sets, threshold=0.65)[2][3] == 0


def test_earlier_rows_are_kept_however_similar_they_are():
    pool, sets = pool_of({1, 2}, {1, 2}, {1, 2})
    kept, score, witness, _ = run(pool, sets, n_earlier=2)
    assert kept.tolist() == [True, True, False]
    assert np.isnan(score[:2]).all()
    assert witness[2] == 0


def test_rows_without_a_common_band_or_below_the_least_agreement_are_not_compared():
    same = [{1, 2}, {1, 2}]
    assert run(*pool_of(*same, bands=0))[0].all()
    assert not run(*pool_of(*same, bands=1), least=4)[0].all()
    assert run(*pool_of(*same, bands=1), least=5)[0].all()


def test_a_full_bucket_is_counted_and_costs_no_more_than_its_room():
    unlike = [{10 * i, 10 * i + 1, 10 * i + 2} for i in range(6)]
    pool, sets = pool_of(*unlike, {50, 51, 52}, {0, 1, 2}, bands=3)
    kept, _, witness, full_bands = run(pool, sets, cap=4)
    assert kept.tolist() == [True] * 7 + [False]  # the copy of row 5 is missed, that of row 0 is found
    assert witness[7] == 0
    assert full_bands.tolist() == [0, 0, 0, 0, 0, 3, 3, 3]
    assert run(pool, sets, cap=100)[0].tolist() == [True] * 6 + [False] * 2
    assert not run(pool, sets, cap=100)[3].any()


@pytest.mark.parametrize("budget", [1, 30, 100, 10_000])
def test_all_sets_that_are_compared_were_said_to_be_needed(budget):
    rng = np.random.default_rng(budget)
    sketch = np.repeat(rng.integers(0, 3, (20, 128), dtype=np.uint8), 4, axis=0)
    sketch[rng.random(sketch.shape) < 0.03] = 9
    sizes = rng.integers(1, 9, 80).astype(np.int32)
    _, sets = pool_of(*[set(rng.choice(60, size, replace=False).tolist()) for size in sizes])
    groups, words = buckets(sketch, 3), sketch.view(np.uint64)
    whole = run(sketch, sets, cap=3, least=40)
    progress, start, needs = begin(80, groups), 0, []
    while start < 80:
        needed = np.zeros(80, bool)
        stop = reach(start, words, groups, progress, sets.sizes, 40, budget, needed)
        assert stop > start
        assert not needed[start:].any()
        needed[start:stop] = True
        needs.append(sets.sizes[needed].sum())
        poisoned = sets.hashes.copy()  # what is not needed may be anything
        for row in np.flatnonzero(~needed):
            poisoned[sets.starts[row] : sets.starts[row] + sets.sizes[row]] = 2**40 + row
        lead(start, stop, 0, words, groups, sets._replace(hashes=poisoned), 40, 0.5, progress)
        start = stop
    for found, expected in zip(progress[:4], whole, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert (len(needs) == 1) == (budget == 10_000)
    assert max(needs) <= budget + 9 * 33 * 3  # the last row and its leaders may go beyond


@given(st.binary(min_size=128, max_size=128), st.lists(st.integers(0, 127)), st.integers(1, 255))
def test_agreement_is_the_number_of_equal_bytes(data, places, change):
    left = np.frombuffer(data, np.uint8)
    right = left.copy()
    right[places] ^= np.uint8(change)
    assert _agreement(left.view(np.uint64), right.view(np.uint64)) == 128 - len(set(places))
