import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.replies import Told
from tasks.unnatural_replies import demonstrations, paraphrase, unnatural_output, unnatural_task

LEVELS = {level.name: level for level in load_recipe("unnatural").levels}
PROMPT = render(LEVELS["task"].prompt, {"demonstrations": "2"})
GOOD = " Name the bird.\nInput: It swims and is white.\nConstraints: One word."
SLOTS = {"instruction": "Name the bird.", "given": "It swims and is white.", "constraints": "One word."}


def task(text, finish="stop", prompt=PROMPT):
    (piece,) = unnatural_task(Told(text, finish, {}, None, prompt))
    return piece


def test_instruction_input_and_constraints_are_read():
    piece = task(GOOD)
    assert (piece.reason, piece.slots) == (None, SLOTS)
    assert piece.text == "Name the bird.\n\nIt swims and is white.\n\nOne word."


@pytest.mark.parametrize("before", ["Instruction:", "Example 4\nInstruction:", "\nExample 4\nInstruction:"])
def test_a_beginning_that_the_model_repeats_is_no_part_of_the_task(before):
    assert task(before + GOOD).slots == SLOTS


@pytest.mark.parametrize("after", ["\nOutput: Swan", "\n\nExample 5\nInstruction: Another", "\nExample 5"])
def test_what_comes_after_the_constraints_is_not_used(after):
    assert task(GOOD + after).slots == SLOTS


@pytest.mark.parametrize("said", ["None.", "none", "No constraints.", "N/A"])
def test_constraints_that_say_none_are_empty(said):
    assert task(GOOD.replace("One word.", said)).slots["constraints"] == ""


def test_fields_may_have_several_lines():
    piece = task(" Name\nthe bird.\nInput: It swims:\n\n- white\nConstraints: One\nword.")
    assert piece.slots == {
        "instruction": "Name\nthe bird.",
        "given": "It swims:\n\n- white",
        "constraints": "One\nword.",
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "missing field: Instruction"),
        ("\nInput: It swims.\nConstraints: None.", "missing field: Instruction"),
        (" Name the bird.\nConstraints: None.", "missing field: Input"),
        (" Name the bird.\nInput:\nConstraints: None.", "missing field: Input"),
        (" Name the bird.\nInput: It swims.", "missing field: Constraints"),
        (" 说出鸟名。\n输入: 它会游泳。\n约束: 无。", "missing field: Input"),
        ("Sure! Here is one more example for you.", "missing field: Input"),
        (GOOD + "\nInput: It flies.", "field Input comes 2 times"),
        (PROMPT, "identical to a demonstration"),  # the first one
        (" Instructions are missing.", "missing field: Input"),
    ],
)
def test_a_missing_or_doubled_field_is_refused_and_the_reply_kept(text, fault):
    piece = task(text)
    assert piece.reason == fault
    assert piece.text == text.strip() and piece.slots == {}


def test_a_reply_cut_by_length_is_refused():
    assert task(GOOD, "length").reason == "cut by length"


def test_an_example_that_was_shown_is_refused_but_not_one_that_differs_in_one_field():
    assert len(demonstrations(PROMPT)) == 3
    for shown in demonstrations(PROMPT):
        reply = f" {shown['Instruction']}\nInput: {shown['Input']}\nConstraints: {shown['Constraints']}"
        assert task(reply).reason == "identical to a demonstration"
        assert task(reply.replace("Input: ", "Input: also ")).reason is None
        other = render(LEVELS["task"].prompt, {"demonstrations": "3"})
        assert task(reply, prompt=other).reason is None  # shown to others, not to this prompt


def test_an_output_belongs_to_its_task_and_the_text_is_compared_without_it():
    (piece,) = unnatural_output(Told(" Swan\n", "stop", SLOTS))
    assert (piece.instruction, piece.input, piece.output) == (
        "Name the bird. One word.",
        SLOTS["given"],
        "Swan",
    )
    assert piece.text == "Name the bird.\n\nIt swims and is white."
    assert piece.slots == {"answer": "Swan"} and piece.reason is None
    (bare,) = unnatural_output(Told("Swan", "stop", {**SLOTS, "constraints": ""}))
    assert bare.instruction == "Name the bird."
    assert bare.text == piece.text  # other constraints make no other pair of instruction and input


@pytest.mark.parametrize(("text", "finish"), [("", "stop"), (" \n", "stop"), ("A swan is", "length")])
def test_an_empty_or_unfinished_output_is_refused(text, finish):
    (piece,) = unnatural_output(Told(text, finish, SLOTS))
    assert piece.reason in ("empty output", "cut by length")


def test_a_paraphrase_has_input_output_and_constraints_of_its_parent():
    (piece,) = paraphrase(Told(' "Which bird is meant?"', "stop", {**SLOTS, "answer": "Swan"}))
    assert (piece.instruction, piece.input, piece.output) == (
        "Which bird is meant? One word.",
        SLOTS["given"],
        "Swan",
    )
    assert piece.text == "Which bird is meant?\n\nIt swims and is white." and piece.reason is None


@pytest.mark.parametrize(
    ("text", "finish", "fault"),
    [
        ("", "stop", "empty"),
        ("name the BIRD", "stop", "same words"),
        ("Which bird is\nmeant?", "stop", "more than one line"),
        ("Which bird", "length", "cut by length"),
    ],
)
def test_what_is_no_paraphrase_is_refused(text, finish, fault):
    (piece,) = paraphrase(Told(text, finish, {**SLOTS, "answer": "Swan"}))
    assert fault in piece.reason


TEXTS = st.text(st.characters(exclude_characters=":"), min_size=1, max_size=40).map(str.strip).filter(bool)


@given(TEXTS, TEXTS, TEXTS)
def test_what_is_rendered_is_read_and_rendered_again_the_same(instruction, given_text, constraints):
    rendered = f" {instruction}\nInput: {given_text}\nConstraints: {constraints}"
    if "Example" in rendered or constraints.lower().rstrip(". ") in ("none", "no constraints", "n/a"):
        return
    slots = task(rendered).slots
    assert slots == {"instruction": instruction, "given": given_text, "constraints": constraints}
    assert (
        f" {slots['instruction']}\nInput: {slots['given']}\nConstraints: {slots['constraints']}" == rendered
    )


@given(st.text(alphabet="IntrucoipCse:\n 45ExamplO", max_size=150))
def test_no_reply_is_too_strange(text):
    piece = task(text)
    assert piece.reason or all(piece.slots[name] for name in ("instruction", "given"))
