"""Laws that hold for every public statistic: what is empty or single is unknown, known answers, invariances."""

import importlib
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import clusters, coverage, explore, funnel, lexical, measurement, neighbours, overlap, spread
from tasks.spread import unit

MODULES = (
    "clusters",
    "coverage",
    "explore",
    "funnel",
    "lexical",
    "measurement",
    "neighbours",
    "overlap",
    "spread",
)
TEXT = "the cat sat on the mat and looked at the dog for a while " * 5


def rows(n):
    return np.eye(max(n, 1), 5)[:n]


def texts(n):
    return [TEXT] * n


def slots(n):
    made = {
        "sample_id": [str(i) for i in range(n)],
        "parent_id": [None] * n,
        "final": [True] * n,
        "slots": ['{"label": "a"}'] * n,
    }
    judged = pl.DataFrame(schema={"sample_id": pl.String, "filter": pl.String, "keep": pl.Boolean})
    return pl.DataFrame(
        made,
        schema_overrides={
            "sample_id": pl.String,
            "final": pl.Boolean,
            "parent_id": pl.String,
            "slots": pl.String,
        },
    ), judged


# What each statistic is asked of a set of n; a single text has many words, so counts of words are asked for none.
OF_SETS = {
    **{(spread, f): lambda f, n: f(rows(n)) for f in ("mean_cosine", "squared_cosine", "vs2_unbiased", "vendi")},
    **{(explore, f): lambda f, n: f(rows(n)) for f in ("dc_score", "novel_sum")},
    **{(explore, f): lambda f, n: f(texts(n)) for f in ("ead", "self_bleu", "compression_ratio")},
    **{(explore, f): lambda f, n: f(["word"] * n) for f in ("mtld", "hdd")},
    (neighbours, "cosine_quantile"): lambda f, n: f(rows(n)),
    (neighbours, "share_above"): lambda f, n: f(np.ones(n), 0.5),
    **{
        (lexical, f): lambda f, n: f(texts(n))
        for f in ("opener_share", "repeated_ngram_share", "distinct_ngrams", "good_turing", "mean_words")
    },
    (lexical, "rarefied_ngrams"): lambda f, n: f(texts(n)),  # fewer than 5,000 bigrams
    **{(clusters, f): lambda f, n: f(np.array([n, 0])) for f in ("entropy", "effective_clusters")},
    (clusters, "js_divergence"): lambda f, n: f(np.array([n, 0]), np.array([5, 5])),
    (coverage, "slot_hit_rate"): lambda f, n: f(texts(n), [["cat"]] * n),
    **{(coverage, f): lambda f, n: f(texts(n), [["cat", "dog"]] * n, (2, 2)) for f in ("pair_coverage", "word_coverage")},
    (coverage, "label_min_share"): lambda f, n: f(["a"] * n),
    (coverage, "least_share"): lambda f, n: f([n] if n else []),
    (funnel, "keep_rate_gap"): lambda f, n: f(*slots(n)),
}  # fmt: skip
OF_COUNTS = {
    **{(lexical, f): lambda f: f(np.zeros(0, int)) for f in ("top_share", "repeated_share", "turing_coverage", "distinct_share")},
    (lexical, "rarefied_types"): lambda f: f(np.zeros(0, int), 1),
    (measurement, "rarefied"): lambda f: f(np.ones(4_999, int)),
    (overlap, "leak_count"): lambda f: f([], [TEXT]),
}  # fmt: skip


def public():
    """Every public function of these modules that returns a number or None."""
    for name in MODULES:
        module = importlib.import_module(f"tasks.{name}")
        for f in vars(module).values():
            told = getattr(f, "__annotations__", {}).get("return")
            ours = getattr(f, "__module__", "") == module.__name__ and not f.__name__.startswith("_")
            if ours and told in (float | None, int | None):
                yield module, f.__name__


