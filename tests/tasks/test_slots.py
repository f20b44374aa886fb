from collections import Counter

from scipy.stats import binomtest, chisquare

from schemas.recipe import Recipe
from tasks.recipe import load_recipe
from tasks.slots import draw
from tasks.word_lists import word_list


def recipe(sampler="random", **slots):
    level = {"name": "a", "prompt": "x", "reply": "text", "final": True}
    about = {"name": "t", "title": "", "citation": "", "licence": ""}
    return Recipe(**about, sampler=sampler, slots=slots, level=[level])


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


def test_the_balanced_sampler_gives_every_item_equally_often_and_every_pair_once():
    grid = recipe("balanced", a={"choice": list("uvwxyz")}, b={"choice": list("1234")})
    drawn = Counter((d["a"], d["b"]) for d in (draw(grid, "e", i) for i in range(24)))
    assert len(drawn) == 24 and set(drawn.values()) == {1}


def test_words_of_three_lists_are_balanced_within_a_block():
    stories = load_recipe("tiny_stories")
    size = len(word_list("nouns"))
    block = size if size % 2 else size + 1
    nouns = Counter(draw(stories, "first", i)["words"][0] for i in range(block))
    assert set(nouns) == set(word_list("nouns")) and max(nouns.values()) <= 2


def test_random_draws_as_in_the_paper_are_even_but_leave_gaps():
    plain = recipe("random", a={"choice": [str(i) for i in range(50)]})
    drawn = Counter(draw(plain, "e", i)["a"] for i in range(5000))
    assert chisquare([drawn[str(i)] for i in range(50)]).pvalue > 1e-4
    assert len({draw(plain, "e", i)["a"] for i in range(50)}) < 50


def test_another_cell_may_be_drawn_for_a_tree_and_its_coins_stay():
    stories = load_recipe("tiny_stories")
    here, there = draw(stories, "first", 3), draw(stories, "first", 3, cell=77)
    assert here["features"] == there["features"]
    assert there["words"] == draw(stories, "first", 77)["words"] != here["words"]


def test_weights_take_the_place_of_the_grid():
    topics = recipe("balanced", topic={"choice": ["a", "b", "c"]})
    drawn = Counter(
        draw(topics, "e", i, weights={"topic": {"a": 0.0, "b": 1.0, "c": 3.0}})["topic"] for i in range(2000)
    )
    assert drawn["a"] == 0 and binomtest(drawn["c"], 2000, 0.75).pvalue > 1e-4


def test_weighted_items_come_by_their_share_within_a_few_wherever_one_begins():
    grid = recipe("balanced", a={"choice": ["x", "y"]}, b={"choice": ["1", "2", "3"]})
    weights = {"a": {"x": 0.75, "y": 0.25}, "b": {"1": 2.0, "2": 1.0, "3": 1.0}}
    drawn = [draw(grid, "e", i, weights=weights) for i in range(900)]
    for start in range(0, 900, 100):
        counts = Counter(each["a"] for each in drawn[start : start + 100])
        assert abs(counts["x"] - 75) <= 3, "independent draws would be off by 8 now and then"
    pairs = Counter((each["a"], each["b"]) for each in drawn)
    for (a, b), n in pairs.items():
        assert abs(n - 900 * weights["a"][a] * weights["b"][b] / 4) <= 12, (
            "two slots are not tied to each other"
        )


def test_a_design_decides_the_cells_and_nothing_else():
    stories = load_recipe("tiny_stories")
    one, two = (draw(stories, edition, 3, design="shared") for edition in ("first", "second"))
    assert one["words"] == two["words"] != draw(stories, "first", 3)["words"]
    features = [
        [draw(stories, edition, i, design="shared")["features"] for i in range(20)] for edition in ("a", "b")
    ]
    assert features[0] != features[1]
    assert [draw(stories, "a", i)["features"] for i in range(20)] == features[0]


def test_an_item_that_needs_a_field_is_drawn_only_where_the_row_has_it():
    slot = recipe("balanced", how={"choice": ["plain", "choose", "doubt"], "needs": {"2": "choices"}})
    without = {draw(slot, "e", i, {"choices": ""})["how"] for i in range(60)}
    assert without == {"plain", "doubt"}
    assert {draw(slot, "e", i, {"choices": "a b"})["how"] for i in range(60)} == {"plain", "choose", "doubt"}


def test_coins_fall_again_until_enough_fell():
    drawn = [draw(recipe(f={"coins": {"a": 0.1, "b": 0.1}, "at_least": 1}), "e", i)["f"] for i in range(300)]
    assert all(drawn)


def test_subsets_fall_by_their_weights():
    slot = recipe(f={"subsets": {"": 1, "a": 1, "a+b": 2}})
    drawn = Counter(tuple(draw(slot, "e", i)["f"]) for i in range(2000))
    assert set(drawn) == {(), ("a",), ("a", "b")}
    assert binomtest(drawn["a", "b"], 2000, 0.5).pvalue > 1e-4


def test_a_recipe_without_slots_draws_nothing():
    assert draw(recipe("balanced"), "e", 5) == {}
