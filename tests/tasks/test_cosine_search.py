import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import cosine_search
from tasks.cosine_search import Best, cosines, meet, pair_cosines
from tasks.vectors import Rows, unit_rows


def drawn(n, d=24, seed=0, near=0.0):
    chance = np.random.default_rng(seed)
    vectors = chance.standard_normal((n, d))
    return unit_rows(near * vectors[:1] + vectors)


def nearest_of_b(a, b, before=False):
    best = Best.of(int(max(a.ranks.max(), b.ranks.max())) + 1)
    meet(a, b, None, best, before)
    return best.cosine[b.ranks], best.rank[b.ranks]


@given(st.integers(0, 1000), st.integers(1, 8))
def test_a_cosine_is_the_same_to_the_last_bit_alone_in_pairs_in_any_matrix_and_in_any_order_of_adding(
    seed, n
):
    a, b = drawn(n, 384, seed), drawn(n, 384, seed + 1)
    whole = cosines(a, b)
    assert (np.diag(whole) == pair_cosines(a, b)).all()
    assert (whole[-1] == cosines(a[-1:], b)[0]).all()
    shuffled = np.random.default_rng(seed).permutation(384)
    assert (whole == cosines(a[:, shuffled], b[:, shuffled])).all()
    assert whole == pytest.approx(a.astype(np.float64) @ b.T, abs=4e-7)


@pytest.mark.parametrize("near", [0, 3, 300])  # the last: all within the error of float32, a crowd
def test_the_nearest_is_that_of_all_exact_cosines_whatever_the_blocks(monkeypatch, near):
    vectors = drawn(300, seed=5, near=near)
    a, b = Rows(vectors[:200], np.arange(200)), Rows(vectors[200:], np.arange(200, 300))
    exact = cosines(a.vectors, b.vectors)
    for block, columns in [(1024, 4096), (7, 11)]:
        monkeypatch.setattr(cosine_search, "BLOCK", block)
        monkeypatch.setattr(cosine_search, "COLUMNS", columns)
        best = Best.of(300)
        meet(a, b, best, best)
        assert (best.cosine[200:] == exact.max(axis=0)).all()
        assert (best.rank[200:] == exact.argmax(axis=0)).all()
        assert (best.cosine[:200] == exact.max(axis=1)).all()
        assert (best.rank[:200] == 200 + exact.argmax(axis=1)).all()


def test_of_equally_near_rows_the_first_is_named():
    same = unit_rows(np.tile([[1.0, 2.0, 3.0]], (40, 1)))
    a, b = Rows(same[:39], np.arange(39)), Rows(same[39:], np.array([39]))
    assert nearest_of_b(a, b)[1].tolist() == [0]
    best = Best.of(40)
    meet(a.at(slice(20, 39)), b, None, best)
    meet(a.at(slice(0, 20)), b, None, best)
    assert best.rank[39] == 0


def test_a_row_is_never_its_own_neighbour_and_with_before_never_compared_with_a_later_one():
    rows = Rows(drawn(50, seed=2), np.arange(50))
    exact = cosines(rows.vectors, rows.vectors)
    np.fill_diagonal(exact, -np.inf)
    cosine, rank = nearest_of_b(rows, rows)
    assert (cosine == exact.max(axis=0)).all()
    exact[np.tril_indices(50)] = -np.inf
    cosine, rank = nearest_of_b(rows, rows, before=True)
    assert (cosine == exact.max(axis=0)).all()
    assert rank[0] == -1


def test_nothing_is_compared_with_nothing():
    none = Rows(np.empty((0, 3), np.float32), np.empty(0, np.int64))
    best = Best.of(2)
    meet(none, Rows(drawn(2, 3), np.arange(2)), best, best)
    assert best.rank.tolist() == [-1, -1]
