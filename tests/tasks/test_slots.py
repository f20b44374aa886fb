from collections import Counter

from scipy.stats import binomtest

from schemas.recipe import Recipe
from tasks.recipe import load_recipe, word_list
from tasks.slots import draw


def recipe(**slots):
    level = {"name": "a", "prompt": "x", "reply": "text", "final": True}
    return Recipe(name="t", title="", citation="", licence="", slots=slots, level=[level])


def test_a_draw_depends_on_recipe_edition_and_index_alone():
    stories = load_recipe("tiny_stories")
    many = [draw(stories, "first", i) for i in range(20)]
    assert [draw(stories, "first", i) for i in reversed(range(20))] == many[::-1]
    assert [draw(stories, "second", i) for i in range(20)] != many


def test_each_takes_one_word_of_every_list():
    words = draw(load_recipe("tiny_stories"), "first", 3)["words"]
    assert [
        word in word_list(name) for word, name in zip(words, ["nouns", "verbs", "adjectives"], strict=True)
    ] == [True] * 3


def test_coins_fall_with_their_own_probability():
    coins = {"often": 0.7, "rarely": 0.1, "never": 0.0, "always": 1.0}
    seen = Counter(item for i in range(2000) for item in draw(recipe(f={"coins": coins}), "e", i)["f"])
    assert (seen["never"], seen["always"]) == (0, 2000)
    for item in ("often", "rarely"):
        assert binomtest(seen[item], 2000, coins[item]).pvalue > 1e-4


def test_a_choice_is_one_of_its_items():
    drawn = Counter(draw(recipe(topic={"choice": ["a", "b"]}), "e", i)["topic"] for i in range(200))
    assert set(drawn) == {"a", "b"}
    assert binomtest(drawn["a"], 200, 0.5).pvalue > 1e-4
