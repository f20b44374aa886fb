import pytest

from schemas.errors import BadInput
from tasks.preference_replies import meant, preference
from tasks.replies import Told


def read(text, child=0, finish="stop", **options):
    (piece,) = preference(Told(text, finish, {"child": child}, options=options))
    return piece


@pytest.mark.parametrize(
    ("letter", "swapped", "which"),
    [
        ("A", False, "first"),
        ("B", False, "second"),
        ("A", True, "second"),
        ("B", True, "first"),
        ("C", True, "tie"),
    ],
)
def test_a_letter_means_an_answer_whichever_way_they_were_shown(letter, swapped, which):
    assert meant(letter, swapped) == which


@pytest.mark.parametrize("child", range(4))
def test_every_other_prompt_of_a_swapping_level_was_turned_round(child):
    assert read("A is right. [[A]]", child, swap=True).slots == {
        "preferred": "second" if child % 2 else "first"
    }
    assert read("A is right. [[A]]", child).slots == {"preferred": "first"}


def test_the_same_verdict_twice_is_one():
    assert read("[[B]] it is. So: [[B]]").slots == {"preferred": "second"}


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "no verdict"),
        ("[A]", "no verdict"),
        ("[[D]]", "no verdict"),
        ("Die Antwort A ist besser.", "no verdict"),
        ("[[A]] or rather [[B]]", "two verdicts, A and B"),
        ("[[A]] when A is better, [[B]] when B is, [[C]] for a tie.", "two verdicts, A and B and C"),
    ],
)
def test_anything_else_is_kept_with_its_reason(reply, why):
    piece = read(reply)
    assert piece.reason.startswith(why) and piece.text == reply and piece.slots == {}


def test_a_judgement_cut_before_its_verdict_says_so_and_one_cut_behind_it_counts():
    assert read("Both say that", finish="length").reason == "cut by length"
    assert read("Clearly [[B]] beca", finish="length").slots == {"preferred": "second"}


def test_an_unknown_option_is_refused():
    with pytest.raises(BadInput, match="no option 'swop'; known"):
        read("[[A]]", swop=True)
