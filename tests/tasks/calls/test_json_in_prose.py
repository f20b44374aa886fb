import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.calls.json_in_prose import DEEPEST, MOST, Unfit, values_in


def offered(text):
    return [offer.value for offer in values_in(text)]


@pytest.mark.parametrize(
    "text, values",
    [
        ('{"a": 1}', [{"a": 1}]),
        ("\ufeff[1, 2]\n", [[1, 2]]),
        ('  "a text"  ', ["a text"]),
        ("null", [None]),
        ('{"a": [1, 2,], }', [{"a": [1, 2]}]),
        ('{"a": ",]", "b": ",}",}', [{"a": ",]", "b": ",}"}]),
        ('{"a": "two\nlines"}', [{"a": "two\nlines"}]),
        ('Sure! {"a": 1} Anything else?', [{"a": 1}]),
        ('He said "no. {"a": 1}', [{"a": 1}]),
        ('See [there] and {x}, then {"a": "}]"}.', [{"a": "}]"}]),
        ('As in [1], it is {"a": {"b": []}}.', [[1], {"a": {"b": []}}]),
        ('```json\n"fenced"\n```', ["fenced"]),
        ("```\n7\n```", [7]),
        ('First:\n```json\n{"a": 1}\n```\nor {"b": 2}', [{"a": 1}, {"a": 1}, {"b": 2}]),
        ('{"a": "```"} it is', [{"a": "```"}]),
        ('<think>maybe {"a": 1}?</think>\n{"a": 2}', [{"a": 2}]),
        ('{"a": ...} means {"a": 1}', [{"a": 1}]),
    ],
)
def test_values_are_found(text, values):
    try:
        found = offered(text)
    except Unfit:
        found = [offer for offer in first_offers(text)]
    assert found == values


def first_offers(text):
    """What is offered before a mistake is told."""
    try:
        for offer in values_in(text):
            yield offer.value
    except Unfit:
        return


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "the reply is empty"),
        (" \n", "the reply is empty"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ("[-Infinity]", "-Infinity is no JSON number"),
        ("[1e999]", 'number "1e999" is beyond'),
        ("[" + "7" * 5000 + "]", "an integer of 5000 digits is too long"),
        ('["\\ud800"]', "half a surrogate pair"),
        ('{"\\udfff": 1}', "half a surrogate pair"),
        ('["a\\u0000b"]', "NUL"),
        ('{"a": {"b": "\\u0000"}}', "NUL"),
        ('{"a": [{"b": "\\udc00"}]}', "half a surrogate pair"),
        ('{"a":' * DEEPEST + "1" + "}" * DEEPEST, "deeper than 100 levels"),
        ('["a\x00b"]', "NUL"),
        ("[" * 200_000 + "]" * 200_000, "deeper than 100 levels"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "deeper than 100 levels"),
        ('{"a": 1, "a": 2}', 'key "a" is there twice'),
        ("[1,,2]", "Expecting value at character 3"),
        ('{"a": [1, 2], "b": "tr', "cut off"),
        ("{'a': 1} and {\"a\" 1}", "no valid JSON"),
    ],
)
def test_what_cannot_be_kept_is_told_and_no_accident(text, why):
    with pytest.raises(Unfit, match=why):
        offered(text)


def test_a_part_of_a_broken_value_is_never_offered():
    cut = '{"name": "x", "parent": {"name": "y"}, "z": '
    broken = '{"name": "x", parent: {"name": "y"}}'
    assert list(first_offers(cut)) == list(first_offers(broken)) == []


def test_the_deepest_value_that_is_kept_is_found():
    text = "[" * DEEPEST + "]" * DEEPEST
    assert offered(text) == [json.loads(text)]


def test_no_more_values_are_looked_at_than_are_worth_it():
    assert len(offered("[1] " * 100_000)) == MOST // 2


HOSTILE = [
    "{",
    "[",
    '{"',
    '["',
    '"',
    '{"\\"',
    "[1,",
    '{"a":[1,]',
    "```x\n",
    "[1] ",
    ", ",
    "{ ",
    "[[",
    "]",
    '{"a"}',
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_anything_is_read_to_its_end(piece):
    """Were it quadratic, one of these would take minutes."""
    text = piece * (1_000_000 // len(piece))
    list(first_offers(text))
    list(first_offers("x" + text))


@given(st.text())
def test_no_text_makes_more_than_unfit(text):
    list(first_offers(text))


@given(st.text(alphabet='{}[]",:\\ \n1antruefls`\ud800\x00'))
def test_no_text_of_json_characters_makes_more_than_unfit(text):
    for value in first_offers(text):
        json.dumps(value, allow_nan=False).encode()
