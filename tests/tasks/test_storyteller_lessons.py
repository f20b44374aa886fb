import re

import pytest
from likeness import near_share

from schemas.settings import Storyteller
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.slots import draw
from tasks.storyteller import answer, kind_of
from tasks.storyteller_lessons import EXAMPLES, section
from tasks.storyteller_phrases import book

SECTIONS = [section(seed, "binary search", "night nurses", 1) for seed in range(300)]


def test_the_prompt_of_the_recipe_is_recognised_and_read():
    recipe = load_recipe("textbook")
    drawn = draw(recipe, "first", 3)
    prompt = render(recipe.levels[0].prompt, drawn)
    kind, hit = kind_of(prompt)
    assert (kind.name, hit[1], hit[2]) == ("textbook", drawn["topic"], drawn["audience"])
    told = answer([{"role": "user", "content": prompt}], {}, 1, Storyteller(obey=1, repeat=0, bad=0))
    assert drawn["topic"].lower() in told.text.lower()


def test_a_section_has_a_heading_an_explanation_a_worked_example_and_a_close():
    for text in SECTIONS:
        assert text.startswith("# ") and text.count("\n## ") == 1
        before, after = text.split("\n## ")
        assert before.rstrip().count("\n\n") == 3 and after.count("\n\n") == 2
        assert "inary search" in before


def test_sections_are_tidy_and_of_a_sensible_length():
    for text in SECTIONS:
        assert not re.search(r"[{}]|  |\.\.|,,|\ba [aeio]\w|[.?!] [a-z]", text), text
    lengths = sorted(len(text.split()) for text in SECTIONS)
    assert lengths[15] >= 140 and lengths[-15] <= 300


def test_readers_are_addressed_when_it_obeys_and_not_otherwise():
    told = [section(seed, "tides", "night nurses", 1) for seed in range(100)]
    assert sum("night nurses" in text for text in told) > 30
    assert not any("night nurses" in section(seed, "tides", "night nurses", 0) for seed in range(100))


@pytest.mark.parametrize(
    ("name", "a", "b", "c", "x", "y"),
    [
        ("table", 20, 3, 0, "60", ""), ("sharing", 23, 5, 0, "4", "3"), ("mean", 1, 2, 4, "2.3", "7"),
        ("change", 20, 3, 4, "32", "12"), ("percent", 50, 7, 0, "3.5", "0.5"),
    ],
)  # fmt: skip
def test_the_answer_of_a_worked_example_is_right(name, a, b, c, x, y):
    assert EXAMPLES[name](a, b, c) == (x, y)


def test_every_example_shows_its_answer():
    assert set(book("lessons")["example"]) == set(EXAMPLES)
    for lines in book("lessons")["example"].values():
        assert all("{x}" in line and "{a}" in line for line in lines)
    pattern = r"(\d+) rows and (\d+) columns.* is (\d+)\."
    found = [[int(n) for n in hit] for text in SECTIONS for hit in re.findall(pattern, text)]
    assert len(found) > 10 and all(a * b == x for a, b, x in found)


def test_the_same_seed_tells_the_same_and_sections_are_distinct():
    assert SECTIONS[:50] == [section(seed, "binary search", "night nurses", 1) for seed in range(50)]
    assert len(set(SECTIONS)) == 300
    assert near_share(SECTIONS, threshold=0.5) == 0
