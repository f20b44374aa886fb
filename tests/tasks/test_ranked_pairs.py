from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ranked_pairs import tideman

orders = st.permutations(["a", "b", "c", "d", "e"])


def votes(**counts):
    return [list(order) for order, n in counts.items() for _ in range(n)]


def test_one_ranking_is_its_own_order():
    assert tideman([["c", "a", "b"]]) == ["c", "a", "b"]
    assert tideman([]) == []


def test_the_textbook_election_of_a_capital():
    """Memphis, Nashville, Chattanooga, Knoxville with 42, 26, 15 and 17 votes: ranked pairs choose Nashville."""
    ballots = votes(MNCK=42, NCKM=26, CKNM=15, KCNM=17)
    assert tideman(ballots) == ["N", "C", "K", "M"]


def test_the_weakest_link_of_a_circle_gives_way():
    # A beats B by 6, B beats C by 4 and C beats A by 2, of 12: only the last is passed over.
    ballots = votes(ABC=5, CAB=4, BCA=3)
    assert tideman(ballots) == ["A", "B", "C"]


def test_a_full_circle_is_cut_at_the_last_name():
    assert tideman(votes(ABC=1, BCA=1, CAB=1)) == ["A", "B", "C"]


def test_a_tie_is_locked_by_name_after_what_was_won():
    # c beats a; b is as often above each of them as below. a -> b is locked, and then c stands above b.
    assert tideman([["c", "a", "b"], ["b", "c", "a"]]) == ["c", "a", "b"]


def test_items_that_not_every_ranking_holds_are_left_out():
    assert tideman([["b", "x", "a"], ["b", "a", "y"], ["a", "b"]]) == ["b", "a"]


@given(st.lists(orders, min_size=1, max_size=7))
def test_the_order_is_total_and_depends_on_no_order_of_the_rankings(rankings):
    found = tideman(rankings)
    assert sorted(found) == ["a", "b", "c", "d", "e"]
    assert tideman(rankings[::-1]) == found


@given(st.lists(orders, min_size=1, max_size=7))
def test_who_beats_all_others_is_first_and_who_loses_to_all_is_last(rankings):
    def beats(a, b):
        return sum(1 if order.index(a) < order.index(b) else -1 for order in rankings) > 0

    found = tideman(rankings)
    for item in found:
        others = set(found) - {item}
        if all(beats(item, other) for other in others):
            assert found[0] == item
        if all(beats(other, item) for other in others):
            assert found[-1] == item


@given(orders, st.integers(1, 5))
def test_rankings_that_agree_are_kept_as_they_are(order, n):
    assert tideman([order] * n) == list(order)


@pytest.mark.parametrize("names", list(permutations("pqr")))
def test_the_result_follows_the_votes_and_not_the_names(names):
    x, y, z = names
    assert tideman([[x, y, z], [x, z, y], [z, x, y]]) == [x, z, y]
