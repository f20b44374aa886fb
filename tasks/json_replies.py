"""Structured replies: JSON that fits the schema of the level."""

import json
from typing import Any

from tasks.calls.structured import read_json
from tasks.replies import Piece, Told, parser


@parser("json")
def structured(told: Told) -> list[Piece]:
    """The elements of an array, else the one value; what does not fit the schema is kept with the reason."""
    value, problem = read_json(told.text, told.json_schema or {})
    if problem is not None:
        return [Piece(told.text.strip(), f"no such JSON: {problem}")]
    return [_piece(each) for each in (value if isinstance(value, list) else [value])]


def _piece(value: Any) -> Piece:
    """An object says its own text, input and output; anything else is its JSON."""
    fields = value if isinstance(value, dict) else {}
    text = fields.get("text")
    if not isinstance(text, str):
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    told = {name: said for name in ("input", "output") if isinstance(said := fields.get(name), str)}
    return Piece(text.strip(), None if text.strip() else "empty text", **told)
