"""Replies that must be JSON of a given schema, for endpoints that promise it and for those that cannot.

JSON Schema, draft 2020-12 (Wright et al. 2022). What a model says is never trusted: whatever the endpoint
promised, the reply is read and validated here. Time is linear in the length of a reply; a reply can spoil
nothing but itself. References are looked up inside the schema only; nothing is ever fetched.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from schemas.errors import BadInput
from schemas.tables import Message
from tasks.calls.json_in_prose import Unfit, values_in

LONGEST = 300  # characters of a problem: one line of a log, a few tokens of a repair
ECHO = 8000  # characters of a spoilt reply that are sent back: a model that ran wild is not paid for twice
ERRORS = 100  # of one value that are compared to find the one to tell
# What OpenAI's strict mode knows; with any other keyword it refuses the request.
STRICT = {
    "$defs", "$ref", "additionalProperties", "anyOf", "const", "definitions", "description", "enum",
    "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maximum", "minItems", "minimum",
    "multipleOf", "pattern", "properties", "required", "title", "type",
}  # fmt: skip
DATA = {"const", "enum", "default", "examples"}  # below them is data, not schema


class Structured(NamedTuple):
    """The value of a reply, or what is wrong with it; a value of None without a problem is JSON's null."""

    value: Any | None
    problem: str | None


def read_json(text: str, schema: dict[str, Any]) -> Structured:
    """The JSON value in a reply: the whole text, what is fenced, or the first fitting one amid prose.

    Trailing commas, a byte order mark and a leading block of thoughts are forgiven. A problem is one line of
    at most 300 characters: where, what was found, what was expected.

    Raises:
        BadInput: for a schema that points at what is not in it; see `check_schema`.
    """
    validator = _validator(schema)
    problems = {0: "the reply holds no JSON object or array"}  # by size of what they are about
    try:
        for offer in values_in(text):
            problem = _problem(validator, offer.value)
            if problem is None:
                return Structured(offer.value, None)
            problems[offer.n_chars] = problem
    except Unfit as error:
        problems[error.n_chars] = _line(str(error), LONGEST)
    return Structured(None, problems[max(problems)])  # a citation [1] is not what was meant


def in_words(schema: dict[str, Any]) -> str:
    """What to say after a question where an endpoint cannot be told the schema otherwise."""
    # Keys stay in their order: a model answers in the order in which the properties are named.
    written = json.dumps(schema, ensure_ascii=False)
    return (
        "Answer with one JSON value and nothing else: no prose around it, no code fence. "
        f"It must be valid under this JSON Schema:\n{written}"
    )


def ask_again(messages: list[Message], said: str, problem: str) -> list[Message]:
    """The conversation that asks to repair a reply: what was asked, what was said, what is wrong with it."""
    echo = said if len(said) <= ECHO else said[:ECHO] + " [...]"
    wish = (
        f"This reply cannot be used: {problem}\n"
        "Answer again with the corrected JSON value and nothing else: no prose around it, no code fence."
    )
    return [
        *messages,
        Message(role="assistant", content=echo or "(nothing)"),  # many servers refuse an empty turn
        Message(role="user", content=wish),
    ]


def response_format(schema: dict[str, Any], name: str = "reply") -> dict[str, Any]:
    """The parameter `response_format` of the OpenAI API; strict where the schema is as strict asks for.

    Raises:
        BadInput: for a name that the API does not take.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise BadInput(f"{name!r} cannot name a schema; known: 1 to 64 ASCII letters, digits, _ and -")
    strict = schema.get("type") == "object" and "anyOf" not in schema and _is_strict(schema)
    return {"type": "json_schema", "json_schema": {"name": name, "strict": strict, "schema": schema}}


def check_schema(schema: Any) -> None:
    """Refuse what is no JSON Schema of draft 2020-12 that stands alone.

    Raises:
        BadInput: names the place and what is wrong there.
    """
    try:
        json.dumps(schema, allow_nan=False).encode()
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        said = f"{_line(error.json_path, 100)}: {_line(error.message, 150)}"
        raise BadInput(f"no JSON Schema (draft 2020-12), at {said}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise BadInput(f"no JSON Schema (draft 2020-12): {_line(str(error), 150)}") from error
    if not isinstance(schema, dict):
        raise BadInput(f"no JSON Schema (draft 2020-12), at $: {schema!r} is no object")
    named = schema.get("$schema")
    if named is not None and named.rstrip("#") != Draft202012Validator.META_SCHEMA["$id"]:
        known = Draft202012Validator.META_SCHEMA["$id"]
        raise BadInput(f"a schema of another draft, at $['$schema']: {named!r}; known: {known!r}, or none")
    _refuse_dangling(schema)


def _refuse_dangling(schema: dict[str, Any]) -> None:
    """Refuse references to what is not in the schema."""
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    for place, target in _references(schema, "$"):
        if not target.startswith("#"):
            raise BadInput(f"at {place}: {target!r} lies outside of the schema; known: '#/...' within it")
        try:
            resolver.lookup(target)
        except Unresolvable as error:
            raise BadInput(f"at {place}: {target!r} points at nothing in the schema") from error


def _references(schema: Any, place: str) -> Iterator[tuple[str, str]]:
    """Where a schema refers to a schema, and to which."""
    if isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from _references(each, f"{place}[{number}]")
    elif isinstance(schema, dict):
        for key, below in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(below, str):
                yield f"{place}.{key}", below
            elif key not in DATA:
                yield from _references(below, f"{place}.{key}")


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema, registry=Registry())  # the default registry would fetch


def _problem(validator: Draft202012Validator, value: Any) -> str | None:
    """What is wrong with a value in one line; None when it fits."""
    try:
        error = best_match(islice(validator.iter_errors(value), ERRORS))
    except Unresolvable as missing:
        raise BadInput(f"the schema points at {missing.ref!r}, which is not in it") from missing
    except (RecursionError, ArithmeticError) as trouble:
        return f"at $: the value cannot be compared with the schema ({type(trouble).__name__})"
    return None if error is None else _told(error)


def _told(error: ValidationError) -> str:
    rule = f"{error.validator} {_dumped(error.validator_value)}" if error.validator else "nothing here"
    place, found = _line(error.json_path, 80), _line(_dumped(error.instance), 80)
    what = f"at {place}: found {found}, expected {_line(rule, 90)}"
    about_keys = error.validator in ("required", "additionalProperties", "unevaluatedProperties")
    return _line(f"{what} ({error.message})" if about_keys else what, LONGEST)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _line(text: str, most: int) -> str:
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else line[: most - 3] + "..."


def _is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes a schema: every object closed, every property required."""
    if not isinstance(schema, dict) or not set(schema) <= STRICT:
        return False
    if not set(schema) & {"type", "anyOf", "$ref", "enum", "const"}:
        return False
    types = schema.get("type")
    is_object = "properties" in schema or types == "object" or (isinstance(types, list) and "object" in types)
    if is_object and not _is_closed(schema):
        return False
    below = [each for key in ("properties", "$defs", "definitions") for each in schema.get(key, {}).values()]
    below += schema.get("anyOf", []) + ([schema["items"]] if "items" in schema else [])
    return all(map(_is_strict, below))


def _is_closed(schema: dict[str, Any]) -> bool:
    named = set(schema.get("properties", {}))
    return schema.get("additionalProperties") is False and named == set(schema.get("required", []))
