import json
import string
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks.instruction_replies import MAX_INSTANCES, instances, task_fault, tasks
from tasks.replies import Told

SEEDS = Path(__file__).parents[2].parent / "shared" / "data" / "self_instruct" / "seed_tasks.jsonl"


def read(parser, text, finish_reason="stop", options=None, **slots):
    return parser(Told(text, finish_reason, slots, options=options or {}))


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


def test_a_number_inside_a_task_does_not_cut_it():
    pieces = read(tasks, "Say how to share this milk:\n1.5 litres\nfor 3 cups\n10. Name five birds here.")
    assert [piece.text for piece in pieces] == [
        "Say how to share this milk: 1.5 litres for 3 cups",
        "Name five birds here.",
    ]


def test_what_follows_a_second_output_marker_is_not_used():
    (piece,) = read(instances, "Input: a\nOutput: b\nOutput 2: c", flag="No", instruction="Do.")
    assert (piece.input, piece.output) == ("a", "b")


def test_nothing_before_the_first_class_label_is_used_even_when_it_looks_like_an_instance():
    text = "Example 1\nInput: a\nOutput: b\nClass label: Good\nText: c"
    (piece,) = read(instances, text, flag="Yes", instruction="Judge it.")
    assert (piece.input, piece.output) == ("Text: c", "Good")
    (piece,) = read(instances, "Input: a\nOutput: b", flag="Yes", instruction="Judge it.")
    assert piece.reason == "no complete instance in the reply"


def test_labels_without_an_input_are_instances_too_and_may_all_differ():
    pieces = read(instances, "Class label: Good\nClass label: Bad", flag="Yes", instruction="Judge it.")
    assert [(piece.input, piece.output, piece.reason) for piece in pieces] == [
        ("", "Good", None),
        ("", "Bad", None),
    ]


def test_a_contradiction_counts_among_valid_instances_only():
    text = "Example 1\nInput: a\nOutput: b\nExample 2\nInput: a\nOutput: c:"
    pieces = read(instances, text, flag="No", instruction="Do.")
    assert [piece.reason for piece in pieces] == [None, "input or output ends with a colon"]


def test_repetitions_go_before_five_are_drawn_and_any_instance_may_be_among_them():
    text = "\n".join(f"Example {i}\nInput: {i % 8}\nOutput: {i % 8 + 1}" for i in range(16))
    drawn = Counter()
    for n in range(400):
        pieces = read(instances, text, flag="No", instruction=f"Do {n}.")
        assert pieces == read(instances, text, flag="No", instruction=f"Do {n}.")
        kept = [piece.input for piece in pieces if piece.reason is None]
        assert len(set(kept)) == len(kept) == MAX_INSTANCES
        assert sum("repeats" in (piece.reason or "") for piece in pieces) == 8
        drawn.update(kept)
    assert len(drawn) == 8 and all(200 < count < 300 for count in drawn.values())  # 250 expected, sd 9.7


PLAIN = st.text(st.characters(categories=["L", "Zs"]), min_size=1, max_size=30).map(str.strip).filter(bool)


@given(st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=5, unique_by=lambda pair: pair[0]))
def test_what_is_rendered_is_read_and_rendered_again_the_same(pairs):
    if any(
        marker in part
        for pair in pairs
        for part in pair
        for marker in ("Example", "Input", "Output", "Class")
    ):
        return
    forms = {
        "No": "\n".join(f"Example {i}\nInput: {a}\nOutput: {b}" for i, (a, b) in enumerate(pairs, 1)),
        "Yes": "\n".join(f"Class label: {b}\n{a}" for a, b in pairs),
    }
    for flag, text in forms.items():
        pieces = read(instances, text, flag=flag, instruction="Do it now.")
        assert [(piece.input, piece.output) for piece in pieces] == pairs
        assert all(piece.reason in (None, "input equals output") for piece in pieces)


def test_the_published_seed_tasks_come_back_and_pass_as_the_filters_say():
    """175 tasks: 26 classification, 50 without input; three break rules meant for generated ones."""
    if not SEEDS.exists():
        pytest.skip(f"public data {SEEDS} is not here")
    seeds = [json.loads(line) for line in SEEDS.read_text("utf-8").splitlines()]
    faults = Counter(task_fault(" ".join(seed["instruction"].split()).capitalize()) for seed in seeds)
    assert faults == {None: 172, "3 words; tasks have 4 to 150": 2, "starts with 'Write a program'": 1}
    found, reasons = Counter(), Counter()
    for seed in seeds:
        ((given_text, output),) = [(each["input"], each["output"]) for each in seed["instances"]]
        text = (f"Input: {given_text}\n" if given_text else "") + f"Output: {output}"
        if seed["is_classification"]:
            text = f"Class label: {output}\n{given_text}"
        flag = "Yes" if seed["is_classification"] else "No"
        pieces = read(instances, text, flag=flag, instruction=seed["instruction"])
        same = (pieces[0].input, pieces[0].output) == (given_text.strip(), output.strip())
        found[flag, same and len(pieces) == 1, given_text == ""] += 1
        reasons[pieces[0].reason] += 1
    # one output holds the word "Example", where the published parser cuts
    assert found == {
        ("Yes", True, False): 26,
        ("No", True, False): 98,
        ("No", True, True): 50,
        ("No", False, False): 1,
    }
    assert reasons == {None: 173, "input or output ends with a colon": 2}


@pytest.mark.parametrize(
    ("task", "published", "any_script"),
    [
        ("说出两种会游泳的鸟", "1 words", None),
        ("写一首诗", "1 words", None),
        ("写首诗", "1 words", "3 words"),
        ("《红楼梦》的作者是谁", "1 words", "punctuation"),
        ("Đặt tên cho hai loài chim biết bơi", "ASCII", None),
        ("Hãy kể tên hai loài chim biết bơi", None, None),
        ("Name two birds that swim", None, None),
        ("- Name two birds that swim", "punctuation", "punctuation"),
        ("Describe the picture of a bird", "picture", "picture"),
    ],
)
def test_other_languages_than_english_pass_when_the_recipe_says_any_script(task, published, any_script):
    for wanted, options in ((published, {}), (any_script, {"any_script": True})):
        (piece,) = read(tasks, task, options=options)
        assert piece.reason is None if wanted is None else wanted in piece.reason


def test_an_option_that_nobody_knows_is_refused():
    with pytest.raises(BadInput, match=r"parser tasks has no option 'script'; known: \['any_script'\]"):
        read(tasks, "x", options={"script": True})
