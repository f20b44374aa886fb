import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.intervals import GROUPS, Estimate, around, jackknife, mean, median, ratio, share


def test_wilson_gives_the_textbook_interval():
    value, n, low, high = share(15, 20)
    assert (value, n) == (0.75, 20)
    assert (low, high) == pytest.approx((0.5313, 0.8881), abs=1e-4)


@given(n=st.integers(1, 5000), data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_share_lies_in_its_interval_and_the_interval_in_0_to_1(n, data):
    value, _, low, high = share(data.draw(st.integers(0, n)), n)
    assert 0 <= low <= value <= high <= 1
    assert low < high


@pytest.mark.parametrize(
    "estimate", [share(0, 0), mean(np.array([1.0])), median(np.array([])), ratio(np.zeros(3), np.zeros(3))]
)
def test_what_cannot_be_known_is_null_and_not_0(estimate):
    assert (estimate.value, estimate.low, estimate.high) == (None, None, None)


def test_an_infinite_value_is_unknown_and_an_infinite_error_leaves_no_interval():
    assert around(math.inf, 1.0, 5) == Estimate(None, 5)
    assert around(0.5, math.inf, 5) == Estimate(0.5, 5)


@pytest.mark.parametrize(
    ("estimate_of", "truth"),
    [
        (lambda x: mean(x), 1.0),
        (lambda x: median(x), math.log(2)),
        (lambda x: ratio(np.minimum(x, 1), np.ones(len(x))), 1 - math.exp(-1)),
    ],
)
def test_intervals_hold_the_truth_in_about_95_of_100_draws(estimate_of, truth):
    chance = np.random.default_rng(5)
    held = [e.low <= truth <= e.high for e in (estimate_of(chance.exponential(size=200)) for _ in range(600))]
    assert 0.92 <= np.mean(held) <= 0.98


def test_the_jackknife_of_a_share_agrees_with_the_binomial_error():
    chance = np.random.default_rng(1)
    widths, held = [], []
    for _ in range(200):
        types = (chance.random(4000) < 0.3).astype(int)
        found = jackknife(types, np.arange(4000) % GROUPS, lambda counts: counts[1] / counts.sum(), 4000)
        widths.append(found.high - found.low)
        held.append(found.low <= 0.3 <= found.high)
    assert np.mean(widths) == pytest.approx(2 * 2.093 * math.sqrt(0.3 * 0.7 / 4000), rel=0.1)
    assert np.mean(held) > 0.9


def test_the_jackknife_needs_every_group():
    types = np.arange(GROUPS - 1)
    found = jackknife(types, types, lambda counts: 0.5, GROUPS - 1)
    assert found == Estimate(0.5, GROUPS - 1)
