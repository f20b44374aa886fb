from itertools import product

import pytest

from schemas.errors import BadInput
from tasks.makers import Given, makers
from tasks.preference_maker import pair_fault, preference


def made(answers, said, options=None):
    gathered = {
        "answer": [{"text": text, "slots": {}} for text in answers],
        "judgement": [{"text": f"I say {each}", "slots": {"preferred": each}} for each in said],
    }
    (piece,) = preference(Given({"text": "Why rain?", "slots": {}}, gathered, {}, options or {}, 0))
    return piece


def test_it_is_found_by_its_name():
    assert makers()["preference"] is preference


def test_what_both_orders_prefer_is_chosen_and_the_other_rejected():
    first, second = (
        made(["Clouds.", "Who knows."], ["first"] * 2),
        made(["Clouds.", "Who knows."], ["second"] * 2),
    )
    assert (first.output, first.rejected, first.reason) == ("Clouds.", "Who knows.", None)
    assert (second.output, second.rejected, second.reason) == ("Who knows.", "Clouds.", None)
    assert first.text == "Why rain?\n\nClouds." and first.slots == {"preferred": ["first", "first"]}


def test_only_agreement_on_a_winner_makes_a_pair():
    """Nine combinations of two verdicts, two of which are a pair."""
    kept = [
        pair for pair in product(["first", "second", "tie"], repeat=2) if not made(["a", "b"], pair).reason
    ]
    assert kept == [("first", "first"), ("second", "second")]


@pytest.mark.parametrize(
    ("answers", "said", "why"),
    [
        (["a", "b"], ["first", "second"], "a tie: the judge said first in one order and second in the other"),
        (["a", "b"], ["tie", "tie"], "a tie in both orders"),
        (["a", "b"], ["first"], "1 usable judgements"),
        (["a", "b"], [], "0 usable judgements"),
        (["a"], ["first", "first"], "1 usable answers"),
        ([], [], "0 usable answers"),
        (["a  b", "a b\n"], ["first", "first"], "both answers are the same"),
    ],
)
def test_what_makes_no_pair_is_kept_with_its_reason(answers, said, why):
    piece = made(answers, said)
    assert piece.reason.startswith(why) and piece.reason == pair_fault(answers, said)
    assert piece.rejected is None and piece.text


def test_levels_of_other_names_are_options():
    gathered = {
        "draft": [{"text": t, "slots": {}} for t in "ab"],
        "vote": [{"text": "", "slots": {"preferred": "second"}}] * 2,
    }
    given = Given({"text": "Q"}, gathered, {}, {"answers": "draft", "judgements": "vote"}, 0)
    assert preference(given)[0].output == "b"


@pytest.mark.parametrize(
    ("options", "why"), [({"answers": "draft"}, "'draft' is not gathered"), ({"tie": 1}, "no option 'tie'")]
)
def test_options_that_make_no_sense_are_refused(options, why):
    with pytest.raises(BadInput, match=why):
        made(["a", "b"], ["first", "first"], options)
