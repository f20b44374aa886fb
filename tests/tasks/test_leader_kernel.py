import numpy as np
import pytest

from tasks.bands import buckets
from tasks.leader_kernel import Pool, Sets, lead, with_partner


def pool_of(*sets, bands=None):
    """Rows with these sets; they share as many bands (whole signatures without `bands`) as `bands` says."""
    minhash = np.zeros((len(sets), 128), np.uint32)
    for i in range(len(sets)):
        shared = 128 if bands is None else 4 * bands
        minhash[i, shared:] = 1000 * (i + 1)
    minhash.flags.writeable = False
    bounds = np.cumsum([0, *map(len, sets)])
    hashes = np.array([h for each in sets for h in sorted(each)], np.uint64)
    return Pool(minhash, *buckets(minhash)), Sets(bounds, hashes)


def run(pool, sets, threshold=0.5, n_earlier=0, least=0, cap=100, name=None):
    name = np.arange(len(pool.minhash), dtype=np.int32) if name is None else np.array(name, np.int32)
    return lead(pool, sets, name, n_earlier, least, threshold, cap)


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


def test_the_most_similar_leader_is_the_witness_and_the_lowest_name_breaks_ties():
    pool, sets = pool_of({1, 2, 3, 7}, {1, 2, 3, 4, 5, 6}, {1, 2, 3, 8}, {1, 2, 3})
    kept, score, witness, _ = run(pool, sets, threshold=0.65)
    assert kept.tolist() == [True, True, True, False]
    assert (witness[3], score[3]) == (0, 0.75)
    assert run(pool, sets, threshold=0.65, name=[2, 1, 0, 3])[2][3] == 2


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


@pytest.mark.parametrize("n_earlier", [0, 1, 3, 5])
def test_every_row_that_is_compared_was_said_to_have_a_partner(n_earlier):
    rng = np.random.default_rng(n_earlier)
    minhash = rng.integers(0, 2, (60, 128), dtype=np.uint32)
    pool = Pool(minhash, *buckets(minhash))
    agreement = (minhash[:, None] == minhash[None]).sum(axis=2)
    shared = (minhash.reshape(60, 1, 32, 4) == minhash.reshape(1, 60, 32, 4)).all(axis=3).any(axis=2)
    compared = (agreement >= 70) & shared & ~np.eye(60, dtype=bool)
    compared[:n_earlier, :n_earlier] = False
    assert with_partner(pool, n_earlier, 70, 100).tolist() == compared.any(axis=1).tolist()
    assert (with_partner(pool, n_earlier, 70, 1) >= compared.any(axis=1)).all()
