import pytest

from tasks.storyteller_exercises import GIVEN, LETTERS, NUMBERS, made, solved
from tasks.storyteller_phrases import Pen, book


@pytest.mark.parametrize(
    ("name", "given", "answer"),
    [
        ("added", ("12", "30"), "42"),
        ("taken", ("50", "8"), "42"),
        ("multiplied", ("6", "7"), "42"),
        ("shared", ("85", "2"), "42 each, and 1 are left"),
        ("shared", ("84", "2"), "42 each"),
        ("percent", ("21", "200"), "42"),
        ("percent", ("5", "50"), "2.5"),
        ("minutes", ("2",), "120"),
        ("centimetres", ("3",), "300"),
        ("continued", ("30, 34, 38",), "42"),
    ],
)
def test_sums_in_the_question(name, given, answer):
    assert solved(name, given) == answer


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("total", 22),
        ("mean", "5.5"),
        ("largest", 9),
        ("smallest", 2),
        ("ascending", "2, 4, 7, 9"),
        ("descending", "9, 7, 4, 2"),
        ("even_ones", "4, 2"),
        ("spread", 7),
        ("doubled", "14, 8, 18, 4"),
    ],
)
def test_exercises_on_numbers(name, answer):
    assert NUMBERS[name]([7, 4, 9, 2]) == answer


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("alphabetical", "apple, box, mouse"),
        ("by_length", "box, apple, mouse"),
        ("longest", "mouse"),
        ("backwards", "esuom xob elppa"),
        ("capitals", "MOUSE BOX APPLE"),
        ("n_words", 3),
        ("n_vowels", 6),
        ("without_vowels", "ms bx ppl"),
        ("initials", "MBA"),
        ("commas", "mouse, box, apple"),
        ("without_repeats", "mouse, box, apple"),
        ("plurals", "mice, boxes, apples"),
    ],
)
def test_exercises_on_words(name, answer):
    assert LETTERS[name](["mouse", "box", "apple"]) == answer


def test_no_even_number_is_said_in_words():
    assert NUMBERS["even_ones"]([3, 5]) == "none"


def test_repeats_are_there_to_be_removed():
    for seed in range(20):
        given, output = made("without_repeats", Pen(seed, {}, {}))
        assert len(given.split(", ")) == len(output.split(", ")) + 1
        assert len(set(output.split(", "))) == len(output.split(", "))


def test_every_exercise_of_the_phrase_book_is_computed_and_no_other():
    names = [entry["name"] for entry in book("exercises")["task"]]
    assert sorted(names) == sorted([*GIVEN, *NUMBERS, *LETTERS])


@pytest.mark.parametrize("name", [*NUMBERS, *LETTERS])
def test_inputs_differ_and_come_with_their_answer(name):
    pairs = [made(name, Pen(seed, {}, {})) for seed in range(10)]
    assert len({given for given, _ in pairs}) > 5
    assert all(given and output for given, output in pairs)
