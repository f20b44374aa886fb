import json
from collections import Counter

import polars as pl
import pytest
from given import row
from growing import asked_run
from hypothesis import given
from hypothesis import strategies as st

from schemas.recipe import Recipe
from tasks.growth import PLACES
from tasks.lacking import LEAST, TIMES, Tree, again, earlier, held, levelled, promised, short, trees_of
from tasks.recipe import load_recipe
from tasks.slots import draw

WORDS = (["ant", "bee", "cat", "dog", "elk"], ["ask", "bake", "call", "dance", "eat"], ["apt", "big", "calm", "dry", "easy"])  # fmt: skip


def recipe(temperature=1.0, **slots):
    level = {
        "name": "a",
        "prompt": "x",
        "reply": "text",
        "final": True,
        "sampling": {"temperature": temperature},
    }
    return Recipe(name="t", title="", citation="", licence="", slots=slots, level=[level])


@pytest.fixture
def stories(tmp_path):
    """A recipe of three short lists: a block is 5 trees, all pairs come in 25."""
    for number, words in enumerate(WORDS):
        (tmp_path / f"{number}.txt").write_text("\n".join(words))
    return recipe(words={"each": [str(tmp_path / f"{number}.txt") for number in range(3)]})


def tree(recipe, slots, *texts):
    ids = [str(number) for number in range(len(texts))]
    return Tree(slots, ids, [held(recipe, slots, text) for text in texts])


def obeyed(recipe, n, but=None):
    """The first n trees; each text holds all its words, but those that `but` gives another text."""
    drawn = [draw(recipe, "e", i) for i in range(n)]
    texts = [(but or {}).get(i, (" ".join(slots["words"]),)) for i, slots in enumerate(drawn)]
    return [tree(recipe, slots, *text) for slots, text in zip(drawn, texts, strict=True)]


@pytest.mark.parametrize(
    ("sizes", "promises"),
    [((), {0: 0, 99: 0}), ((4,), {3: 0, 4: 1, 99: 1}), ((4, 6), {5: 0, 6: 1, 23: 1, 24: 2}),
     ((4, 4, 4), {4: 0, 5: 1, 24: 1, 25: 2})],
)  # fmt: skip
def test_the_grid_promises_items_after_a_block_and_pairs_after_a_pass(sizes, promises):
    assert {cells: promised(sizes, cells) for cells in promises} == promises


def test_what_came_is_not_asked_again(stories):
    assert again(stories, obeyed(stories, 60), 60) == []


def test_a_word_that_no_kept_text_holds_is_asked_again(stories):
    trees = obeyed(stories, 5)
    words = trees[2].slots["words"]
    trees[2] = tree(stories, trees[2].slots, " ".join(words[1:]))
    assert again(stories, trees, 5) == [trees[2].slots]
    assert again(stories, [*trees, tree(stories, trees[2].slots, f"{words[0]}s")], 5) == [], (
        "an inflected form is the word"
    )


def test_a_tree_without_a_kept_text_is_asked_again(stories):
    assert again(stories, obeyed(stories, 5, {3: ()}), 5) == [draw(stories, "e", 3)]


def test_before_the_grid_has_asked_for_every_word_fresh_cells_are_worth_more(stories):
    assert again(stories, obeyed(stories, 4, {2: (), 3: ()}), 4) == []


def test_a_word_that_another_text_holds_is_not_missing_until_pairs_are_due(stories):
    trees = obeyed(stories, 24, {7: ()})
    assert again(stories, trees, 24) == []
    whole = obeyed(stories, 25, {7: ()})
    assert again(stories, whole, 25) == [whole[7].slots]


def test_two_words_in_two_texts_are_no_pair(stories):
    whole = obeyed(stories, 25)
    a, b, c = whole[7].slots["words"]
    whole[7] = tree(stories, whole[7].slots, f"{a} {c}", f"{b} {c}")
    assert again(stories, whole, 25) == [whole[7].slots]


def test_the_oldest_ask_first_and_no_gap_is_asked_for_by_two(stories):
    trees = obeyed(stories, 5, {1: (), 3: (), 4: ()})
    assert again(stories, trees, 2) == [trees[1].slots, trees[3].slots]
    twice = [*trees, tree(stories, {"words": trees[1].slots["words"]})]
    assert again(stories, twice, 5) == [trees[i].slots for i in (1, 3, 4)]


def test_who_lacks_most_asks_first(stories):
    trees = obeyed(stories, 5, {3: ()})
    trees[1] = tree(stories, trees[1].slots, " ".join(trees[1].slots["words"][1:]))
    assert again(stories, trees, 1) == [trees[3].slots]
    assert again(stories, trees, 2) == [trees[3].slots, trees[1].slots]


