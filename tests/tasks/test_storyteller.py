import json
import math
from collections import Counter

import pytest
from growing import grown
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.llm import OFFLINE
from schemas.settings import Settings, Storyteller
from tasks.recipe import load_recipe, recipe_names
from tasks.rendering import render
from tasks.storyteller import MODEL, answer, kind_of, n_tokens
from tasks.storyteller_phrases import book

GOOD = Storyteller(obey=1, repeat=0, bad=0)
SLOTS = {
    "words": ["thimble", "juggle", "velvety"],
    "features": ["dialogue", "moral value"],
    "tasks": [{"instruction": f"Say {n} words about otters."} for n in range(8)],
    "classification_only": False,
    "instruction": "Decide whether the review of a shiny thimble is positive or negative.",
    "summary": "Mia, a shy otter, finds a strange egg. She learns to juggle.",
    "sentence": "Mia saw the thimble and smiled.",
}


def turn(text):
    return [{"role": "user", "content": text}]


def prompt_of(recipe, level, **slots):
    (found,) = [one for one in load_recipe(recipe).levels if one.name == level]
    return turn(render(found.prompt, {"flag": "No"} | SLOTS | slots)), found.sampling.model_dump()


def within(hits, n, p):
    """Whether a count is within 4 standard deviations of what a share p of n gives."""
    return abs(hits - n * p) <= 4 * math.sqrt(n * p * (1 - p))


STORY, STORY_SAMPLING = prompt_of("tiny_stories", "story")
TASKS, TASKS_SAMPLING = prompt_of("self_instruct", "instruction")


def test_it_goes_by_the_name_that_the_settings_know():
    assert MODEL == OFFLINE


@pytest.mark.parametrize(
    ("recipe", "level", "flag", "kind", "looks"),
    [
        ("self_instruct", "instruction", "No", "tasks", "9. "),
        ("self_instruct", "flag", "No", "flag", "Yes"),
        ("self_instruct", "instance", "Yes", "output-first", "Class label: Positive\nReview: "),
        ("self_instruct", "instance", "No", "input-first", "Output: "),
        ("tiny_stories", "story", "No", "story", "\n\n"),
        ("tiny_stories_instruct", "summary", "No", "summary", "thimble"),
        ("tiny_stories_instruct", "sentence", "No", "sentence", "Mia"),
        ("tiny_stories_instruct", "story", "No", "story", "Mia saw the thimble and smiled."),
    ],
)
def test_every_prompt_of_the_recipes_is_recognised_and_answered(recipe, level, flag, kind, looks):
    messages, sampling = prompt_of(recipe, level, flag=flag)
    assert kind_of(messages[0]["content"])[0].name == kind
    assert looks in answer(messages, sampling, 1, GOOD).text


def test_no_level_of_any_recipe_is_answered_as_something_else(tmp_path):
    for recipe in recipe_names():
        asking = {level.name for level in load_recipe(recipe).levels if level.prompt}
        calls = grown(tmp_path / recipe, recipe, 8, settings=Settings(root=tmp_path, storyteller=GOOD))[
            "call"
        ]
        assert set(calls["level"]) == asking, recipe
        for level, messages in calls.select("level", "messages").rows():
            if (recipe, level) == ("evol_instruct", "answer"):
                continue  # the bare instruction, as published: anything at all
            assert kind_of(json.loads(messages)[-1]["content"])[0].name != "other", (recipe, level)


def test_the_instruction_that_stories_are_trained_on_asks_for_a_story_too(tmp_path):
    for recipe in ("tiny_stories",):  # of the Instruct set it is a list of fields, as published
        final = grown(tmp_path / recipe, recipe, 12)["final"]
        asked = [turns[0]["content"] for turns in final["messages"]]
        assert {kind_of(text)[0].name for text in asked} == {"story"}, asked[0]


def test_anything_else_gets_a_short_answer_about_its_words():
    said = answer(turn("What makes a lighthouse keeper happy about fog?"), {}, 1, GOOD)
    assert 3 < said.n_completion_tokens < 80
    assert "lighthouse" in said.text or "fog" in said.text


def test_the_same_request_gets_the_same_completion_and_another_seed_another_text():
    for messages, sampling in ((STORY, STORY_SAMPLING), (TASKS, TASKS_SAMPLING)):
        texts = [answer(messages, sampling, seed, GOOD).text for seed in range(200)]
        assert texts == [answer(messages, sampling, seed, GOOD).text for seed in range(200)]
        assert len(set(texts)) == 200


def test_at_temperature_0_the_seed_does_not_count():
    texts = {answer(STORY, {"temperature": 0.0}, seed, Storyteller()).text for seed in range(20)}
    assert len(texts) == 1


def test_manners_that_do_not_strike_leave_a_reply_as_it_was():
    """A seed draws manners and text apart, so that a rate changes only the replies it is about."""
    plain = [answer(STORY, {}, seed, GOOD).text for seed in range(300)]
    bad = [answer(STORY, {}, seed, GOOD.model_copy(update={"bad": 0.2})).text for seed in range(300)]
    assert within(sum(a != b for a, b in zip(plain, bad, strict=True)), 300, 0.2)


def test_another_turn_of_the_conversation_changes_the_answer():
    before = [{"role": "system", "content": "You are kind."}]
    assert answer(before + STORY, {}, 1, GOOD).text != answer(STORY, {}, 1, GOOD).text


