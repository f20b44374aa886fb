"""What a reply must look like, by the kind that the recipe names, and what is wrong with it when it does not.

A parser is a pure function of the completion. It never throws a reply away: what cannot be used comes back as
a piece with a reason, and the warehouse keeps it.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple


class Piece(NamedTuple):
    """One sample that was read from a reply; `reason` says why it cannot be used."""

    text: str
    reason: str | None = None
    input: str | None = None
    output: str | None = None


class Told(NamedTuple):
    """A completion and what was known when it was asked for."""

    text: str
    finish_reason: str | None
    slots: dict[str, Any]
    json_schema: dict[str, Any] | None = None


Parser = Callable[[Told], list[Piece]]
PARSERS: dict[str, Parser] = {}


def parser(name: str) -> Callable[[Parser], Parser]:
    """Register a parser: a recipe calls it `reply = "name"`."""

    def registered(function: Parser) -> Parser:
        PARSERS[name] = function
        return function

    return registered


@parser("text")
def text(told: Told) -> list[Piece]:
    """The whole reply as one text, which must have come to its end."""
    stripped = told.text.strip()
    if not stripped:
        return [Piece("", "empty reply")]
    return [Piece(stripped, "cut by length" if told.finish_reason == "length" else None)]


@parser("sentence")
def sentence(told: Told) -> list[Piece]:
    """One sentence on one line; quotation marks around it are taken off."""
    (piece,) = text(told)
    bare = re.sub(r'^["“](.*)["”]$', r"\1", piece.text, flags=re.S).strip()
    if piece.reason is None and "\n" in bare:
        return [Piece(bare, "more than one line where one sentence was asked for")]
    return [piece._replace(text=bare)]


@parser("flag")
def flag(told: Told) -> list[Piece]:
    """Yes or No; everything but a clear yes counts as no (Self-Instruct, stage 2)."""
    said = told.text.strip().rstrip(".")
    return [Piece("Yes" if said in ("Yes", "yes", "YES") else "No")]