def test_where_much_is_missing_a_fresh_cell_is_worth_more_than_one_that_lacks_little(stories):
    one = {i: (" ".join(draw(stories, "e", i)["words"][1:]),) for i in range(5)}
    assert len(again(stories, obeyed(stories, 5, one), 5)) == 5, "a fresh cell lacks one of three too"
    more = obeyed(stories, 5, {**one, 4: ()})
    assert again(stories, more, 5) == [more[4].slots], "a fresh cell lacks 1.4"


def test_a_cell_is_asked_three_times_at_most(stories):
    trees = obeyed(stories, 5, {2: ()})
    for times in range(1, TIMES):
        assert again(stories, trees, 5) == [trees[2].slots], times
        trees.append(tree(stories, trees[2].slots))
    assert again(stories, trees, 5) == []


def test_another_tree_of_the_word_takes_over(stories):
    trees = obeyed(stories, 10, {2: ()})
    noun = trees[2].slots["words"][0]
    other = next(i for i in range(5, 10) if trees[i].slots["words"][0] == noun)
    trees[other] = tree(stories, trees[other].slots, " ".join(trees[other].slots["words"][1:]))
    trees += [tree(stories, trees[2].slots)] * (TIMES - 1)
    assert again(stories, trees, 5) == [trees[other].slots]


def test_at_temperature_zero_asking_again_brings_nothing():
    cold = recipe(temperature=0, topic={"choice": ["a", "b"]})
    warm = recipe(topic={"choice": ["a", "b"]})
    trees = [tree(warm, {"topic": "a"}), tree(warm, {"topic": "b"}, "b")]
    assert again(cold, trees, 2) == [] and again(warm, trees, 2) == [{"topic": "a"}]


def test_a_recipe_that_draws_nothing_lacks_nothing():
    assert (
        again(recipe(), [tree(recipe(), {})], 5) == [] and short(recipe(), [tree(recipe(), {})], [], 5) == {}
    )


LABELS = recipe(label={"choice": ["good", "bad"]})


def labels(good, bad):
    """Trees of two labels: (kept, dropped) of each."""
    return [
        tree(LABELS, {"label": label}, *kept)
        for label, counts in (("good", good), ("bad", bad))
        for kept, n in zip((("x",), ()), counts, strict=True)
        for _ in range(n)
    ]


def test_even_labels_are_left_to_the_grid():
    assert short(LABELS, labels((50, 5), (48, 7)), [], 40) == {}
    assert short(LABELS, [], [], 40) == {} and short(LABELS, labels((0, 9), (0, 9)), [], 40) == {}


def test_a_label_that_is_kept_half_as_often_gets_twice_the_draws_and_ends_even():
    trees, kept, drawn = [], Counter(), []
    for number in range(8):
        weights = short(LABELS, trees, [], 100)
        fresh = [
            draw(LABELS, "e", i, weights=weights)["label"] for i in range(100 * number, 100 * number + 100)
        ]
        drawn.append(Counter(fresh))
        for i, label in enumerate(fresh):
            texts = ("x",) if label == "good" or i % 2 else ()
            trees.append(tree(LABELS, {"label": label}, *texts))
            kept[label] += len(texts)
    late = drawn[4] + drawn[5] + drawn[6] + drawn[7]
    assert drawn[0] == {"good": 50, "bad": 50}
    assert late["bad"] / late["good"] == pytest.approx(2, abs=0.4)
    assert kept["bad"] / kept["good"] == pytest.approx(1, abs=0.06)


def test_what_is_asked_again_anyway_counts():
    trees = labels((50, 0), (25, 25))
    more = [{"label": "bad"}] * 20
    assert short(LABELS, trees, more, 50)["label"]["bad"] < short(LABELS, trees, [], 50)["label"]["bad"]


def test_a_label_that_is_never_kept_does_not_take_all():
    weights = short(LABELS, labels((50, 0), (0, 50)), [], 40)["label"]
    assert weights["good"] == pytest.approx(LEAST / 2) and sum(weights.values()) == pytest.approx(1, abs=1e-5)


def test_long_lists_and_choices_that_need_a_field_are_left_to_the_grid():
    many = recipe(topic={"choice": [str(i) for i in range(21)]})
    needing = recipe(label={"choice": ["good", "bad"], "needs": {"2": "field"}})
    trees = [tree(many, {"topic": str(i % 21)}, *(("x",) if i % 21 else ())) for i in range(420)]
    assert short(many, trees, [], 50) == {}
    assert short(needing, labels((50, 0), (20, 30)), [], 40) == {}


@given(
    st.lists(st.tuples(st.integers(0, 500), st.floats(0.01, 3)), min_size=2, max_size=20),
    st.integers(1, 1000),
)
def test_draws_that_level_are_n_in_all_and_lift_the_lowest_first(items, n):
    kept, rates = zip(*items, strict=True)
    draws = levelled(kept, rates, n)
    assert sum(draws) == pytest.approx(n, rel=1e-6)
    least = LEAST * n / len(items)
    assert min(draws) >= least * (1 - 1e-9)
    lifted = [k + x * p for k, p, x in zip(kept, rates, draws, strict=True) if x > least * (1 + 1e-6)]
    assert not lifted or max(lifted) - min(lifted) < 1e-3 * (1 + max(lifted))