def test_every_public_statistic_is_asked_here():
    assert set(public()) == {*OF_SETS, *OF_COUNTS}


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("key", OF_SETS, ids=lambda key: key[1])
def test_of_nothing_and_of_one_nothing_is_known(key, n):
    assert OF_SETS[key](getattr(*key), n) is None


@pytest.mark.parametrize("key", OF_COUNTS, ids=lambda key: key[1])
def test_without_occurrences_nothing_is_known(key):
    assert OF_COUNTS[key](getattr(*key)) is None


def simplex(n):
    """n unit vectors with the same cosine -1/(n - 1) for every two."""
    return unit(np.eye(n) - 1 / n)


CLOSED = {
    "mean cosine of orthonormal rows": (spread.mean_cosine(np.eye(7)), 0),
    "mean cosine of copies": (spread.mean_cosine(np.ones((7, 3))), 1),
    "mean cosine of a simplex": (spread.mean_cosine(simplex(6)), -1 / 5),
    "mean cosine of antipodal pairs": (spread.mean_cosine(np.vstack([np.eye(3), -np.eye(3)])), -1 / 5),
    "c2 of two rows": (spread.squared_cosine(np.array([[1, 0], [0.6, 0.8]])), 0.36),
    "c2 of a simplex": (spread.squared_cosine(simplex(6)), 1 / 25),
    "c2 of antipodal pairs": (spread.squared_cosine(np.vstack([np.eye(3), -np.eye(3)])), 1 / 5),
    "VS2_U of copies": (spread.vs2_unbiased(np.ones((5, 4))), 1),
    "VS2_U of a simplex": (spread.vs2_unbiased(simplex(6)), 25),
    "VS2_U of axes both ways": (spread.vs2_unbiased(np.vstack([np.eye(3), -np.eye(3)])), 5),
    "Vendi of orthonormal rows": (spread.vendi(np.eye(7)), 7),
    "Vendi of copies": (spread.vendi(np.ones((7, 3))), 1),
    "Vendi of a simplex": (spread.vendi(simplex(6)), 5),  # its rows sum to 0: five equal eigenvalues
    "Vendi of antipodal pairs": (spread.vendi(np.vstack([np.eye(3), -np.eye(3)])), 3),
    "Vendi of order 2 of shares 3/4, 1/4": (spread.vendi(np.eye(2)[[0, 0, 0, 1]], 2), 1 / (9 / 16 + 1 / 16)),
    "Vendi of order infinity": (spread.vendi(np.eye(2)[[0, 0, 0, 1]], math.inf), 4 / 3),
    "entropy of equal cells": (clusters.entropy(np.full(8, 5)), 3),
    "entropy of one cell": (clusters.entropy(np.array([9, 0, 0])), 0),
    "effective clusters of equal cells": (clusters.effective_clusters(np.full(8, 5)), 1),
    "effective clusters of half the cells": (clusters.effective_clusters(np.array([3, 3, 0, 0])), 0.5),
    "JS of equal counts is less than nothing by its bias": (
        clusters.js_divergence(np.array([4, 4]), np.array([4, 4])),
        -(1 / 8 + 1 / 8) / (8 * math.log(2)),
    ),
    "JS of disjoint cells": (
        clusters.js_divergence(np.array([8, 0]), np.array([0, 8])),
        1 - (1 / 8 + 1 / 8) / (8 * math.log(2)),
    ),
    "Hurlbert by hand": (lexical.rarefied_types(np.array([2, 1]), 2), 1 + 2 / 3),  # aab: 1 of 3 pairs is aa
    "Hurlbert of all": (lexical.rarefied_types(np.array([3, 2, 1]), 6), 3),
    "Good-Turing by hand": (lexical.turing_coverage(np.array([3, 1, 1])), 1 - 2 / 5),
    "openers by hand": (lexical.top_share(np.array([5, *[1] * 15]), 10), 14 / 20),
    "repeated 4-grams by hand": (lexical.repeated_share(np.array([2, 1, 3])), 5 / 6),
    "coupon collector": (coverage.expected_coverage(3, 2), 1 - 4 / 9),
    "balance of labels": (coverage.label_min_share(list("aaab")), 0.5),
    "DCScore of orthonormal rows": (explore.dc_score(np.eye(4)), 4 * math.e / (math.e + 3)),
    "NovelSum of orthonormal rows": (explore.novel_sum(np.eye(4)), (1 + 1 / 2 + 1 / 3) / math.sqrt(3)),
    "99th percentile of cosines of a simplex": (neighbours.cosine_quantile(simplex(5).astype(np.float64)), -1 / 4),
}  # fmt: skip


