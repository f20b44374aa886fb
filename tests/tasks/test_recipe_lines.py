import pytest

from tasks.recipe_lines import line_of, line_of_level

TEXT = '''name = "x"

[checks]
min_words = 3   # words

[[level]]
name = "a"
prompt = """
[[level]]
name = "not this one"
"""
[level.sampling]
temperature = 3
[[level]]
name = "b"
sampling.top_p = 0.5
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("name",), 1),
        (("checks",), 3),
        (("checks", "min_words"), 4),
        (("checks", "max_words"), 3),
        (("level", 0, "name"), 7),
        (("level", 0, "prompt"), 8),
        (("level", 0, "sampling", "temperature"), 13),
        (("level", 1), 14),
        (("level", 1, "name"), 15),
        (("level", 1, "sampling", "top_p"), 16),
        (("level", 1, "reply"), 14),
        (("title",), None),
        ((), None),
    ],
)
def test_a_place_has_the_line_of_its_innermost_part_that_is_there(place, line):
    assert line_of(TEXT, place) == line


@pytest.mark.parametrize(
    ("why", "line"),
    [
        ("two levels are named 'twin'", 4),
        ("level 'one' speaks of 'twin', which is not a level above it", 1),
        ("evolution: no level 'nobody'; known: ['one']", None),
        ("no level is final: nothing would be released", None),
    ],
)
def test_a_mistake_of_the_tree_has_the_line_of_the_level_it_names(why, line):
    text = "name = 'one'\nname = \"twin\"\nprompt = 'x'\n  name='twin'\n"
    assert line_of_level(text, why) == line
