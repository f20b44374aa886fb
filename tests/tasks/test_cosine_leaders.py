import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import cosine_leaders, cosine_search
from tasks.cosine_leaders import lead
from tasks.cosine_search import cosines
from tasks.vectors import Rows, unit_rows


def at_degrees(*degrees):
    radians = np.deg2rad(degrees)
    return unit_rows(np.stack([np.cos(radians), np.sin(radians)], axis=1))


def clumps(n, seed=0, d=16):
    """Rows of which many are near copies of another."""
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((max(1, n // 6), d))
    return unit_rows(centres[chance.integers(len(centres), size=n)] + 0.25 * chance.standard_normal((n, d)))


def led(new, threshold, earlier=None, floor=None, pages=1, **how):
    earlier = np.empty((0, new.shape[1]), np.float32) if earlier is None else earlier
    floor = np.full(len(earlier), -np.inf) if floor is None else floor

    def read():
        for places in np.array_split(np.arange(len(earlier)), pages):
            yield Rows(earlier[places], places)

    hashed = np.random.default_rng(0).permutation(len(new))
    return lead(new, hashed, floor, read, threshold, **how)


def oracle(new, threshold, earlier):
    """The definition: one row after the other against all rows that stay."""
    m, line = len(earlier), np.concatenate([earlier, new])
    exact = cosines(line, line)
    np.fill_diagonal(exact, -np.inf)
    stay = np.arange(len(line)) < m
    for i in range(m, len(line)):
        before = exact[i, :i][stay[:i]]
        stay[i] = threshold is None or not (before >= threshold - cosine_leaders.ROUNDING).any()
    among = np.where(stay, exact, -np.inf)
    prior = np.where(np.tri(len(line), k=-1, dtype=bool), among, -np.inf)
    return stay[m:], prior, among, stay


def check(found, new, threshold, earlier):
    kept, prior, among, stay = oracle(new, threshold, earlier)
    m = len(earlier)
    assert (found.kept == kept).all()
    assert (found.prior.cosine[m:] == prior.max(axis=1)[m:]).all()
    told = found.prior.rank[m:] >= 0
    assert (found.prior.rank[m:][told] == prior.argmax(axis=1)[m:][told]).all()
    stayed = m + np.flatnonzero(kept)
    assert (found.every.cosine[stayed] == among.max(axis=1)[stayed]).all()
    fresh = np.where(np.arange(len(stay)) >= m, among, -np.inf)[:m].max(axis=1, initial=-np.inf)
    assert (found.every.cosine[:m] == fresh).all()


def test_the_far_end_of_a_chain_stays():
    found = led(at_degrees(0, 20, 40), np.cos(np.deg2rad(25)))
    assert found.kept.tolist() == [True, False, True]
    assert found.prior.rank.tolist() == [-1, 0, 0]  # the neighbour of the last is one that stays
    assert found.prior.cosine[2] == pytest.approx(np.cos(np.deg2rad(40)))
    assert found.every.rank[[0, 2]].tolist() == [2, 0]


def test_a_cosine_of_exactly_the_threshold_repeats_and_a_copy_reaches_a_threshold_of_1():
    assert led(at_degrees(0, 60), 0.5).kept.tolist() == [True, False]
    assert led(at_degrees(0, 60), 0.51).kept.tolist() == [True, True]
    copies = unit_rows(np.random.default_rng(3).standard_normal((5, 384)).repeat(2, axis=0))
    assert led(copies, 1.0).kept.tolist() == [True, False] * 5


def test_earlier_rows_always_stay_and_cost_new_ones_their_place():
    found = led(at_degrees(1, 90), 0.9, earlier=at_degrees(0.5, 2, 45))
    assert found.kept.tolist() == [False, True]
    assert found.prior.rank[3:].tolist() == [0, 2]


@settings(max_examples=30)
@given(
    st.integers(0, 10**6),
    st.integers(1, 40),
    st.integers(0, 20),
    st.sampled_from([None, 0.6, 0.9]),
    st.integers(1, 4),
)
def test_every_outcome_is_that_of_comparing_one_by_one(seed, n, m, threshold, pages):
    line = clumps(n + m, seed)
    check(led(line[m:], threshold, line[:m], pages=pages), line[m:], threshold, line[:m])


@pytest.mark.parametrize("threshold", [None, 0.8])
def test_blocks_of_any_size_give_the_same_to_the_last_bit(monkeypatch, threshold):
    line = clumps(700, 4)
    new, earlier = line[200:], line[:200]
    whole = led(new, threshold, earlier)
    check(whole, new, threshold, earlier)
    monkeypatch.setattr(cosine_leaders, "BLOCK", 37)
    monkeypatch.setattr(cosine_search, "BLOCK", 23)
    monkeypatch.setattr(cosine_search, "COLUMNS", 19)
    blocks = led(new, threshold, earlier, pages=5)
    assert (whole.kept == blocks.kept).all()
    for one, other in [(whole.prior, blocks.prior), (whole.every, blocks.every)]:
        assert (one.cosine == other.cosine).all() and (one.rank == other.rank).all()


def test_of_earlier_rows_only_what_beats_their_floor_is_told():
    found = led(at_degrees(10), None, earlier=at_degrees(0, 30), floor=np.array([0.99, 0.9]))
    assert found.every.rank[:2].tolist() == [-1, 2]
    assert found.every.cosine[0] == 0.99


def test_a_row_that_falls_is_nobodys_neighbour():
    found = led(at_degrees(0, 5, 50), 0.9, earlier=at_degrees(8))
    assert found.kept.tolist() == [False, False, True]
    assert found.every.rank.tolist() == [3, -1, -1, 0]


def test_in_cells_the_same_rows_stay_and_the_recall_is_measured():
    new = clumps(3000, 7, d=24)
    exact, cells = led(new, 0.9), led(new, 0.9, exact_pairs=0)
    assert exact.recall is None
    assert cells.recall.n == cosine_leaders.AUDITED
    assert cells.recall.low > 0.95
    assert (exact.kept != cells.kept).mean() < 0.002
    assert (cells.prior.cosine <= exact.prior.cosine).mean() > 0.99


def test_the_recall_that_is_told_is_that_of_the_search_that_was_made(monkeypatch):
    line = unit_rows(np.random.default_rng(8).standard_normal((2500, 16)))  # no clumps: hard for cells
    monkeypatch.setattr(cosine_leaders, "fitted", _blind)
    found = led(line[500:], None, line[:500], exact_pairs=0)
    whole = led(line[500:], None, line[:500])
    missed = (found.prior.cosine[500:] != whole.prior.cosine[500:]).mean()
    assert 0.1 < missed < 0.95
    assert found.recall.low < 1 - missed < found.recall.high


def _blind(rows, hashed, total):
    """Cells of which only one is looked into."""
    from tasks.cosine_cells import fitted

    return fitted(rows, hashed, total)._replace(looked=1)


def test_no_rows_give_no_rows():
    found = led(np.empty((0, 4), np.float32), 0.9, clumps(3, d=4))
    assert found.kept.tolist() == []
    assert found.every.rank.tolist() == [-1] * 3
