import json
import socket
import urllib.request
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from schemas.tables import Message
from tasks.calls.structured import (
    ECHO,
    LONGEST,
    ask_again,
    check_schema,
    in_words,
    read_json,
    response_format,
)

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
LIST = {"type": "array", "items": {"type": "string"}, "minItems": 1}


def test_the_first_value_that_fits_is_taken_and_not_a_citation():
    text = 'As [1] and {"name": "Ann"} say: {"name": "Bo", "age": 3} or {"name": "Cy", "age": 4}'
    assert read_json(text, PERSON) == ({"name": "Bo", "age": 3}, None)


def test_null_is_a_value_and_no_problem():
    assert read_json("null", {"type": "null"}) == (None, None)


@pytest.mark.parametrize(
    "text, problem",
    [
        ('{"name": "Ann", "age": "ten"}', 'at $.age: found "ten", expected type "integer"'),
        ('{"name": "Ann", "age": -1}', "at $.age: found -1, expected minimum 0"),
        ('{"name": "Ann"}', 'at $: found {"name": "Ann"}, expected required ["name", "age"] (\'age\' is a required property)'),
        ('See [1]: {"name": "Ann", "age": null}', 'at $.age: found null, expected type "integer"'),
        ("I would rather not.", "the reply holds no JSON object or array"),
        ("{" * 1000, "the reply holds no JSON object or array"),
        ("", "the reply is empty"),
        ('See [1]: {"name": "Ann", "a', 'the JSON is cut off: "{\\"name\\": \\"Ann\\", \\"a" has no end'),
        ('{"name": "Ann", "age": NaN}', "NaN is no JSON number"),
    ],
)  # fmt: skip
def test_a_problem_says_where_what_and_what_was_expected(text, problem):
    assert read_json(text, PERSON) == (None, problem)


def test_a_problem_is_one_short_line_whatever_the_reply_holds():
    wild = {"name\n" * 500: ["x\n" * 5000], "name": "\n" * 1000}
    for schema in (
        PERSON,
        LIST,
        {"not": {}},
        {"enum": ["y" * 1000]},
        {"additionalProperties": {"type": "null"}},
    ):
        value, problem = read_json(json.dumps(wild), schema)
        assert value is None
        assert 10 < len(problem) <= LONGEST and "\n" not in problem


def test_a_schema_that_cannot_be_applied_is_a_problem_of_the_reply():
    assert "cannot be compared" in read_json("[" + "1" * 400 + "]", {"items": {"multipleOf": 0.3}}).problem


def test_a_remote_reference_is_never_fetched(monkeypatch):
    asked = []
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: asked.append(args))
    monkeypatch.setattr(socket.socket, "connect", lambda *args: asked.append(args))
    warnings.simplefilter("ignore")
    with pytest.raises(BadInput, match="http://example.com/a.json"):
        read_json("{}", {"$ref": "http://example.com/a.json"})
    assert asked == []


read_json("{}", {})  # a module that is first loaded between two examples would change what hypothesis draws
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
values = st.recursive(
    scalars | texts, lambda below: st.lists(below) | st.dictionaries(texts, below), max_leaves=12
)
prose = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='{}[]`<"\x00'))
noise = prose | st.sampled_from(['He said "well', "see {x} [there]", "it's [a] {b", "\ufeff"])


def written(value, trailing):
    text = json.dumps(value, ensure_ascii=trailing, indent=trailing * 2 or None)
    return text[:-1] + ",\n" + text[-1] if trailing and value and isinstance(value, list | dict) else text


@given(st.lists(values) | st.dictionaries(texts, values), noise, noise, st.booleans(), st.booleans())
def test_every_value_that_is_written_amid_noise_is_read_back_equal(value, before, after, fenced, trailing):
    schema = {"type": "object" if isinstance(value, dict) else "array", "const": value}
    text = written(value, trailing)
    text = f"{before}\n```json\n{text}\n```\n{after}" if fenced else f"{before} {text} {after}"
    assert read_json(text, schema) == (value, None)


@given(values)
def test_every_value_alone_is_read_back_equal(value):
    assert read_json(f"\ufeff {json.dumps(value)}\n", {}) == (value, None)


@given(
    st.text(alphabet='{}[]",:\\ \n1antruefls`\ud800\x00')
    | st.text()
    | st.binary().map(lambda raw: raw.decode("latin-1"))
)
def test_no_reply_is_an_accident(text):
    value, problem = read_json(text, PERSON)
    assert (value is None) == (problem is not None)


