import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import clusters
from tasks.spread import unit

COUNTS = st.lists(st.integers(0, 50), min_size=2, max_size=10).map(np.array).filter(lambda c: c.sum() > 1)


def rows(n, d, seed=0):
    return unit(np.random.default_rng(seed).standard_normal((n, d)))


def test_even_counts_fill_the_codebook_and_a_single_cell_1_over_k():
    assert clusters.effective_clusters(np.array([5, 5, 5, 5])) == pytest.approx(1)
    assert clusters.effective_clusters(np.array([20, 0, 0, 0])) == pytest.approx(1 / 4)
    assert clusters.effective_clusters(np.array([10, 10, 0, 0])) == pytest.approx(1 / 2)


def test_disjoint_topics_diverge_by_one_bit_less_the_null_bias():
    bias = (2 - 1) * (1 / 1000 + 1 / 1000) / (8 * math.log(2))
    assert clusters.js_divergence(np.array([1000, 0]), np.array([0, 1000])) == pytest.approx(1 - bias)


@given(COUNTS, st.integers(2, 9))
@settings(max_examples=50, deadline=None)
def test_ranges_hold_and_the_divergence_is_symmetric(counts, times):
    other = np.roll(counts, 1)
    assert 1 / len(counts) - 1e-12 <= clusters.effective_clusters(counts) <= 1 + 1e-12
    assert clusters.effective_clusters(counts * times) == pytest.approx(clusters.effective_clusters(counts))
    here, there = clusters.js_divergence(counts, other), clusters.js_divergence(other, counts)
    assert here == pytest.approx(there)
    assert here <= 1
    assert clusters.js_divergence(counts, counts) <= 1e-12


def test_two_draws_from_one_distribution_diverge_by_nothing_in_the_mean():
    chance = np.random.default_rng(0)
    p = chance.dirichlet(np.ones(64) * 2)
    drawn = [
        clusters.js_divergence(chance.multinomial(900, p), chance.multinomial(3000, p)) for _ in range(300)
    ]
    bias = 63 * (1 / 900 + 1 / 3000) / (8 * math.log(2))
    assert bias == pytest.approx(0.0164, abs=1e-4)  # what would stand there without the correction
    assert abs(np.mean(drawn)) < 0.1 * bias


def test_a_collapse_to_one_topic_is_seen_by_both():
    topics = rows(8, 32)
    chance = np.random.default_rng(1)
    mixed = topics[chance.integers(0, 8, 1600)] + 0.15 * chance.standard_normal((1600, 32))
    one = topics[np.zeros(400, dtype=int)] + 0.15 * chance.standard_normal((400, 32))
    fresh = topics[chance.integers(0, 8, 400)] + 0.15 * chance.standard_normal((400, 32))
    frozen, fitted = clusters.directions(32), clusters.spherical_k_means(mixed)
    used = [clusters.effective_clusters(clusters.cell_counts(x, frozen)) for x in (fresh, one)]
    assert used[1] < 0.6 * used[0]
    reference = clusters.cell_counts(mixed, fitted)
    same, far = (clusters.js_estimate(clusters.cell_counts(x, fitted), reference) for x in (fresh, one))
    assert same.low <= 0.02
    assert far.low > 0.4


def test_the_frozen_codebook_never_changes():
    codebook = clusters.directions(384)
    assert codebook.shape == (64, 384)
    assert np.round(codebook[0, :3], 6).tolist() == [-0.039749, 0.057995, -0.046937]
    assert np.linalg.norm(codebook, axis=1) == pytest.approx(np.ones(64))


def test_k_means_finds_planted_topics_and_ignores_the_order_of_rows():
    topics = np.eye(5, 16)
    chance = np.random.default_rng(2)
    truth = np.repeat(np.arange(5), 60)
    x = topics[truth] + 0.1 * chance.standard_normal((300, 16))
    codebook = clusters.spherical_k_means(x, 5)
    assert (codebook @ topics.T).max(axis=0) == pytest.approx(np.ones(5), abs=0.01)
    shuffled = clusters.spherical_k_means(x[chance.permutation(300)], 5)
    assert np.array_equal(shuffled, codebook)
    assert clusters.cell_counts(x, codebook).tolist() == [60] * 5


def test_a_small_reference_gets_a_small_codebook():
    assert clusters.spherical_k_means(rows(100, 8)).shape == (5, 8)
    assert clusters.spherical_k_means(rows(3, 8)).shape == (1, 8)


def test_intervals_are_as_wide_as_values_of_fresh_draws_scatter():
    chance = np.random.default_rng(3)
    p, q = chance.dirichlet(np.ones(16)), chance.dirichlet(np.ones(16))
    drawn = [(chance.multinomial(600, p), chance.multinomial(900, q)) for _ in range(150)]
    for found in (
        [clusters.effective_clusters_estimate(a) for a, _ in drawn],
        [clusters.js_estimate(a, b) for a, b in drawn[:60]],
    ):
        width = np.mean([e.high - e.low for e in found]) / (2 * 1.96)
        assert width == pytest.approx(np.std([e.value for e in found]), rel=0.3)


def test_the_same_counts_give_the_same_interval():
    counts = np.array([5, 3, 9]), np.array([4, 4, 4])
    assert clusters.js_estimate(*counts) == clusters.js_estimate(*counts)


@pytest.mark.parametrize("counts", [np.array([0, 0]), np.array([1, 0])])
def test_fewer_than_two_rows_give_none(counts):
    assert clusters.effective_clusters(counts) is None
    assert clusters.js_divergence(counts, np.array([5, 5])) is None
    assert clusters.js_divergence(np.array([5, 5]), counts) is None
    assert clusters.effective_clusters_estimate(counts).value is None
    assert clusters.js_estimate(counts, np.array([5, 5])).value is None


def test_no_rows_fill_no_cell():
    assert clusters.cell_counts(np.zeros((0, 8)), clusters.directions(8)).sum() == 0
