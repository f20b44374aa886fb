import math

import pytest

from schemas.settings import Storyteller
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.storyteller import answer, kind_of
from tasks.storyteller_evolution import EQUAL, evolved, judged

RECIPE = load_recipe("evol_instruct")
EVOLVE, JUDGE = RECIPE.levels[0], RECIPE.levels[1]
GIVEN = "Plan a dinner\n\nfor two guests."
DEPTH = ("constrain", "deepen", "concretise", "reason")


def prompt_of(operation, format="XML", given=GIVEN):
    return render(EVOLVE.prompt, {"operation": operation, "format": format, "instruction": given})


def told(prompt, seed, obey=1.0):
    manners = Storyteller(obey=obey, repeat=0, bad=0)
    return answer([{"role": "user", "content": prompt}], EVOLVE.sampling.model_dump(), seed, manners).text


@pytest.mark.parametrize("operation", RECIPE.slots["operation"].choice)
def test_every_operation_is_recognised(operation):
    prompt = prompt_of(operation)
    kind, hit = kind_of(prompt)
    assert (kind.name, hit[1]) == ("evolution", GIVEN)


@pytest.mark.parametrize("operation", DEPTH)
def test_depth_keeps_the_instruction_and_adds_10_to_20_words(operation):
    for seed in range(100):
        text = told(prompt_of(operation), seed)
        assert text.startswith(GIVEN)
        assert 10 <= len(text.removeprefix(GIVEN).split()) <= 20, text


def test_each_operation_has_phrases_of_its_own():
    texts = {operation: {told(prompt_of(operation), seed)[:60] for seed in range(60)} for operation in DEPTH}
    assert all(not texts[a] & texts[b] for a in DEPTH for b in DEPTH if a != b)


@pytest.mark.parametrize(
    ("format", "sign"),
    [("XML", "</"), ("SQL", ";"), ("Python", "="), ("HTML", "<"), ("shell", "$"), ("JSON", '["')],
)
def test_data_comes_in_the_form_that_is_asked_for(format, sign):
    text = told(prompt_of("complicate", format), 3)
    assert text.startswith(GIVEN) and sign in text.removeprefix(GIVEN) and "{" not in text.removeprefix(GIVEN)


def test_breadth_makes_a_new_instruction():
    texts = {told(prompt_of("breadth"), seed) for seed in range(50)}
    assert len(texts) == 50 and not any("dinner\n\nfor two" in text for text in texts)


def test_an_unwilling_storyteller_changes_nothing_in_half_of_the_asked_share():
    same = sum(told(prompt_of("deepen"), seed, obey=0.6) == GIVEN for seed in range(400))
    assert abs(same - 80) < 4 * math.sqrt(400 * 0.2 * 0.8)


def test_a_prompt_in_a_prompt_is_evolved_as_the_last_one():
    text = evolved(1, prompt_of("deepen", given="a #Given Prompt#:\nb"), "b")
    assert text.startswith("b ")


def test_the_judge_finds_equal_words_equal_and_few_others():
    assert {judged(seed, "Plan it.", "plan IT") for seed in range(50)} == {"Equal"}
    equal = sum(judged(seed, "Plan it.", "Plan it now.") == "Equal" for seed in range(1000))
    assert abs(equal - 1000 * EQUAL) < 4 * math.sqrt(1000 * EQUAL)
    prompt = render(JUDGE.prompt, {"instruction": GIVEN, "evolved": GIVEN})
    assert kind_of(prompt)[0].name == "equality" and told(prompt, 1) == "Equal"
