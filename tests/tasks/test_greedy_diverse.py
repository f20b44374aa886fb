import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import greedy_diverse
from tasks.cosine_search import cosines
from tasks.greedy_diverse import Diverse, in_turns
from tasks.vectors import unit_rows


def drawn(n, d=6, seed=0):
    return unit_rows(np.random.default_rng(seed).standard_normal((n, d)))


def chosen(vectors, quality, strata, most, rows, cost=None, budget=np.inf, tie=None):
    cost = np.ones(len(vectors)) if cost is None else np.asarray(cost)
    strata = [np.asarray(places) for places in strata]
    diverse = Diverse(vectors, np.asarray(quality, dtype=float), strata, most)
    return in_turns(tie or range(len(strata)), diverse.next_of, cost, rows, budget)


def plain(vectors, quality, strata, most, rows):
    """The definition, without any of the tricks."""
    exact = cosines(vectors, vectors)
    taken, used = [], [0] * len(strata)
    live = set(range(len(strata)))
    while live and len(taken) < rows:
        turn = min(live, key=lambda s: (used[s], s))
        near = exact[:, taken].max(axis=1, initial=-1)
        free = [i for i in strata[turn] if i not in taken and near[i] <= most + greedy_diverse.ROUNDING]
        if not free:
            live.remove(turn)
            continue
        taken.append(max(free, key=lambda i: (quality[i] * (1 - near[i]), -i)))
        used[turn] += 1
    return taken


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 4), st.sampled_from([0.3, 0.9, 1.0]))
def test_the_choice_is_that_of_computing_everything_anew_each_time(seed, n, k, most):
    chance = np.random.default_rng(seed)
    vectors, quality = drawn(n, 3, seed), chance.choice([0.0, 0.5, 1.0], n)
    codes = chance.integers(k, size=n)
    strata = [np.flatnonzero(codes == s) for s in range(k)]
    expected = plain(vectors, quality, strata, most, n)
    assert chosen(vectors, quality, strata, most, n) == expected


@pytest.mark.parametrize("pool", [1, 2, 7])
def test_a_pool_of_any_size_gives_the_same(monkeypatch, pool):
    vectors, quality = drawn(200), np.random.default_rng(1).random(200)
    strata = np.array_split(np.arange(200), 3)
    whole = chosen(vectors, quality, strata, 0.8, 120)
    monkeypatch.setattr(greedy_diverse, "POOL", pool)
    monkeypatch.setattr(greedy_diverse, "_CELLS", 50)
    assert chosen(vectors, quality, strata, 0.8, 120) == whole
    assert len(whole) > 50


def test_no_two_that_are_taken_are_nearer_than_the_bound_even_of_two_strata():
    vectors = drawn(150, 3)
    taken = chosen(vectors, np.ones(150), [range(0, 150, 2), range(1, 150, 2)], 0.7, 150)
    among = cosines(vectors[taken], vectors[taken])[np.triu_indices(len(taken), 1)]
    assert among.max() <= 0.7 + greedy_diverse.ROUNDING
    left = sorted(set(range(150)) - set(taken))
    assert (cosines(vectors[left], vectors[taken]).max(axis=1) > 0.7).all(), "whatever is left is too near"


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_with_equal_quality_the_radius_is_at_most_twice_the_smallest_possible(seed, k):
    vectors = drawn(9, 2, seed)
    angle = np.arccos(np.clip(cosines(vectors, vectors), -1, 1))

    def radius(centres):
        return angle[:, list(centres)].min(axis=1).max()

    taken = chosen(vectors, np.ones(9), [range(9)], 1.0, k)
    best = min(radius(centres) for centres in itertools.combinations(range(9), k))
    assert radius(taken) <= 2 * best + 1e-3


def test_the_first_is_the_best_and_the_next_the_product_of_quality_and_novelty():
    vectors = unit_rows(np.array([[1.0, 0], [0.8, 0.6], [0, 1], [-1, 0]]))
    assert chosen(vectors, [0.5, 0.9, 0.4, 0.1], [range(4)], 0.9, 1) == [1]
    # novelty to [0.8, 0.6]: 0.2, -, 0.4, 1.8
    assert chosen(vectors, [0.5, 0.9, 0.4, 0.1], [range(4)], 0.9, 4) == [1, 3, 2, 0]
    assert chosen(vectors, [0.5, 0.9, 0.4, 0.01], [range(4)], 0.9, 2) == [1, 2]


def test_strata_end_with_equal_shares_and_what_a_small_one_leaves_goes_to_the_others():
    strata = [list(range(2)), list(range(2, 12)), list(range(12, 30))]
    queues = [iter(s) for s in strata]
    taken = in_turns([2, 0, 1], lambda s: next(queues[s], None), np.ones(30), 17, np.inf)
    shares = [len(set(taken) & set(s)) for s in strata]
    assert shares == [2, 8, 7]  # 15 are left for two: the odd one goes to the lowest number


def test_shares_of_a_budget_are_counted_in_cost_and_never_exceeded():
    cost = np.array([10.0] * 10 + [2.0] * 50)
    queues = [iter(range(10)), iter(range(10, 60))]
    taken = in_turns([0, 1], lambda s: next(queues[s], None), cost, 60, 87)
    spent = [cost[[i for i in taken if i < 10]].sum(), cost[[i for i in taken if i >= 10]].sum()]
    assert sum(spent) <= 87 and sum(spent) > 85
    assert spent == [40, 46]


def test_no_rows_and_no_strata_give_nothing():
    assert chosen(drawn(1)[:0], [], [], 0.9, 5) == []
    assert chosen(drawn(3), np.ones(3), [[], [0, 1, 2]], -1.0, 9) == [0]