def test_a_text_ends_before_its_first_stop_sequence():
    whole = answer(TASKS, {}, 3, GOOD).text
    assert "\n11. " in whole
    assert answer(TASKS, {"stop": ["\n12", "\n11"]}, 3, GOOD).text == whole[: whole.index("\n11")]
    assert answer(TASKS, {"stop": "\n11"}, 3, GOOD) == answer(TASKS, {"stop": ["\n11"]}, 3, GOOD)
    assert answer(TASKS, {"stop": []}, 3, GOOD).text == answer(TASKS, {"stop": None}, 3, GOOD).text == whole


def test_the_stops_of_the_recipe_end_a_list_before_its_sixteenth_task():
    lengths = [len(answer(TASKS, TASKS_SAMPLING, seed, GOOD).text.splitlines()) for seed in range(300)]
    whole = [len(answer(TASKS, {}, seed, GOOD).text.splitlines()) for seed in range(300)]
    assert max(whole) == 8
    assert max(lengths) == 7


def test_max_tokens_cuts_and_says_so():
    whole = answer(STORY, {}, 4, GOOD)
    cut = answer(STORY, {"max_tokens": 30}, 4, GOOD)
    assert cut.n_completion_tokens == 30 == n_tokens(cut.text)
    assert whole.text.startswith(cut.text)
    assert (cut.finish_reason, whole.finish_reason) == ("length", "stop")
    exact = answer(STORY, {"max_tokens": whole.n_completion_tokens}, 4, GOOD)
    assert exact == whole


def test_tokens_are_words_and_punctuation_marks():
    assert n_tokens('"Oh no," said Mia.') == 8
    assert answer(turn("a, b"), {}, 1, GOOD).n_prompt_tokens == 3


def test_the_asked_share_of_replies_is_bad():
    manners = Storyteller(obey=1, repeat=0, bad=0.3)
    for messages, sampling in ((STORY, STORY_SAMPLING), (TASKS, TASKS_SAMPLING)):
        good = [answer(messages, sampling, seed, GOOD) for seed in range(400)]
        told = [answer(messages, sampling, seed, manners) for seed in range(400)]
        assert within(sum(a != b for a, b in zip(good, told, strict=True)), 400, 0.3)


def test_bad_replies_are_bad_in_all_the_ways():
    bad = Storyteller(obey=1, repeat=0, bad=1)
    told = [answer(STORY, STORY_SAMPLING, seed, bad) for seed in range(300)]
    stock = book("stock")
    ways = Counter(
        "empty" if not text
        else "cut" if finish == "length"
        else "refusal" if text in stock["refusal"]
        else "foreign" if text in stock["foreign"]
        else "echo" if text == STORY[0]["content"].strip()
        else "unformatted" if text.startswith(tuple(stock["preamble"]))
        else "good"
        for text, finish, *_ in told
    )  # fmt: skip
    assert set(ways) == {"empty", "cut", "refusal", "foreign", "echo", "unformatted"}
    assert all(within(count, 300, 1 / 6) for count in ways.values())


def test_the_asked_share_of_stories_repeats_a_stock_story():
    manners = Storyteller(obey=1, repeat=0.3, bad=0)
    starts = tuple(story.strip()[:30] for story in book("stock")["story"])
    told = [answer(STORY, {}, seed, manners).text for seed in range(400)]
    assert within(sum(text.startswith(starts) for text in told), 400, 0.3)
    assert len({text[:30] for text in told if text.startswith(starts)}) == len(starts)


def test_the_asked_share_of_task_lists_comes_from_the_stock():
    starts = tuple(task.split("{")[0].removesuffix(" a ") for task in book("stock")["task"])
    told = [answer(TASKS, {}, seed, Storyteller(repeat=0.5, bad=0)).text for seed in range(400)]
    lists = [[line.partition(". ")[2] for line in text.splitlines()] for text in told]
    assert within(sum(all(task.startswith(starts) for task in tasks) for tasks in lists), 400, 0.5)


def test_bad_comes_before_repeat_when_both_do_not_fit():
    told = [answer(STORY, {}, seed, Storyteller(repeat=1, bad=0.5)).text for seed in range(300)]
    stock = tuple(story.strip()[:30] for story in book("stock")["story"])
    assert within(sum(text.startswith(stock) for text in told), 300, 0.5)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "1. ",
                "9.",
                "\n",
                "Task: ",
                "Output:",
                "Class label:",
                "Words: ",
                "Features: ",
                ", ",
                "Summary: ",
                "Write a story",
                "Write one sentence",
                "Write its summary",
                "Is it classification?",
                "{noun}",
                "Ü",
                "What comes next in the row 4, 0",
                "shares 5 equally among 0",
                "ten ideas",
                "x or y",
                " ",
            ]
        )  # fmt: skip
        | st.text(max_size=20)
    ).map("".join),
    st.integers(0, 5),
)
def test_no_prompt_is_too_strange(prompt, seed):
    for manners in (Storyteller(), Storyteller(bad=1), Storyteller(bad=0, repeat=1)):
        told = answer(turn(prompt), {"max_tokens": 50}, seed, manners)
        assert told.n_completion_tokens <= 50
        told.text.encode()