def test_the_schema_in_words_can_be_read_back_in_its_own_order():
    schema = {"type": "object", "properties": {"zeta": {}, "alpha": {"title": "ä"}}}
    words = in_words(schema)
    assert list(json.loads(words[words.index("{") :])["properties"]) == ["zeta", "alpha"]
    assert "ä" in words


def test_a_repair_shows_what_was_said_and_what_is_wrong_with_it():
    asked = [Message(role="system", content="s"), Message(role="user", content="u")]
    again = ask_again(asked, "{oops", "at $: found nothing")
    assert again[:2] == asked and len(asked) == 2
    assert [turn.role for turn in again[2:]] == ["assistant", "user"]
    assert again[2].content == "{oops" and "at $: found nothing" in again[3].content


def test_a_reply_that_ran_wild_is_sent_back_cut_and_an_empty_one_not_empty():
    asked = [Message(role="user", content="u")]
    assert len(ask_again(asked, "x" * 10**6, "p")[1].content) < ECHO + 20
    assert ask_again(asked, "", "p")[1].content


STRICT = {
    "closed": PERSON,
    "nested": {**PERSON, "properties": {"name": {"$ref": "#/$defs/n"}, "age": {"type": "array", "items": PERSON}}, "$defs": {"n": {"type": ["string", "null"]}}},
    "any of": {**PERSON, "properties": {"name": {"anyOf": [PERSON, {"type": "null"}]}, "age": {"enum": [1]}}},
}  # fmt: skip
LOOSE = {
    "open": {key: value for key, value in PERSON.items() if key != "additionalProperties"},
    "optional": {**PERSON, "required": ["name"]},
    "no object": LIST,
    "any of at the root": {**PERSON, "anyOf": [PERSON]},
    "open below": {**PERSON, "properties": {"name": {"type": "object"}, "age": {"type": "integer"}}},
    "open in a list": {**PERSON, "properties": {"name": {"type": "array", "items": {"type": ["object", "null"]}}, "age": {"type": "integer"}}},
    "open in a definition": {**PERSON, "$defs": {"x": {"type": "object", "properties": {}}}},
    "unknown keyword": {**PERSON, "properties": {"name": {"type": "string", "not": {"const": ""}}, "age": {"type": "integer"}}},
    "anything": {**PERSON, "properties": {"name": {}, "age": {"type": "integer"}}},
}  # fmt: skip


@pytest.mark.parametrize("schema, strict", [(s, True) for s in STRICT.values()] + [(s, False) for s in LOOSE.values()], ids=[*STRICT, *LOOSE])  # fmt: skip
def test_strict_is_asked_for_only_where_the_api_takes_it(schema, strict):
    check_schema(schema)
    assert response_format(schema, "answer") == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": strict, "schema": schema},
    }


def test_a_name_that_the_api_does_not_take_is_refused():
    with pytest.raises(BadInput, match="'two words' cannot name a schema"):
        response_format(PERSON, "two words")


@pytest.mark.parametrize(
    "schema, said",
    [
        ({"type": "objekt"}, r"at \$\.type: 'objekt' is not valid"),
        (
            {"properties": {"a": {"minimum": "0"}}},
            r"at \$\.properties\.a\.minimum: '0' is not of type 'number'",
        ),
        ({"pattern": "("}, r"at \$\.pattern"),
        (
            {"properties": {"a": {"$ref": "https://example.com/x"}}},
            r"at \$\.properties\.a\.\$ref: .*lies outside",
        ),
        ({"items": [{"$ref": "other.json"}]}, "no JSON Schema"),
        (
            {"anyOf": [{"$ref": "#/$defs/none"}]},
            r"at \$\.anyOf\[0\]\.\$ref: '#/\$defs/none' points at nothing",
        ),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#"},
            "another draft, .*draft-07.*known: .*2020-12",
        ),
        ({"const": float("nan")}, "no JSON Schema"),
        (["type"], "no JSON Schema"),
        (True, "True is no object"),
    ],
)
def test_a_schema_that_does_not_stand_alone_is_refused_with_its_place(schema, said):
    with pytest.raises(BadInput, match=said) as caught:
        check_schema(schema)
    assert "\n" not in str(caught.value)


def test_good_schemas_pass_and_data_in_them_is_not_taken_for_references():
    check_schema(PERSON)
    check_schema({"$schema": "https://json-schema.org/draft/2020-12/schema", "const": {"$ref": "x"}})
    check_schema({"$defs": {"a": {"items": {"$ref": "#"}}}, "properties": {"$ref": {"$ref": "#/$defs/a"}}})
