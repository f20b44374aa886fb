"""JSON that fits a JSON schema, made from a seed: the structured answers of the rehearsal server.

The common subset: object, array, string, number, integer, boolean, null, enum, const, anyOf, oneOf, allOf,
$ref into the same schema, minItems, maxItems, minLength, maxLength, minimum, maximum, exclusive bounds,
multipleOf. Strings are sentences that the caller gives. A keyword that would need more is refused.
"""

import json
import math
import random
from collections.abc import Sequence
from typing import Any

from schemas.errors import BadInput

_REFUSED = ("pattern", "not", "if", "patternProperties", "dependentRequired", "dependentSchemas", "contains")
_DEEP = 6  # below this, lists are as short and objects as small as they may be
_DEEPEST = 40


def example(schema: dict[str, Any], seed: int, sentences: Sequence[str]) -> Any:
    """A value that fits; the same arguments give the same value.

    Raises:
        BadInput: for a keyword outside the subset, a $ref that leads nowhere, an endless schema.
    """
    return _Maker(schema, random.Random(seed), list(sentences) or ["Once upon a time."]).value(schema, 0)


class _Maker:
    def __init__(self, root: dict[str, Any], draw: random.Random, sentences: list[str]) -> None:
        self._root, self._draw, self._sentences = root, draw, sentences

    def value(self, schema: Any, depth: int) -> Any:
        schema = self._plain(schema, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._draw.choice(schema["enum"])
        kind = _kind(schema)
        make = getattr(self, f"_{kind}", None)
        if make is None:
            raise BadInput(
                f"JSON schema: type {kind!r} is none of string, number, integer, boolean, null, ..."
            )
        return make(schema, depth)

    def _plain(self, schema: Any, depth: int) -> dict[str, Any]:
        """The schema without references and choices."""
        if depth > _DEEPEST:
            raise BadInput("JSON schema: it has no finite example")
        if not isinstance(schema, dict):
            return {}  # `true`: anything
        if refused := set(_REFUSED) & set(schema):
            raise BadInput(f"JSON schema: keyword {min(refused)!r} is not supported here")
        if "$ref" in schema:
            return self._plain({**self._found(schema["$ref"]), **_without(schema, "$ref")}, depth + 1)
        word = next((word for word in ("anyOf", "oneOf", "allOf") if word in schema), None)
        if word is None:
            return schema
        parts = schema[word] if word == "allOf" else [self._one_of(schema[word], depth)]
        merged = _without(schema, word)
        for part in parts:
            merged = _merged(merged, self._plain(part, depth + 1))
        return self._plain(merged, depth + 1)

    def _found(self, reference: str) -> dict[str, Any]:
        node: Any = self._root
        try:
            for step in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
                node = node[step.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError) as error:
            raise BadInput(f"JSON schema: $ref {reference!r} leads nowhere in it") from error
        return node if isinstance(node, dict) else {}

    def _one_of(self, options: list[Any], depth: int) -> dict[str, Any]:
        """Any of them; deep down, the first that needs no reference, so that there is an end."""
        if depth < _DEEP:
            return self._draw.choice(options)
        ends = [option for option in options if isinstance(option, dict) and "$ref" not in option]
        return (ends or options)[0]

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", [])
        named = schema.get("properties", {})
        names = [name for name in named if depth < _DEEP or name in required]
        names += [name for name in required if name not in named]
        return {name: self.value(named.get(name, {"type": "string"}), depth + 1) for name in names}

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        least = schema.get("minItems", 0 if depth >= _DEEP else 1)
        most = schema.get("maxItems", least if depth >= _DEEP else max(least, 3))
        first = [self.value(each, depth + 1) for each in schema.get("prefixItems", [])]
        wanted = self._draw.randint(min(least, most), most)
        rest = schema.get("items", {"type": "string"})
        if not schema.get("uniqueItems"):
            return first + [self.value(rest, depth + 1) for _ in range(wanted - len(first))]
        return self._distinct(rest, depth, least, wanted)

    def _distinct(self, items: Any, depth: int, least: int, wanted: int) -> list[Any]:
        found: dict[str, Any] = {}
        for _ in range(50 * wanted):
            if len(found) < wanted:
                value = self.value(items, depth + 1)
                found[json.dumps(value, sort_keys=True)] = value
        if len(found) < least:
            raise BadInput(f"JSON schema: found only {len(found)} different items of minItems {least}")
        return list(found.values())

    def _string(self, schema: dict[str, Any], depth: int) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength", 10_000)
        start = self._draw.randrange(len(self._sentences))
        text = " ".join(self._sentences[start : start + self._draw.randint(1, 3)])
        while len(text) < least:
            text += " " + self._draw.choice(self._sentences) + "."
        return text[:most]

    def _integer(self, schema: dict[str, Any], depth: int) -> int:
        low, high = _bounds(schema, 0, 100)
        step = schema.get("multipleOf", 1)
        first, last = math.ceil(low / step), math.floor(high / step)
        if "exclusiveMinimum" in schema and first * step == low:
            first += 1
        if "exclusiveMaximum" in schema and last * step == high:
            last -= 1
        if first > last:
            raise BadInput(f"JSON schema: no number between {low:g} and {high:g}")
        value = self._draw.randint(first, last) * step
        return int(value) if schema.get("type") == "integer" or value == int(value) else value

    def _number(self, schema: dict[str, Any], depth: int) -> float:
        if "multipleOf" in schema:
            return self._integer(schema, depth)
        low, high = _bounds(schema, 0.0, 1.0)
        if low == high:
            return low
        return low + (high - low) * self._draw.randint(1, 999) / 1000

    def _boolean(self, schema: dict[str, Any], depth: int) -> bool:
        return self._draw.random() < 0.5

    def _null(self, schema: dict[str, Any], depth: int) -> None:
        return None


def _kind(schema: dict[str, Any]) -> str:
    """The type; of several, the first that is not null; without one, what the other keywords are for."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if kind is not None:
        return str(kind)
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _bounds(schema: dict[str, Any], low: float, high: float) -> tuple[float, float]:
    """The range of a number; a bound that is missing lies as far off as in the default range."""
    span = high - low
    below = [schema[name] for name in ("minimum", "exclusiveMinimum") if name in schema]
    above = [schema[name] for name in ("maximum", "exclusiveMaximum") if name in schema]
    if below:
        low = max(below)
        high = low + span
    if above:
        high = min(above)
        low = low if below else high - span
    if low > high:
        raise BadInput(f"JSON schema: no number between {low:g} and {high:g}")
    return low, high


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Both schemas at once: properties and required names of both, else the second's word counts."""
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        both["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        both["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return both


def _without(schema: dict[str, Any], word: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != word}
