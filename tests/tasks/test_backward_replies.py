import pytest

from schemas.errors import BadInput
from tasks.backward_replies import backward
from tasks.replies import Told

TEXT = "Soak the stone. Push the blade."


def read(reply, finish="stop", prompt="", asked="", **options):
    slots = {"document": TEXT, "asked": asked}
    (piece,) = backward(Told(reply, finish, slots, prompt=prompt, options=options))
    return piece


def test_the_reply_is_the_instruction_and_the_document_the_output():
    piece = read("How do I sharpen a knife?")
    assert (piece.instruction, piece.input, piece.output) == ("How do I sharpen a knife?", "", TEXT)
    assert piece.text == f"How do I sharpen a knife?\n\n{TEXT}"
    assert piece.reason is None and piece.slots == {"request": "How do I sharpen a knife?"}


@pytest.mark.parametrize(
    "reply",
    [
        '"How do I sharpen a knife?"',
        "Request: How do I sharpen a knife?",
        "**Instruction:** How do I sharpen a knife?",
    ],
)
def test_labels_and_quotation_marks_are_taken_off(reply):
    assert read(reply).instruction == "How do I sharpen a knife?"


def test_several_lines_belong_to_the_instruction():
    assert read("Explain this:\n1. knives\n2. stones").instruction == "Explain this:\n1. knives\n2. stones"


@pytest.mark.parametrize(
    ("reply", "finish", "why"),
    [
        ("", "stop", "empty reply"),
        ('""', "stop", "empty reply"),
        ("How do I sharp", "length", "cut by length"),
        (TEXT, "stop", "repeats the document"),
        ("Guess it.\n\nSoak the stone.", "stop", "repeats the prompt"),
    ],
)
def test_what_is_no_instruction_is_kept_with_its_reason(reply, finish, why):
    piece = read(reply, finish, prompt="Guess it.\n\nSoak the stone.\n")
    assert piece.reason == why and TEXT in piece.text


def test_what_a_person_asked_takes_the_place_of_the_reply():
    piece = read("Write about stones", "length", asked=" Sharpen my knife! ", human="asked")
    assert piece.instruction == "Sharpen my knife!" and piece.reason is None
    assert read("Write about stones", asked="Sharpen my knife!").instruction == "Write about stones"
    assert read("Write about stones", human="asked").instruction == "Write about stones"


@pytest.mark.parametrize(
    ("options", "why"),
    [({"doc": "x"}, "no option 'doc'"), ({"document": "page"}, "no level or field 'page'")],
)
def test_options_that_make_no_sense_are_refused(options, why):
    with pytest.raises(BadInput, match=why):
        read("How?", **options)
