import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.intervals import share
from tasks.label_scores import point_scores, scores

TRUTH = ["a"] * 6 + ["b"] * 3 + ["c"]
GUESS = ["a"] * 4 + ["b"] * 2 + ["b", "b", "a"] + ["a"]


def test_known_answers():
    found = scores(TRUTH, GUESS)
    assert found.accuracy == share(6, 10)
    assert found.labels["a"].precision == share(4, 6) and found.labels["a"].recall == share(4, 6)
    assert found.labels["b"].precision == share(2, 4) and found.labels["b"].recall == share(2, 3)
    assert found.labels["b"].f1.value == pytest.approx(4 / 7)
    assert found.labels["c"].precision.value is None and found.labels["c"].recall.value == 0.0
    assert found.labels["c"].f1.value == 0.0
    assert found.macro_f1.value == pytest.approx((2 / 3 + 4 / 7 + 0) / 3)
    assert point_scores(TRUTH, GUESS) == (found.accuracy.value, found.macro_f1.value)
    assert found.macro_f1.n == 10 and found.labels["b"].f1.n == 3


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1, max_size=40))
def test_the_values_are_those_of_scikit_learn_and_lie_within_their_intervals(rows):
    from sklearn.metrics import f1_score

    truth, guess = map(list, zip(*rows, strict=True))
    found = scores(truth, guess)
    known = sorted(set(truth))
    each = f1_score(truth, guess, labels=known, average=None, zero_division=0)
    assert [found.labels[name].f1.value for name in known] == pytest.approx(list(each))
    assert found.macro_f1.value == pytest.approx(float(np.mean(each)))
    for estimate in (found.accuracy, found.macro_f1, *(found.labels[name].f1 for name in known)):
        assert 0 <= estimate.value <= 1
        if estimate.low is not None:
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_where_no_draw_differs_there_is_no_interval_rather_than_one_of_no_width():
    perfect = scores(["a", "b"] * 4, ["a", "b"] * 4)
    assert perfect.macro_f1 == (1.0, 8, None, None) and perfect.labels["a"].f1 == (1.0, 4, None, None)
    assert perfect.accuracy.low < 0.7, "Wilson's does doubt it"


def test_a_label_that_is_only_guessed_has_precision_but_no_recall_and_no_f1():
    found = scores(["a", "b"], ["a", "z"]).labels["z"]
    assert found.precision.value == 0.0
    assert found.recall.value is None and found.f1.value is None


def test_the_order_of_the_rows_changes_nothing():
    order = np.random.default_rng(0).permutation(len(TRUTH))
    assert scores([TRUTH[i] for i in order], [GUESS[i] for i in order]) == scores(TRUTH, GUESS)


def test_nothing_to_score_is_unknown():
    found = scores([], [])
    assert found.accuracy.value is None and found.macro_f1.value is None and found.labels == {}


def test_the_interval_of_macro_f1_covers_the_true_value_about_as_often_as_it_says():
    """Two labels with recalls .8 and .7: 95% of 200 intervals, 1,000 draws of the test set tell the truth."""
    rng = np.random.default_rng(1)

    def draw(n):
        truth = rng.random(n) < 0.5
        right = rng.random(n) < np.where(truth, 0.8, 0.7)
        return ["ny"[int(t)] for t in truth], ["ny"[int(t == r)] for t, r in zip(truth, right, strict=True)]

    target = scores(*draw(100_000)).macro_f1.value
    covered = 0
    for _ in range(200):
        found = scores(*draw(150)).macro_f1
        covered += found.low <= target <= found.high
    assert 0.89 <= covered / 200 <= 0.99


def test_the_interval_shrinks_with_the_root_of_the_rows_and_the_seed_moves_it_little():
    small, large = scores(TRUTH * 10, GUESS * 10).macro_f1, scores(TRUTH * 160, GUESS * 160).macro_f1
    assert (small.high - small.low) / (large.high - large.low) == pytest.approx(4, rel=0.25)
    other = scores(TRUTH * 10, GUESS * 10, seed=1).macro_f1
    assert other != small and other.low == pytest.approx(small.low, abs=0.03)
