import re

import pytest

from schemas.settings import Storyteller
from tasks.alpaca_replies import alpaca
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.replies import Told
from tasks.storyteller import answer, kind_of
from tasks.storyteller_blocks import blocks, example, in_other_words, stock_blocks, stock_example, worked
from tasks.storyteller_phrases import Pen
from tasks.storyteller_tasks import new_task, phrases
from tasks.tokens import words
from tasks.unnatural_replies import unnatural_task

GOOD = Storyteller(obey=1, repeat=0, bad=0)


def level(recipe, name):
    return next(level for level in load_recipe(recipe).levels if level.name == name)


def asked(recipe, name, seed=1, **values):
    found = level(recipe, name)
    prompt = render(found.prompt, values)
    return prompt, answer([{"role": "user", "content": prompt}], found.sampling.model_dump(), seed, GOOD)


SHOWN = [{"instruction": f"Say {n} words.", "input": "", "output": "Otters."} for n in range(3)]
SLOTS = {"instruction": "Name the bird that is white and swims.", "given": "a list", "constraints": "None."}


@pytest.mark.parametrize(
    ("recipe", "name", "values", "kind"),
    [
        ("alpaca", "task", {"tasks": SHOWN}, "blocks"),
        ("unnatural", "task", {"demonstrations": "4"}, "example"),
        ("unnatural", "output", SLOTS, "example output"),
        ("unnatural", "paraphrase", SLOTS, "other words"),
    ],
)
def test_the_prompts_of_the_recipes_are_recognised(recipe, name, values, kind):
    prompt, told = asked(recipe, name, **values)
    assert kind_of(prompt)[0].name == kind and told.text


def test_a_list_goes_on_to_the_twentieth_task_where_the_stop_of_the_recipe_ends_it():
    prompt, told = asked("alpaca", "task", tasks=SHOWN)
    pieces = alpaca(Told(told.text, told.finish_reason, {}, None, prompt))
    assert len(pieces) == 16
    assert all(piece.reason is None or "cannot do" in piece.reason for piece in pieces)
    assert blocks(1, 4).count("###") == 16 and blocks(1, 30).count("###") == 0


def test_some_tasks_have_an_input_and_some_have_none():
    pieces = alpaca(Told(blocks(5, 4), "stop", {}))
    with_input = sum(bool(piece.input) for piece in pieces)
    assert 3 <= with_input <= 14


def test_stock_tasks_are_the_same_few_with_0_to_3_other_words():
    starts = {
        piece.instruction[:12]
        for seed in range(80)
        for piece in alpaca(Told(stock_blocks(seed, 4), "stop", {}))
    }
    fresh = {
        piece.instruction[:12] for seed in range(5) for piece in alpaca(Told(blocks(seed, 4), "stop", {}))
    }
    assert len(starts) < 60 < len(fresh)
    assert len({stock_example(seed).split("\n")[0][:8] for seed in range(80)}) == 4


def test_an_output_is_that_of_its_input():
    instruction = "How many letters has the word gate?"
    for seed in range(20):
        pen = Pen(seed, phrases(), {})
        task = new_task(pen)
        given, output = worked(pen, task)
        assert output and "Output:" not in output and "Class label" not in given + output, task
    given, output = worked(Pen(1, phrases(), {}), instruction)
    assert output


def test_examples_have_three_fields_and_differ():
    pieces = [unnatural_task(Told(example(seed), "stop", {}))[0] for seed in range(300)]
    assert [piece.reason for piece in pieces] == [None] * 300
    assert len({piece.slots["instruction"] for piece in pieces}) == 300
    assert sum(piece.slots["constraints"] == "" for piece in pieces) in range(10, 90)


def test_other_words_keep_the_question_and_change_the_rest():
    for seed in range(30):
        instruction = new_task(Pen(seed, phrases(), {}))
        said = in_other_words(seed, instruction)
        assert "\n" not in said and words(said) != words(instruction)
        assert len(set(words(said)) & set(words(instruction))) >= 4
    assert len({in_other_words(seed, instruction) for seed in range(100)}) > 60


def test_a_question_that_nobody_knows_keeps_its_longest_sentence():
    assert re.search(
        "(?i)quux the grault until it waldos", in_other_words(1, "Hm. Quux the grault until it waldos.")
    )
