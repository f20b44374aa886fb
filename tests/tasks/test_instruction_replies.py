import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.instruction_replies import MAX_INSTANCES, instances, task_fault, tasks
from tasks.replies import Told


def read(parser, text, finish_reason="stop", **slots):
    return parser(Told(text, finish_reason, slots))


def test_a_list_that_goes_on_is_cut_at_its_numbers():
    pieces = read(
        tasks, " Name three kinds of bread.\n10. Say why the sea is salty.\n11 . List five birds here."
    )
    assert [piece.text for piece in pieces] == [
        "Name three kinds of bread.",
        "Say why the sea is salty.",
        "List five birds here.",
    ]
    assert [piece.reason for piece in pieces] == [None] * 3


def test_capitalize_lower_cases_the_rest_as_the_authors_code_does():
    (piece,) = read(tasks, "name the capital of FRANCE now")
    assert piece.text == "Name the capital of france now"


def test_a_number_that_the_model_repeats_is_no_part_of_the_task():
    pieces = read(tasks, "9. Name three kinds of bread.\n10. Say why the sea is salty.")
    assert pieces[0].text == "Name three kinds of bread."


def test_a_list_cut_by_length_is_thrown_away_whole_and_kept_as_one_sample():
    (piece,) = read(tasks, "Name three kinds of bread.\n10. Say why the", "length")
    assert piece.reason == "cut by length"


@pytest.mark.parametrize(
    ("task", "fault"),
    [
        ("", "empty"),
        ("Write a poem", "3 words"),
        ("Write a poem today", None),
        (" ".join(["word"] * 150), None),
        (" ".join(["word"] * 151), "151 words"),
        ("Describe the picture you see here", "picture"),
        ("Describe the PICTURES you see here", "pictures"),
        ("Draw a house by the lake", "draw"),
        ("Where do you go to find bread", "go to"),
        ("Sum up the paragraphs of the profile", None),
        ("Write a program that sorts numbers", "Write a program"),
        ("'quote this sentence for me", "punctuation"),
        ("Éclairs are made of what exactly", "ASCII"),
    ],
)
def test_the_published_filters_decide_as_published(task, fault):
    found = task_fault(task)
    assert found is None if fault is None else fault in found


@given(st.text(alphabet=string.ascii_letters + string.digits + " .\n,:;'", max_size=300))
def test_whatever_comes_back_every_piece_is_usable_or_has_a_reason(text):
    for piece in read(tasks, text):
        assert piece.reason is not None or 4 <= len(piece.text.split()) <= 150
    for flag in ("Yes", "No"):
        for piece in read(instances, text, flag=flag, instruction="Do it now please."):
            assert piece.reason is not None or piece.output


def test_input_first_instances_are_read_with_and_without_an_input():
    text = "Example 1\nInput: 4, 8, 15\nOutput: 27\nExample 2\nInput: 1, 2\nOutput: 3"
    pieces = read(instances, text, flag="No", instruction="Sum the numbers.")
    assert [(piece.input, piece.output) for piece in pieces] == [("4, 8, 15", "27"), ("1, 2", "3")]
    assert pieces[0].text == "Sum the numbers.\n\n4, 8, 15\n\n27"
    (alone,) = read(instances, "Output: A cork floats.", flag="No", instruction="Name a thing that floats.")
    assert (alone.input, alone.output) == ("", "A cork floats.")


def test_without_any_marker_the_whole_text_is_the_output():
    (piece,) = read(instances, "A cork floats.", flag="No", instruction="Name one.")
    assert (piece.input, piece.output, piece.reason) == ("", "A cork floats.", None)


def test_text_after_a_second_input_is_cut():
    (piece,) = read(instances, "Input: a\nOutput: b\nInput: c", flag="No", instruction="Do.")
    assert piece.output == "b"


def test_output_first_instances_take_the_label_as_output_and_ignore_what_comes_before():
    text = "Sure!\nClass label: Positive\nReview: It was good.\nClass label: Negative\nReview: It was bad."
    pieces = read(instances, text, flag="Yes", instruction="Judge the review.")
    assert [(piece.input, piece.output) for piece in pieces] == [
        ("Review: It was good.", "Positive"),
        ("Review: It was bad.", "Negative"),
    ]


def test_the_last_instance_of_a_reply_cut_by_length_is_dropped():
    text = "Example 1\nInput: a\nOutput: b\nExample 2\nInput: c\nOutput: d"
    pieces = read(instances, text, "length", flag="No", instruction="Do.")
    assert [piece.output for piece in pieces] == ["b"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Input: same\nOutput: same", "input equals output"),
        ("Input: a\nOutput:", "empty output"),
        ("Input: a:\nOutput: b", "colon"),
        ("Input: a\nOutput: b:", "colon"),
        ("", "no complete instance"),
    ],
)
def test_faulty_instances_are_kept_with_their_reason(text, fault):
    (piece,) = read(instances, text, flag="No", instruction="Do.")
    assert fault in piece.reason


def test_one_input_with_two_outputs_removes_all_instances_of_the_task():
    text = "Example 1\nInput: a\nOutput: b\nExample 2\nInput: a\nOutput: c\nExample 3\nInput: x\nOutput: y"
    pieces = read(instances, text, flag="No", instruction="Do.")
    assert {piece.reason for piece in pieces} == {"one input has two outputs"}


def test_repeated_instances_and_those_past_the_fifth_are_dropped():
    many = "\n".join(f"Example {i}\nInput: {i % 7}\nOutput: {i % 7 + 1}" for i in range(1, 9))
    pieces = read(instances, many, flag="No", instruction="Do.")
    assert sum(piece.reason is None for piece in pieces) == MAX_INSTANCES
    assert any("repeats" in (piece.reason or "") for piece in pieces)