@pytest.mark.parametrize("case", CLOSED)
def test_known_answers_are_met_to_1e_9(case):
    found, expected = CLOSED[case]
    # cosines of neighbours are float32, as the vectors are stored
    assert found == pytest.approx(expected, abs=1e-6 if "percentile" in case else 1e-9)


def test_even_directions_have_the_expected_order_2_of_a_finite_sample():
    """E of tr (S/n)^2 is 1/n + (1 - 1/n)/d for even directions, whatever n: here the mean of 400 draws."""
    n, d, chance = 12, 5, np.random.default_rng(0)
    drawn = [1 / spread.vendi(chance.standard_normal((n, d)), 2) for _ in range(400)]
    expected = 1 / n + (1 - 1 / n) / d
    assert np.mean(drawn) == pytest.approx(expected, abs=4 * np.std(drawn) / 20)


VECTORS = [spread.mean_cosine, spread.squared_cosine, spread.vs2_unbiased, spread.vendi, explore.dc_score, explore.novel_sum]  # fmt: skip
WORDS = [
    lexical.opener_share,
    lexical.repeated_ngram_share,
    lexical.distinct_ngrams,
    lexical.good_turing,
    lexical.mean_words,
    lambda told: lexical.rarefied_ngrams(told, 2, 3),
    explore.ead,
    explore.self_bleu,
    explore.compression_ratio,
]
TEXTS = st.lists(
    st.lists(st.sampled_from("abcdef"), min_size=4, max_size=12).map(" ".join), min_size=2, max_size=9
)


@given(st.integers(2, 25), st.integers(2, 6), st.integers(0, 99))
@settings(max_examples=30)
def test_order_and_rotation_of_vectors_change_nothing(n, d, seed):
    chance = np.random.default_rng(seed)
    x, turn = chance.standard_normal((n, d)), np.linalg.qr(chance.standard_normal((d, d)))[0]
    for statistic in VECTORS:
        assert statistic(x[chance.permutation(n)] @ turn) == pytest.approx(statistic(x), rel=1e-7, abs=1e-9)


@given(TEXTS, st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_order_of_texts_changes_nothing(told, chance):
    shuffled = chance.sample(told, len(told))
    for statistic in WORDS:
        assert statistic(shuffled) == pytest.approx(statistic(told), rel=1e-12)


@given(st.integers(2, 9), st.integers(2, 5), st.integers(0, 99))
@settings(max_examples=30)
def test_the_same_set_several_times_keeps_what_is_of_shares_alone(n, times, seed):
    chance = np.random.default_rng(seed)
    x, counts = chance.standard_normal((n, 4)), chance.integers(1, 9, n)
    for q in (0.5, 1, 2, math.inf):
        assert spread.vendi(np.tile(x, (times, 1)), q) == pytest.approx(spread.vendi(x, q), rel=1e-9)
    for statistic in (clusters.entropy, clusters.effective_clusters, lexical.top_share, coverage.least_share):
        assert statistic(counts * times) == pytest.approx(statistic(counts), rel=1e-12)
    told, asked = ["a dog ran", "a cat", "no"] * times, [["dog", "run"], ["cat"], ["yes"]] * times
    assert coverage.slot_hit_rate(told, asked) == coverage.slot_hit_rate(told[:3], asked[:3]) == 3 / 4
    assert lexical.mean_words(told) == lexical.mean_words(told[:3])
