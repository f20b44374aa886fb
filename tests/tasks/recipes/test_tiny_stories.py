from collections import Counter
from pathlib import Path

import pytest
from growing import grown
from likeness import near_share
from scipy.stats import chisquare

from tasks.feature_subsets import coin_shares, read_subsets
from tasks.recipe import load_recipe
from tasks.slots import draw

PUBLISHED = (
    Path(__file__).parents[3].parent / "shared" / "data" / "tinystories" / "feature_subset_distribution.json"
)


def asked_features(changes=(), n=3000):
    recipe = load_recipe("tiny_stories", tuple(changes))
    return Counter(tuple(sorted(draw(recipe, "first", i)["features"])) for i in range(n))


def fits(counts, shares):
    """p value of a chi-square test, subsets of fewer than five expected draws taken together."""
    n = sum(counts.values())
    common = [subset for subset, share in shares.items() if share * n >= 5]
    seen, expected = [counts[subset] for subset in common], [shares[subset] * n for subset in common]
    return chisquare([*seen, n - sum(seen)], [*expected, n - sum(expected)]).pvalue


def test_features_fall_as_the_coins_say_and_one_always_does():
    slot = load_recipe("tiny_stories").slots["features"]
    counts = asked_features()
    assert () not in counts and fits(counts, coin_shares(slot.coins, 1)) > 1e-4


def test_the_published_frequencies_are_an_option():
    if not PUBLISHED.is_file():
        pytest.skip(f"no public data at {PUBLISHED}")
    changes = ("coins={}", "at_least=0", f"subsets_file={PUBLISHED}")
    counts = asked_features([f"slots.features.{change}" for change in changes])
    shares = read_subsets(PUBLISHED)
    assert set(counts) <= set(shares) and fits(counts, shares) > 1e-4
    uniform = dict.fromkeys(shares, 1 / 63)
    assert fits(counts, uniform) < 1e-9


def test_it_grows_stories_that_are_kept_and_distinct(tmp_path):
    made = grown(tmp_path, "tiny_stories", 80)
    assert made["sample"].height == 80 and made["final"].height > 64
    assert near_share(made["final"]["text"].to_list()) < 0.15  # a share of the storyteller's is a stock story
    for row in made["final"].iter_rows(named=True):
        assert "\nWords: " in row["instruction"] and "\nFeatures: " in row["instruction"]
        assert row["output"] == row["text"]
