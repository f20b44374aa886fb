import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks.explanation_replies import explanation, thoughts_and_answer
from tasks.replies import Told

REPLY = "Three pipes fill it in 6 hours.\nSo one needs 18.\nAnswer: 18 hours"


def read(reply, finish="stop", prompt="", **options):
    return explanation(Told(reply, finish, {"question": "How long?"}, prompt=prompt, options=options))


def test_the_whole_explanation_is_trained_on():
    (piece,) = read(REPLY)
    assert piece.output == REPLY and piece.text == f"How long?\n\n{REPLY}"
    assert piece.instruction is None, "the template of the level decides"
    assert piece.slots["thoughts"].endswith("So one needs 18.")


def test_hidden_thoughts_stay_readable_but_are_not_trained_on():
    (piece,) = read(REPLY, thoughts="hide")
    assert piece.output == "18 hours" and "pipes" not in piece.text
    assert piece.slots["thoughts"].startswith("Three pipes")


def test_a_distilled_reply_is_two_samples():
    answer, reasons = read(REPLY, thoughts="distil")
    assert answer.output == "18 hours" and answer.instruction is None
    assert reasons.output == "Three pipes fill it in 6 hours.\nSo one needs 18."
    assert reasons.instruction.startswith("How long?\n\n") and "18 hours" not in reasons.text


@pytest.mark.parametrize("way", ["hide", "distil"])
@pytest.mark.parametrize("reply", ["Eighteen.", "Answer: 18", "It is so.\nAnswer:", "The answer: is 18"])
def test_without_reasons_and_a_line_for_the_answer_nothing_is_hidden(way, reply):
    (piece,) = read(reply, thoughts=way)
    assert piece.reason == "no reasoning followed by a line 'Answer:'" and piece.text == reply


def test_the_last_of_several_answers_counts_in_any_dress():
    assert thoughts_and_answer("Answer: 3?\nNo.\n**Final answer:** 4") == ("Answer: 3?\nNo.", "4")
    assert thoughts_and_answer("No marker") == ("", "No marker")


@pytest.mark.parametrize(
    ("reply", "finish", "why"),
    [("", "stop", "empty reply"), ("", "length", "empty reply"), ("Three pi", "length", "cut by length"),
     ("Question: How long?\n", "stop", "repeats the prompt")],
)  # fmt: skip
def test_what_is_no_answer_is_kept_with_its_reason(reply, finish, why):
    (piece,) = read(reply, finish, prompt="Question: How long?")
    assert piece.reason == why and piece.text == reply.strip()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"thought": "keep"}, "no option 'thought'"),
        ({"thoughts": "burn"}, "no way 'burn' of thoughts; known: .*'keep', 'hide', 'distil'"),
        ({"question": "task"}, "no level or field 'task'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, why):
    with pytest.raises(BadInput, match=why):
        read(REPLY, **options)


WORDS = st.text(string.ascii_lowercase.replace("w", "") + " \n.中", min_size=1).map(str.strip).filter(bool)


@given(WORDS, WORDS)
def test_thoughts_and_answer_are_read_back_as_they_were(thoughts, answer):
    assert thoughts_and_answer(f"{thoughts}\nAnswer: {answer}") == (thoughts, answer)
