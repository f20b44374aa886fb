import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.label_replies import label
from tasks.replies import Told, parsers


def told(text, asked="no dialogue"):
    (piece,) = label(Told(text, "stop", {"label": asked}))
    return piece


@pytest.mark.parametrize(
    "reply",
    [
        "no dialogue", "No dialogue.", "Label: no dialogue", "label = No Dialogue", "**no dialogue**", '"no dialogue"',
        "The label is: no dialogue", "Answer: **no dialogue**\nNobody speaks in it.", "  no  dialogue \n", "**Label:** no dialogue",
    ],
)  # fmt: skip
def test_the_asked_label_scores_1_however_it_is_dressed(reply):
    assert (told(reply).score, told(reply).reason, told(reply).text) == (1.0, None, "no dialogue")


def test_another_label_scores_0_even_when_it_is_a_part_of_the_asked_one():
    assert told("dialogue").score == 0.0 and told("no dialogue", "dialogue").score == 0.0
    assert told("I do not know").score == 0.0 and told("positive").score == 0.0


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "  \n",
        "...",
        "This text is clearly a story with no dialogue.",
        "Which label fits the text? no dialogue",
    ],
)
def test_what_names_no_label_has_a_reason_and_no_score(reply):
    assert (told(reply).score, told(reply).reason, told(reply).text) == (
        None,
        "no label in the reply",
        reply.strip(),
    )


def test_it_goes_by_the_name_label():
    assert parsers()["label"] is label


@given(st.text(max_size=60), st.text(max_size=20))
def test_every_reply_has_either_a_score_or_a_reason(text, asked):
    piece = told(text, asked)
    assert (piece.score is None) == (piece.reason is not None)
    assert piece.score in (None, 0.0, 1.0)
