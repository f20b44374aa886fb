import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendi_score import vendi as peer

from schemas.errors import BadInput
from tasks.spread import estimates, mean_cosine, moments, squared_cosine, unit, vendi, vs2_unbiased

ORDERS = [0, 0.5, 1, 2, 3, math.inf]
STATISTICS = [mean_cosine, squared_cosine, vs2_unbiased, vendi, lambda x: vendi(x, 2)]


def rows(n, d, seed=0):
    return unit(np.random.default_rng(seed).standard_normal((n, d)))


def clustered(n, d, seed=0):
    """Rows around five centres: far from even."""
    chance = np.random.default_rng(seed)
    return unit(
        chance.standard_normal((5, d))[chance.integers(0, 5, n)] + 0.5 * chance.standard_normal((n, d))
    )


@pytest.mark.parametrize("q", ORDERS)
def test_vendi_of_n_orthonormal_rows_is_n_and_of_n_copies_is_1(q):
    assert vendi(np.eye(7, 12), q) == pytest.approx(7)
    assert vendi(np.tile(rows(1, 12), (9, 1)), q) == pytest.approx(1)


def test_vs2_of_copies_is_1_and_of_orthogonal_rows_infinite():
    assert vs2_unbiased(np.tile(rows(1, 12), (9, 1))) == pytest.approx(1)
    assert vs2_unbiased(np.eye(7, 12)) == math.inf
    assert squared_cosine(np.linalg.qr(rows(12, 12))[0].astype(np.float32)) == pytest.approx(0, abs=1e-12)


def test_vendi_of_equal_blocks_of_copies_is_the_number_of_blocks():
    blocks = np.repeat(np.eye(4, 10), 25, axis=0)
    assert [vendi(blocks, q) for q in ORDERS] == pytest.approx([4] * len(ORDERS))
    assert squared_cosine(blocks) == pytest.approx((25 - 1) / (100 - 1))  # chance of the same block


def test_uneven_blocks_give_the_hill_numbers_of_their_shares():
    shares = np.array([0.5, 0.3, 0.2])
    blocks = np.repeat(np.eye(3), [50, 30, 20], axis=0)
    assert vendi(blocks, 1) == pytest.approx(math.exp(-np.sum(shares * np.log(shares))))
    assert vendi(blocks, 2) == pytest.approx(1 / np.sum(shares**2))
    assert vendi(blocks, math.inf) == pytest.approx(2)
    assert vendi(blocks, 0) == pytest.approx(3)


def test_even_directions_have_the_expected_squared_cosine_whatever_n():
    d = 24
    for n in (50, 400):
        means = [squared_cosine(rows(n, d, seed)) for seed in range(60)]
        assert np.mean(means) == pytest.approx(1 / d, rel=0.02)
        plain = np.mean([vendi(rows(n, d, seed), 2) for seed in range(20)])
        assert plain == pytest.approx(1 / (1 / n + (1 - 1 / n) / d), rel=0.01)


@pytest.mark.parametrize("q", [0.5, 1, 2, 3])
def test_agrees_with_the_vendi_score_package(q):
    x = clustered(80, 16)
    assert vendi(x, q) == pytest.approx(peer.score_dual(x, q=q), rel=1e-9)
    if q >= 1:  # below 1 the package counts the noise around its zero eigenvalues
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # scipy's, for a name the package uses
            assert vendi(x, q) == pytest.approx(peer.score_K(x @ x.T, q=q), rel=1e-6)


@given(seed=st.integers(0, 10**6), n=st.integers(3, 40), d=st.integers(2, 20))
@settings(max_examples=30, deadline=None)
def test_neither_order_nor_rotation_nor_length_of_rows_matters(seed, n, d):
    chance = np.random.default_rng(seed)
    x = rows(n, d, seed)
    rotation = np.linalg.qr(chance.standard_normal((d, d)))[0]
    turned = (x @ rotation)[chance.permutation(n)] * chance.uniform(0.1, 9, (n, 1))
    for statistic in STATISTICS:
        assert statistic(turned) == pytest.approx(statistic(x), rel=1e-7, abs=1e-9)


@given(seed=st.integers(0, 10**6), times=st.integers(2, 5), q=st.sampled_from(ORDERS))
@settings(max_examples=30, deadline=None)
def test_vendi_does_not_see_replication_of_the_whole_set(seed, times, q):
    x = clustered(12, 6, seed)
    assert vendi(np.tile(x, (times, 1)), q) == pytest.approx(vendi(x, q), rel=1e-9)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 30), d=st.integers(2, 12))
@settings(max_examples=30, deadline=None)
def test_statistics_stay_in_their_range_and_vendi_falls_with_q(seed, n, d):
    x = clustered(n, d, seed)
    falling = [vendi(x, q) for q in ORDERS]
    assert all(1 - 1e-9 <= v <= min(n, d) + 1e-9 for v in falling)
    assert all(a >= b - 1e-9 for a, b in zip(falling, falling[1:], strict=False))
    assert -1 / (n - 1) - 1e-12 <= mean_cosine(x) <= 1 + 1e-12
    assert 0 <= squared_cosine(x) <= 1 + 1e-12


def test_moments_of_parts_add_up_to_those_of_the_whole():
    x = clustered(101, 8)
    joined = moments(x[:40]) + moments(x[40:])
    for statistic in STATISTICS:
        assert statistic(joined) == pytest.approx(statistic(x), rel=1e-12)


def test_means_over_pairs_are_those_of_the_matrix_of_cosines():
    x = clustered(30, 8)
    pairs = (x @ x.T)[np.triu_indices(30, 1)]
    assert mean_cosine(x) == pytest.approx(pairs.mean())
    assert squared_cosine(x) == pytest.approx((pairs**2).mean())


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_rows_give_none(statistic, n):
    assert statistic(np.ones((n, 3))) is None


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_a_row_without_direction_is_refused_by_name(bad):
    x = np.ones((4, 3))
    x[2] = bad
    with pytest.raises(BadInput, match="1 of 4 vectors have no direction; first: row 2"):
        vendi(x)


def test_a_negative_order_is_refused():
    with pytest.raises(BadInput, match="order q of the Vendi score is -1"):
        vendi(np.eye(3), -1)


def test_estimates_carry_the_values_of_the_plain_functions():
    x = clustered(60, 8)
    found = estimates(x)
    plain = {"mean_cosine": mean_cosine, "squared_cosine": squared_cosine, "vs2_unbiased": vs2_unbiased}
    for name, function in {**plain, "vendi": vendi}.items():
        assert found[name].value == pytest.approx(function(x))
        assert found[name].low < found[name].value < found[name].high
    assert {e.value for e in estimates(x[:1]).values()} == {None}
    assert estimates(np.eye(3))["vs2_unbiased"].value is None  # infinite: cannot be shown


def test_intervals_are_as_wide_as_the_values_of_fresh_draws_scatter():
    n, d = 150, 10
    centres = np.random.default_rng(0).standard_normal((5, d))
    drawn = []
    for seed in range(200):
        chance = np.random.default_rng([1, seed])
        x = centres[chance.integers(0, 5, n)] + 0.5 * chance.standard_normal((n, d))
        drawn.append(estimates(x))
    for name in ("mean_cosine", "squared_cosine", "vs2_unbiased", "vendi"):
        widths = np.mean([e[name].high - e[name].low for e in drawn]) / (2 * 1.96)
        assert widths == pytest.approx(np.std([e[name].value for e in drawn]), rel=0.25), name
