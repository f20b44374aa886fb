import pytest

from schemas.errors import BadInput
from tasks.makers import Given
from tasks.mixture_maker import make_row

PLACE = {"origin": "a.jsonl", "origin_id": "u7"}
USER, ANSWER = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}


def made(text, **said):
    slots = {
        "set": "a",
        "pretraining": False,
        "messages": None,
        "instruction": None,
        "input": None,
        "output": None,
    }
    (piece,) = make_row(Given({"text": text, "slots": {**slots, **said}, **PLACE}, {}, {}, {}, 0))
    return piece


def test_a_pair_keeps_its_parts_and_where_it_came_from():
    piece = made("Why?\n\nSo.", messages=[USER, ANSWER], instruction="Why?", input="", output="So.")
    assert (piece.instruction, piece.input, piece.output, piece.messages) == (
        "Why?",
        "",
        "So.",
        [USER, ANSWER],
    )
    assert piece.slots == {"set": "a", "pretraining": False, "row_origin": "a.jsonl", "row_id": "u7"}
    assert piece.text == "Why?\n\nSo." and piece.reason is None


def test_a_conversation_stays_one():
    turns = [USER, ANSWER, USER, {"role": "assistant", "content": "Again so."}]
    piece = made("all of it", messages=turns)
    assert (piece.messages, piece.instruction, piece.output) == (turns, None, "Again so.")


def test_a_text_is_the_answer_to_an_empty_question():
    piece = made("A tale.", pretraining=True)
    assert piece.messages == [{"role": "user", "content": ""}, {"role": "assistant", "content": "A tale."}]
    assert (piece.instruction, piece.output) == ("", "A tale.")


@pytest.mark.parametrize("turns", [[USER], [USER, {"role": "assistant", "content": " "}]])
def test_what_nobody_answered_is_kept_with_a_reason(turns):
    assert made("Why?", messages=turns, instruction="Why?").reason == "no answer"


def test_it_has_no_options():
    with pytest.raises(BadInput, match='make = "row": no option'):
        make_row(Given({"text": "", "slots": {}}, {}, {}, {"x": 1}, 0))
