import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.provenance import MAX_EXTRA, provenance_of, slots_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(TEXT)
def test_a_textual_id_is_untouched(own):
    assert provenance_of({"id": own}).origin_id == own


@given(st.integers())
def test_a_numeric_id_keeps_all_its_digits(own):
    assert provenance_of({"id": own}).origin_id == str(own)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"uid": "u", "uuid": "v", "_id": "w", "id": "x"}, "x"),
        ({"sample_id": "s", "uid": "u"}, "u"),
        ({"id": None, "_id": "", "uuid": "v"}, "v"),
        ({"_id": {"$oid": "5f"}}, '{"$oid":"5f"}'),
        ({"id": 0}, "0"),
        ({"id": " 007 "}, " 007 "),
        ({"ID": "x", "text": "y"}, None),
    ],
)
def test_the_first_id_that_says_something_is_taken(fields, expected):
    assert provenance_of(fields).origin_id == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("en", "en"), ("pt-BR", "pt-BR"), ("English", None), (7, None)]
)
def test_a_language_is_a_tag_or_left_among_the_other_fields(value, expected):
    told = provenance_of({"language": value})
    assert told.language == expected
    assert ("language" in told.used) == (expected is not None)


def test_the_model_is_taken_when_it_is_a_name():
    assert provenance_of({"model": "gpt-4"}).model == "gpt-4"
    assert provenance_of({"model": ["a"]}).model is None
    assert provenance_of({"model": " "}).model is None


def test_small_extras_are_kept_and_large_ones_named():
    assert json.loads(slots_of(None, {"topic": "sea", "n": 1})) == {"extra": {"topic": "sea", "n": 1}}
    assert json.loads(slots_of(None, {"b": "x" * MAX_EXTRA, "a": 1})) == {"extra": ["a", "b"]}
    assert slots_of(None, {}) == "{}"
    assert slots_of(None, {"empty": "", "null": None}) == "{}"


def test_what_was_asked_stands_beside_the_extras():
    assert json.loads(slots_of({"words": ["dog"]}, {"source": "GPT-4"})) == {
        "words": ["dog"],
        "extra": {"source": "GPT-4"},
    }


def test_what_json_does_not_know_becomes_text_or_a_name():
    assert json.loads(slots_of(None, {"at": datetime.date(2024, 2, 29)})) == {"extra": {"at": "2024-02-29"}}
    assert json.loads(slots_of(None, {"score": float("nan")})) == {"extra": ["score"]}


@given(st.dictionaries(TEXT, st.integers() | TEXT, max_size=4))
def test_slots_do_not_depend_on_the_order_of_the_fields(extra):
    assert slots_of(None, extra) == slots_of(None, dict(reversed(extra.items())))
