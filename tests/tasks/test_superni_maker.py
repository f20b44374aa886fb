from collections import Counter

import pytest

from schemas.errors import BadInput
from tasks.makers import Given
from tasks.superni_maker import Encoding, encode, make_instance
from tasks.tokens import words

ROW = {
    "task": "sort",
    "definition": "Sort the words",
    "positive": [
        {"input": "b, a", "output": "a, b", "explanation": "A is first"},
        {"input": "d, c!", "output": "c, d", "explanation": ""},
        {"input": "f, e", "output": "e, f"},
    ],
    "negative": [{"input": "h, g", "output": "h, g", "explanation": "Not sorted"}],
    "targets": ["y, z", "y z"],
}


def made(row=ROW, seed=0, **options):
    (piece,) = make_instance(Given({"text": "z, y", "slots": row}, {}, {}, options, seed))
    return piece


def test_the_encoding_is_definition_then_examples_then_the_input():
    assert encode(ROW, "z, y", Encoding(negative=1)) == (
        "Definition: Sort the words.\n\n"
        "Positive example 1:\nInput: b, a.\nOutput: a, b.\n\n"
        "Positive example 2:\nInput: d, c!\nOutput: c, d.\n\n"
        "Negative example 1:\nInput: h, g.\nOutput: h, g.\n\n"
        "Now answer this one.\nInput: z, y.\nOutput:"
    )


def test_explanations_follow_their_example_where_there_are_any():
    told = encode(ROW, "z, y", Encoding(explanation=True, negative=1, positive=3))
    assert told.count("Explanation: ") == 2
    assert "Output: a, b.\nExplanation: A is first.\n\n" in told and "Explanation: Not sorted." in told


def test_a_full_stop_is_added_only_where_no_punctuation_stands_in_any_script():
    assert "Input: 你好。\n" in encode(ROW, "你好。", Encoding(positive=0))
    assert "Input: b}\n" in encode(ROW, "b}", Encoding(positive=0))
    assert "Input: xin chào.\n" in encode(ROW, "xin chào", Encoding(positive=0))


@pytest.mark.parametrize("most", range(12, 80))
def test_examples_are_added_only_while_the_text_fits(most):
    told = encode(ROW, "z, y", Encoding(positive=3, negative=1, max_words=most))
    bare = encode(ROW, "z, y", Encoding(positive=0))
    assert len(words(told)) <= max(most, len(words(bare)))
    numbers = [number for number in (1, 2, 3) if f"Positive example {number}" in told]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_first_example_that_does_not_fit_ends_its_kind_and_not_the_next():
    long = {"input": " ".join(["word"] * 50), "output": "x"}
    row = {**ROW, "positive": [long, ROW["positive"][0]]}
    told = encode(row, "z, y", Encoding(negative=1, max_words=40))
    assert "Positive" not in told and "Negative example 1" in told


def test_the_target_is_one_of_the_outputs_and_all_are_kept():
    assert {made(seed=seed).output for seed in range(20)} == {"y, z", "y z"}
    piece = made()
    assert piece.slots == {"task": "sort", "targets": ["y, z", "y z"]} and piece.input == ""
    assert piece.reason is None and piece.instruction.endswith("Output:")


def test_what_is_compared_is_the_input_with_its_target():
    piece = made()
    assert piece.text == f"z, y\n\n{piece.output}"


def test_the_five_published_encodings_are_drawn_evenly():
    def kind(told):
        return ("Definition" in told, told.count("Positive"), told.count("Negative"), "Explanation" in told)

    counts = Counter(kind(made(seed=seed, mixed=True).instruction) for seed in range(1_000))
    assert set(counts) == {
        (True, 0, 0, False), (False, 2, 0, False), (True, 2, 0, False), (True, 2, 1, False), (True, 2, 0, True),
    }  # fmt: skip
    assert sum((n - 200) ** 2 / 200 for n in counts.values()) < 18.5  # 4 degrees of freedom, p = .001


def test_an_instance_without_output_or_too_long_is_kept_with_a_reason():
    assert made({**ROW, "targets": []}).reason == "empty target"
    assert made(max_words=5).reason.endswith("words; at most 5")


def test_an_unknown_option_is_refused():
    with pytest.raises(BadInput, match="make = \"superni\": no option 'examples'"):
        made(examples=2)
