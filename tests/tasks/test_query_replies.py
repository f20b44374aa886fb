import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks.query_replies import query, query_in
from tasks.replies import Told

PASSAGE = "Hedgehogs sleep through the cold months. They lose a third of their weight."


def read(reply, finish="stop", passage=PASSAGE, **options):
    (piece,) = query(Told(reply, finish, {"document": passage}, options=options))
    return piece


def test_a_query_is_trained_on_as_what_its_passage_answers():
    piece = read(" how long do hedgehogs sleep")
    assert piece.reason is None
    assert (piece.text, piece.instruction, piece.input, piece.output) == (
        "how long do hedgehogs sleep", "how long do hedgehogs sleep", "", PASSAGE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "asked"),
    [
        ("how do they sleep\nExample 5:\nDocument: x", "how do they sleep"),
        ("\n\n how do they sleep ", "how do they sleep"),
        ('"how do they sleep"', "how do they sleep"),
        ("Query: how do they sleep", "how do they sleep"),
        ("Relevant Query: how do they sleep", "how do they sleep"),
        ("queries: how do they sleep", "queries: how do they sleep"),
        ("", ""),
    ],
)
def test_only_the_first_line_is_the_query(reply, asked):
    assert query_in(reply) == asked


@pytest.mark.parametrize(
    ("asked", "n"), [("", 0), ("hedgehogs", 1), ("hedgehog sleep", 2), ("...!", 0), ("Example 4:", 2)]
)
def test_fewer_than_three_words_are_no_query(asked, n):
    assert read(asked).reason == f"{n} words; queries have 3 to 1000"


def test_the_bounds_themselves_pass_and_count_words_of_any_language():
    assert read("one two three").reason is None
    assert read("刺猬睡").reason is None
    assert read("w " * 1000).reason is None
    assert read("w " * 1001).reason == "1001 words; queries have 3 to 1000"
    assert read("one two", min_words=2).reason is None


def test_a_copied_query_is_refused_only_when_asked_for():
    copied = "SLEEP through the cold, months"
    assert read(copied).reason is None
    assert read(copied, copied=False).reason == "copied from its passage"
    assert read("sleep in the cold months", copied=False).reason is None
    assert read("edgehogs sleep through", copied=False).reason is None, "whole words count, not letters"


def test_a_cut_query_is_refused_unless_its_line_was_over():
    assert read("how long do the hedgehogs of", "length").reason == "cut by length"
    assert read("how long do hedgehogs sleep\nExample 5:", "length").reason is None


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"min": 2}, "no option 'min'"),
        ({"document": "passage"}, "no level or field 'passage'; known: .*'document'"),
        ({"min_words": 9, "max_words": 8}, "min_words 9 is above 8"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, why):
    with pytest.raises(BadInput, match=why):
        read("one two three", **options)


@given(
    st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=6),
    st.lists(st.sampled_from("abcdefg"), max_size=40),
)
def test_copied_means_that_its_words_stand_in_a_row_in_the_passage(asked, passage):
    piece = read(" ".join(asked), passage=" ".join(passage), copied=False, min_words=1)
    runs = [passage[i : i + len(asked)] for i in range(len(passage))]
    assert (piece.reason == "copied from its passage") == (asked in runs)