def sample(run, number, slots, place=0, **facts):
    sample_id = f"{run.run_id[:6]}-{number}-{place}"
    about = {"sample_id": sample_id, "root_id": sample_id, "run_id": run.run_id, "recipe": "tiny_stories"}
    text = {
        "level": "story",
        "final": True,
        "text": " ".join(slots["words"]),
        "language": "en",
        "origin": "generated",
    }
    place = {"ordinal": number * PLACES + place, "slots": json.dumps(slots)}
    return row("sample", **about | text | place | {"model": "offline/storyteller"} | facts)


def test_trees_come_by_number_whatever_the_order_of_rows(run):
    stories = load_recipe("tiny_stories")
    drawn = [draw(stories, "e", i) for i in range(4)]
    rows = [sample(run, i, slots) for i, slots in enumerate(drawn)] + [sample(run, 2, drawn[2], 1)]
    samples = pl.concat(rows)
    kept = samples.filter(~pl.col("sample_id").str.contains("-1-"))
    trees = trees_of(stories, samples, kept)
    assert [each.slots for each in trees] == drawn
    assert [len(each.held) for each in trees] == [1, 0, 2, 1], "two samples of one reply are one tree"
    assert trees_of(stories, samples[::-1], kept[::-1]) == trees
    assert trees_of(load_recipe("textbook"), samples, kept) == []
    unasked = samples.with_columns(slots=pl.lit("{}"))
    assert trees_of(stories, unasked, kept) == [], "roots that were not drawn"


def committed(root, edition, numbers, steer="coverage", dropped=(), slots=None):
    run = asked_run(root, "tiny_stories", edition=edition)
    run = run.model_copy(update={"parameters": {**run.parameters, "steer": steer}})
    drawn = [slots or draw(load_recipe("tiny_stories"), edition, i) for i in numbers]
    rows = [sample(run, number, each) for number, each in zip(numbers, drawn, strict=True)]
    verdicts = [
        row(
            "verdict",
            sample_id=f"{run.run_id[:6]}-{i}-0",
            run_id=run.run_id,
            filter="quality",
            keep=i not in dropped,
        )
        for i in numbers
    ]
    tables = {"sample": pl.concat(rows), "verdict": pl.concat(verdicts)}
    run.commit(run.once("put", [], {}, lambda: tables))
    return drawn


def test_earlier_runs_are_seen_by_those_of_the_same_lineage_alone(tmp_path):
    drawn = committed(tmp_path, "one", range(3), dropped=[1])
    run = asked_run(tmp_path, "tiny_stories", edition="two")
    seen = earlier(run, "tiny_stories", "model = 'offline/storyteller'")
    assert [each.slots for each in seen.trees] == drawn
    assert [len(each.held) for each in seen.trees] == [1, 0, 1] and seen.cells == 3
    for among in ("false", "", "model = 'another'"):
        assert earlier(run, "tiny_stories", among) == ([], 0)


def test_cells_of_the_grid_are_counted_over_steered_editions(tmp_path):
    committed(tmp_path, "one", range(5), steer="off")
    first = committed(tmp_path, "two", range(3))
    committed(tmp_path, "three", [0, 1], slots=first[2])  # asked again: no cell of its own
    committed(tmp_path, "four", [0, 3])  # of trees 1 and 2 the calls failed: their cells are used
    run = asked_run(tmp_path, "tiny_stories", edition="five")
    seen = earlier(run, "tiny_stories", "true")
    assert (len(seen.trees), seen.cells) == (12, 7)


def test_slots_that_the_recipe_could_not_ask_for_any_more_are_left_out(tmp_path):
    committed(tmp_path, "one", range(3))
    few = [f"tiny_stories:slots.words.each={json.dumps(['verbs', 'verbs', 'verbs'])}"]
    run = asked_run(tmp_path, "tiny_stories", changes=few, edition="two")
    assert earlier(run, "tiny_stories", "true").trees == []


def test_replies_to_one_root_prompt_asked_twice_are_one_tree(stories):
    level = stories.levels[0].model_copy(update={"children": 2})
    twice = stories.model_copy(update={"levels": [level]})
    slots = [draw(twice, "e", i) for i in range(2)]
    about = {"recipe": "t", "level": "a", "final": True, "text": "x"}
    samples = pl.concat(
        [
            row(
                "sample",
                **about,
                sample_id=f"{i}",
                root_id=f"{i}",
                ordinal=i * PLACES,
                slots=json.dumps(slots[i // 2]),
            )
            for i in range(4)
        ]
    )
    assert [tree.slots for tree in trees_of(twice, samples, samples)] == slots
