import pytest
from pydantic import ValidationError

from schemas.recipe import Checks, Recipe

ROOT = {"name": "story", "prompt": "p", "reply": "text", "final": True}
GOOD = {"name": "good", "title": "t", "citation": "c", "licence": "l", "level": [ROOT]}


def changed(**fields):
    return {**GOOD, **fields}


def level(**fields):
    return changed(level=[{**ROOT, **fields}])


def child(**fields):
    return changed(level=[ROOT, {**ROOT, "name": "child", "parent": "story", **fields}])


def test_a_recipe_with_a_tree_of_levels_is_read():
    recipe = Recipe.model_validate(child(children=3))
    story, child_level = recipe.levels
    assert (story.name, story.parent, story.children) == ("story", None, 1)
    assert (child_level.name, child_level.parent, child_level.children) == ("child", "story", 3)
    assert (recipe.language, recipe.checks, recipe.slots) == ("en", Checks(), {})


@pytest.mark.parametrize(
    ("recipe", "place", "says"),
    [
        (changed(typo=1), "typo", "Extra inputs are not permitted"),
        (changed(level=[]), "level", "at least 1 item"),
        (changed(name="Not A Name"), "name", "should match pattern"),
        (changed(name="../../etc"), "name", "should match pattern"),
        (changed(name="a" * 64), "name", "should match pattern"),
        (changed(name="good\n"), "name", "should match pattern"),
        ({k: v for k, v in GOOD.items() if k != "licence"}, "licence", "Field required"),
        (level(prompts="p"), "level.0.prompts", "Extra inputs are not permitted"),
        (level(reply="a poem"), "level.0.reply", "should match pattern"),
        (level(reply=None), "level.0", "says either prompt and reply, or make"),
        (level(make="pairs"), "level.0", "says either prompt and reply, or make"),
        (level(judge={"filter": "good"}), "level.0", "judges its parent: once, and it is not final"),
        (child(gather=["nobody"]), "", "speaks of 'nobody'"),
        (changed(source={"level": "row", "file": "f", "text": "t"}), "", "has no other root: parent = 'row'"),
        (changed(evolution={"level": "nobody"}), "", "evolution: no level 'nobody'"),
        (
            changed(evolution={"level": "story"}),
            "",
            "level 'story' has no parent: an evolution begins with a source",
        ),
        (changed(slots={"s": {"subsets": {"a+b": 0}}}), "slots.s", "no subset has a weight above 0"),
        (level(children=0), "level.0.children", "greater than or equal to 1"),
        (level(sampling={"temperature": 3}), "level.0.sampling.temperature", "less than or equal to 2"),
        (level(sampling={"top_k": 3}), "level.0.sampling.top_k", "Extra inputs are not permitted"),
        (level(sampling={"stop": list("abcde")}), "level.0.sampling.stop", "at most 4 items"),
        (level(bootstrap={"seeds": "s", "rouge": 0}), "level.0.bootstrap.rouge", "greater than 0"),
        (level(final=False), "", "no level is final: nothing would be released"),
        (
            child(parent="nobody"),
            "",
            "speaks of 'nobody', which is not a level above it; above it: ['story']",
        ),
        (child(parent="child"), "", "level 'child' speaks of 'child', which is not a level above it"),
        (child(name="story"), "", "two levels are named 'story'"),
        (changed(checks={"min_words": -1}), "checks.min_words", "greater than or equal to 0"),
        (changed(checks={"shingle": 4}), "checks.shingle", "Input should be 3 or 5"),
        (changed(checks={"obedience": 1.5}), "checks.obedience", "less than or equal to 1"),
        (changed(slots={"Bad Slot": {"choice": ["a"]}}), "slots.Bad Slot.[key]", "should match pattern"),
        (changed(slots={"s": {}}), "slots.s", "a slot says exactly one of: each, choice, choice_of, coins"),
        (changed(slots={"s": {"choice": ["a"], "each": ["b"]}}), "slots.s", "a slot says exactly one of"),
        (changed(slots={"s": {"coins": {"a": "often"}}}), "slots.s.coins.a", "valid number"),
    ],
)
def test_a_wrong_recipe_is_refused_at_the_place_of_its_fault(recipe, place, says):
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(recipe)
    (error,) = caught.value.errors()
    assert ".".join(map(str, error["loc"])) == place
    assert says in error["msg"]


def test_a_recipe_is_frozen_and_keeps_its_toml_names():
    recipe = Recipe.model_validate(GOOD)
    with pytest.raises(ValidationError):
        recipe.name = "other"
    assert Recipe.model_validate(recipe.model_dump(by_alias=True)) == recipe
    assert "level" in recipe.model_dump(by_alias=True)
