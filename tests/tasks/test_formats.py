import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.recipe import Fields, Format
from tasks.formats import bare, fielded, formatted
from tasks.recipe import load_recipe
from tasks.rendering import render

FORMAT = Format(
    with_input=["A {{ instruction }} | {{ input }}", "B {{ instruction }} | {{ input }}"],
    without_input=["C {{ instruction }}", "D {{ instruction }}", "E {{ instruction }}"],
    drop_field_name=0.5,
)
PARTS = Fields(parts={"Words": "{{ words }}", "Summary": "{{ summary }}", "Moral": "{{ moral }}"})
VALUES = {"words": "egg, run", "summary": "An egg runs.", "moral": "Sit still."}


def evenly(counts, n):
    """Whether every count is within 4 standard deviations of an even share."""
    share = 1 / len(counts)
    return all(abs(count - n * share) < 4 * math.sqrt(n * share * (1 - share)) for count in counts.values())


def test_templates_are_drawn_evenly_among_those_that_fit():
    for given_text, letters in (("eggs", "AB"), ("", "CDE")):
        drawn = Counter(formatted(FORMAT, "Cook it.", given_text, seed)[0] for seed in range(2000))
        assert set(drawn) == set(letters) and evenly(drawn, 2000)


def test_the_same_seed_gives_the_same_words():
    texts = [formatted(FORMAT, "Cook it.", "Text: eggs", seed) for seed in range(50)]
    assert texts == [formatted(FORMAT, "Cook it.", "Text: eggs", seed) for seed in range(50)]


def test_half_of_the_inputs_lose_their_only_field_name():
    kept = sum("Text: eggs" in formatted(FORMAT, "Cook it.", "Text: eggs", seed) for seed in range(2000))
    assert abs(kept - 1000) < 4 * math.sqrt(500)
    never = FORMAT.model_copy(update={"drop_field_name": 0.0})
    assert all("Text: eggs" in formatted(never, "Cook it.", "Text: eggs", seed) for seed in range(50))


@pytest.mark.parametrize(
    ("given_text", "left"),
    [
        ("Review: The soup was cold.", "The soup was cold."),
        ("Review:The soup. Review: again", "The soup. Review: again"),  # one distinct name
        ("Question: Why? Answer: Because.", "Question: Why? Answer: Because."),
        ("The train: late.", "The train: late."),  # the only name does not begin the input
        ("See you at 12:30", "See you at 12:30"),
        ("No field name", "No field name"),
        ("one\n\ntwo\n \n\nthree", "one\ntwo\nthree"),
        ("评论: 汤是冷的。", "汤是冷的。"),
        ("Câu: Trời mưa.", "Trời mưa."),
        ("", ""),
    ],
)
def test_only_a_single_field_name_at_the_beginning_goes_and_blank_lines_become_single(given_text, left):
    assert bare(given_text) == left


def test_an_input_that_is_nothing_but_a_field_name_is_no_input_without_it():
    assert {formatted(FORMAT, "Cook it.", "Text:", seed)[0] for seed in range(200)} >= {"C", "D", "E"}


@given(st.text(max_size=60), st.text(max_size=60), st.integers(0, 2**63 - 1))
def test_braces_in_data_are_data(instruction, given_text, seed):
    never = FORMAT.model_copy(update={"drop_field_name": 0.0})
    text = formatted(never, f"x{instruction}x{{{{ input }}}}", f"x{given_text}{{% if %}}", seed)
    assert instruction in text and given_text in text and "{{ input }}" in text and "{% if %}" in text


def test_the_seven_and_six_templates_of_self_instruct_are_all_different_and_hold_everything():
    (level,) = [level for level in load_recipe("self_instruct").levels if level.format]
    form = level.format.model_copy(update={"drop_field_name": 0.0})
    assert (len(form.with_input), len(form.without_input), level.format.drop_field_name) == (7, 6, 0.5)
    with_input = {formatted(form, "Count the eggs.", "three eggs", seed) for seed in range(300)}
    without = {formatted(form, "Count the eggs.", "", seed) for seed in range(300)}
    assert (len(with_input), len(without)) == (7, 6)
    assert all("Count the eggs." in text and "three eggs" in text for text in with_input)
    assert all("Count the eggs." in text and "Input" not in text for text in without)


def test_every_subset_of_parts_in_every_order_comes_equally_often():
    """Seven subsets of three parts by even coins, none empty: 3 of one, 6 orders of two, 6 of three."""
    drawn = Counter(fielded(PARTS, VALUES, seed, render) for seed in range(7000))
    sizes = Counter()
    for text, count in drawn.items():
        sizes[text.count("\n") + 1] += count
    assert len(drawn) == 15
    assert all(
        abs(sizes[n] - 7000 * k / 7) < 4 * math.sqrt(7000 * k / 7) for n, k in ((1, 3), (2, 3), (3, 1))
    )
    assert evenly({text: count for text, count in drawn.items() if text.count("\n") == 2}, sizes[3])


def test_parts_are_labelled_and_may_all_stand_in_the_order_of_the_file():
    whole = PARTS.model_copy(update={"subset": "all", "order": "file"})
    assert fielded(whole, VALUES, 1, render) == "Words: egg, run\nSummary: An egg runs.\nMoral: Sit still."


def test_an_empty_part_is_left_out_and_never_counts():
    values = {**VALUES, "moral": "", "summary": " "}
    assert {fielded(PARTS, values, seed, render) for seed in range(50)} == {"Words: egg, run"}
    assert fielded(PARTS, dict.fromkeys(VALUES, ""), 1, render) == ""


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 5))
def test_there_are_never_fewer_parts_than_asked_for(seed, at_least):
    asked = PARTS.model_copy(update={"at_least": at_least})
    text = fielded(asked, VALUES, seed, render)
    assert len([line for line in text.split("\n") if line]) >= min(at_least, 3)
