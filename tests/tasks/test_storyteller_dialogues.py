import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dialogue_replies import dialogue, exchanges
from tasks.explanation_replies import explanation, thoughts_and_answer
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.replies import Told
from tasks.storyteller import kind_of
from tasks.storyteller_dialogues import conversation, explained

ASKED = "Why does a cake sink in the middle?"
OPTIONS = ["(A) Mars", "(B) Saturn", "(C) Earth"]


def prompt_of(recipe, **slots):
    known = {"question": ASKED, "choices": "", "ending": "", "child": 0}
    return render(load_recipe(recipe).levels[0].prompt, known | slots)


def test_the_prompt_of_a_conversation_is_recognised_with_question_and_markers():
    found, hit = kind_of(prompt_of("self_chat"))
    assert (found.name, hit["question"], hit["human"], hit["ai"]) == (
        "conversation",
        ASKED,
        "[Human]",
        "[AI]",
    )


def test_a_conversation_has_whole_exchanges_and_a_goodbye_that_the_parser_drops():
    for seed in range(100):
        told = conversation(seed, ASKED, "[Human]", "[AI]")
        turns = exchanges(told)
        assert 2 <= len(turns) // 2 <= 5 and told.count("[Human]") == len(turns) // 2 + 1
        assert ASKED in turns[0]["content"]


def test_an_echo_of_the_prompt_is_no_conversation():
    prompt = prompt_of("self_chat")
    assert dialogue(Told(prompt, "stop", {}, prompt=prompt))[0].reason


def test_conversations_differ():
    assert len({conversation(seed, ASKED, "H:", "A:") for seed in range(300)}) == 300


@pytest.mark.parametrize("recipe", ["explanation_traces", "preferences"])
def test_questions_are_recognised_with_their_choices(recipe):
    found, hit = kind_of(prompt_of(recipe, choices=["Mars", "Saturn", "Earth"]))
    assert found.name == "explanation" and hit["question"] == ASKED
    assert hit["options"].split("\n")[:3] == OPTIONS
    assert kind_of(prompt_of(recipe))[1]["options"] is None


def test_the_line_for_the_answer_is_given_when_it_is_asked_for():
    prompt = prompt_of("explanation_traces", ending="End with a line that begins with Answer: and holds it.")
    found, hit = kind_of(prompt)
    assert hit["question"] == ASKED
    (piece,) = explanation(
        Told(found.tell(1, hit, 1.0), "stop", {"question": ASKED}, options={"thoughts": "hide"})
    )
    assert piece.reason is None and piece.output
    assert "Answer:" not in explained(1, ASKED, [], False)


def test_one_option_is_chosen_and_all_others_are_refuted():
    told = explained(3, ASKED, OPTIONS, True)
    assert thoughts_and_answer(told)[1] in OPTIONS and all(option in told for option in OPTIONS)
    assert {thoughts_and_answer(explained(seed, ASKED, OPTIONS, True))[1] for seed in range(60)} == set(
        OPTIONS
    )


@given(st.text(max_size=60), st.integers(0, 9))
def test_no_question_is_too_strange(question, seed):
    assert conversation(seed, question, "[Human]", "[AI]") and explained(seed, question, [], False)
