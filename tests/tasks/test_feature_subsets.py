import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks.feature_subsets import ITEMS, coin_shares, read_subsets, total_variation
from tasks.recipe import load_recipe

PUBLISHED = (
    Path(__file__).parents[2].parent / "shared" / "data" / "tinystories" / "feature_subset_distribution.json"
)
OLD_COINS = {"dialogue": 0.5, "plot twist": 0.16} | dict.fromkeys(list(ITEMS.values())[2:], 0.1)


def written(tmp_path, value):
    path = tmp_path / f"subsets{len(list(tmp_path.iterdir()))}.json"  # a path is read once
    path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return path


@pytest.fixture(scope="module")
def published():
    if not PUBLISHED.is_file():
        pytest.skip(f"no public data at {PUBLISHED}")
    return read_subsets(PUBLISHED)


def test_the_published_file_has_all_63_subsets_under_our_names(published):
    assert len(published) == 63 and () not in published
    assert sum(published.values()) == pytest.approx(1)
    assert {item for subset in published for item in subset} == set(ITEMS.values())
    assert published[("dialogue",)] == pytest.approx(0.37677, abs=1e-5)
    assert published[("dialogue", "plot twist")] == pytest.approx(0.08526, abs=1e-5)


def test_its_sizes_and_marginals_are_the_published_figures(published):
    sizes = [sum(p for subset, p in published.items() if len(subset) == size) for size in range(1, 6)]
    assert sizes == pytest.approx([0.6235, 0.3074, 0.0622, 0.0066, 0.00038], abs=5e-5)
    marginals = {item: sum(p for subset, p in published.items() if item in subset) for item in ITEMS.values()}
    assert marginals["dialogue"] == pytest.approx(0.692, abs=5e-4)
    assert marginals["plot twist"] == pytest.approx(0.236, abs=5e-4)
    assert marginals["moral value"] == pytest.approx(0.136, abs=5e-4)


@pytest.mark.parametrize("recipe", ["tiny_stories", "tiny_stories_instruct"])
def test_the_coins_of_the_recipes_are_as_near_to_the_published_subsets_as_coins_can_be(published, recipe):
    """No six independent coins come nearer than 0.0179 (200 restarts of Nelder-Mead); 0.0285 before."""
    slot = load_recipe(recipe).slots["features"]
    assert slot.at_least == 1
    distance = total_variation(coin_shares(slot.coins, slot.at_least), published)
    assert 0.0179 <= distance < 0.0188
    assert total_variation(coin_shares(OLD_COINS, 1), published) == pytest.approx(0.0285, abs=5e-5)


def test_no_coin_alone_could_be_turned_to_come_much_nearer(published):
    coins = load_recipe("tiny_stories").slots["features"].coins
    here = total_variation(coin_shares(coins, 1), published)
    for item in coins:
        for step in (-0.01, 0.01):
            assert total_variation(coin_shares(coins | {item: coins[item] + step}, 1), published) > here


def test_joined_names_are_read_like_lists_and_counts_like_shares(tmp_path):
    one = read_subsets(written(tmp_path, {"dialogue+plot twist": 3, "conflict": 1, "": 4}))
    assert one == {(): 0.5, ("conflict",): 0.125, ("dialogue", "plot twist"): 0.375}
    assert read_subsets(written(tmp_path, [[["Twist", "Dialogue"], 3], [["Conflict"], 1], [[], 4]])) == one


def test_a_name_that_is_not_published_stays_as_it_is(tmp_path):
    assert read_subsets(written(tmp_path, [[["a rhyme", "Twist"], 1]])) == {("a rhyme", "plot twist"): 1.0}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("{", "no readable JSON"), ("3", "int at the top"), ([["a", 1]], "is no subset"), ([[["a"]]], "is no subset"),
        ([[["a", 2], 1]], "is no subset"), ([[["a"], "b"]], "is no subset"), ([[["a"], -1]], "must be 0 or more"),
        ('[[["a"], NaN]]', "must be 0 or more"), ([[["a"], True]], "must be 0 or more"), ([], "above 0"),
        ([[["a"], 0]], "above 0"), ([[["a", "b"], 1], [["b", "a"], 1]], "comes twice"), ([[["a", "a"], 1]], "twice"),
    ],
)  # fmt: skip
def test_a_file_of_another_shape_is_refused_with_its_place(tmp_path, value, says):
    path = written(tmp_path, value)
    with pytest.raises(BadInput, match=says) as raised:
        read_subsets(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no readable JSON"):
        read_subsets(tmp_path / "none.json")


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 0.99), min_size=1), st.integers(0, 1))
def test_coins_make_a_distribution_whose_subsets_have_the_least_size(coins, at_least):
    shares = coin_shares(coins, at_least)
    assert sum(shares.values()) == pytest.approx(1)
    assert len(shares) == 2 ** len(coins) - at_least and min(map(len, shares)) == at_least
    assert total_variation(shares, shares) == 0 and total_variation(shares, {("z",): 1.0}) == pytest.approx(1)


def test_two_fair_coins_by_hand():
    assert coin_shares({"b": 0.5, "a": 0.5}, 1) == pytest.approx(
        {("a",): 1 / 3, ("b",): 1 / 3, ("a", "b"): 1 / 3}
    )
    assert coin_shares({"a": 0.25}) == {(): 0.75, ("a",): 0.25}
