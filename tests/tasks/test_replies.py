import pytest

from tasks.replies import PARSERS, Told


def told(text, finish_reason="stop", **slots):
    return Told(text, finish_reason, slots)


def test_a_text_is_stripped_and_kept():
    (piece,) = PARSERS["text"](told("  Once upon a time.\n"))
    assert piece.text == "Once upon a time."
    assert piece.reason is None


def test_an_empty_text_is_kept_with_its_reason():
    (piece,) = PARSERS["text"](told(" \n "))
    assert piece.reason == "empty reply"


def test_a_text_that_was_cut_by_length_cannot_be_used():
    (piece,) = PARSERS["text"](told("Once upon a", "length"))
    assert (piece.text, piece.reason) == ("Once upon a", "cut by length")


@pytest.mark.parametrize("quoted", ['"The dog ran."', "“The dog ran.”", "The dog ran."])
def test_a_sentence_loses_the_quotation_marks_around_it(quoted):
    (piece,) = PARSERS["sentence"](told(quoted))
    assert (piece.text, piece.reason) == ("The dog ran.", None)


def test_a_sentence_that_speaks_keeps_its_own_quotation_marks():
    (piece,) = PARSERS["sentence"](told('"Run!" said the dog.'))
    assert piece.text == '"Run!" said the dog.'


def test_two_lines_are_no_sentence():
    (piece,) = PARSERS["sentence"](told("The dog ran.\nThe cat sat."))
    assert "more than one line" in piece.reason


@pytest.mark.parametrize(
    ("said", "meaning"),
    [("Yes", "Yes"), (" yes\n", "Yes"), ("YES.", "Yes"), ("No", "No"), ("Yes, it is", "No"), ("", "No")],
)
def test_only_a_clear_yes_is_a_yes(said, meaning):
    (piece,) = PARSERS["flag"](told(said))
    assert (piece.text, piece.reason) == (meaning, None)


def test_a_reply_that_repeats_the_whole_prompt_is_no_text():
    prompt = "Write a short story of three to five paragraphs about a fox."
    leaked = PARSERS["text"](Told(f"{prompt}\n\nA fox ran.", "stop", {}, prompt=prompt))
    assert leaked[0].reason == "repeats the prompt"
    assert PARSERS["text"](Told("Sing. La la.", "stop", {}, prompt="Sing."))[0].reason is None
