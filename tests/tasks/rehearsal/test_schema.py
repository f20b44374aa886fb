import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks.rehearsal.schema import example

SENTENCES = ["The cat ran.", "A dog sat down on the mat.", "It rained."]
SCHEMAS = [
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]},
    {"type": "array", "items": {"enum": ["x", 1, None]}, "minItems": 5},
    {"type": "array", "items": {"type": "boolean"}, "maxItems": 0},
    {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 4},
        "uniqueItems": True,
        "minItems": 3,
    },
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "items": False, "maxItems": 2},
    {"type": "string", "minLength": 200},
    {"type": "string", "maxLength": 3},
    {"type": "number", "minimum": 4.5, "exclusiveMaximum": 4.75},
    {"type": "number", "multipleOf": 0.5, "minimum": 3},
    {"type": "integer", "exclusiveMinimum": 3, "maximum": 4},
    {"type": "integer", "multipleOf": 7, "minimum": 50},
    {"type": "integer", "maximum": -5},
    {"type": ["null", "string"]},
    {"const": {"deep": [1, 2]}},
    {"properties": {"free": True}},
    {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    {"oneOf": [{"$ref": "#/$defs/leaf"}, {"type": "null"}], "$defs": {"leaf": {"type": "boolean"}}},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ]
    },
    {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    "all": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["name", "left", "all"],
                "additionalProperties": False,
            }
        },
    },
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
@given(seed=st.integers(0, 2**63 - 1))
def test_an_example_fits_its_schema_and_depends_on_the_seed_alone(schema, seed):
    value = example(schema, seed, SENTENCES)
    jsonschema.Draft202012Validator(schema).validate(value)
    assert example(schema, seed, SENTENCES) == value


def test_other_seeds_give_other_examples_of_the_given_sentences():
    schema = {"type": "string"}
    found = {example(schema, seed, SENTENCES) for seed in range(50)}
    assert len(found) > 3
    assert all(text.startswith(tuple(SENTENCES)) for text in found)
    assert example(schema, 1, [])


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string", "pattern": "a+"}, "'pattern' is not supported"),
        ({"type": "banana"}, "'banana'"),
        ({"$ref": "#/$defs/gone"}, "'#/\\$defs/gone' leads nowhere"),
        ({"$ref": "#"}, "no finite example"),
        ({"type": "integer", "minimum": 5, "maximum": 4}, "no number between 5 and 4"),
        ({"type": "array", "items": {"const": 1}, "uniqueItems": True, "minItems": 2}, "only 1 different"),
    ],
)
def test_what_cannot_be_made_is_refused_by_name(schema, said):
    with pytest.raises(BadInput, match=said):
        example(schema, 0, SENTENCES)
