"""What a reply must look like, by the kind that the recipe names, and what is wrong with it when it does not.

A parser is a pure function of the completion. It never throws a reply away: what cannot be used comes back as
a piece with a reason, and the warehouse keeps it.
"""

import importlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple


class Piece(NamedTuple):
    """One sample that was read from a reply or made without one; `reason` says why it cannot be used.

    What is None is decided by the level: its templates, else the slots and the text.
    """

    text: str
    reason: str | None = None
    input: str | None = None
    output: str | None = None
    instruction: str | None = None
    messages: list[dict[str, str]] | None = None  # role and content; a whole conversation to train on
    rejected: str | None = None  # the losing answer of a preference pair; `output` is the winning one
    slots: dict[str, Any] = {}  # further values that levels below see by name
    score: float | None = None  # of a judging level, in the filter's own unit


class Told(NamedTuple):
    """A completion and what was known when it was asked for."""

    text: str
    finish_reason: str | None
    slots: dict[str, Any]
    json_schema: dict[str, Any] | None = None
    prompt: str = ""
    options: dict[str, Any] = {}


LEAKS = 40  # characters of a prompt that no honest reply holds whole

Parser = Callable[[Told], list[Piece]]
PARSERS: dict[str, Parser] = {}
GIVES: dict[str, tuple[str, ...]] = {}
TAKE_OPTIONS: set[str] = set()


def parser(name: str, gives: tuple[str, ...] = (), options: bool = False) -> Callable[[Parser], Parser]:
    """Register a parser: a recipe calls it `reply = "name"`.

    Args:
        name: what recipes call it.
        gives: slots of its pieces.
        options: whether it takes some; it then refuses those that it does not know.
    """

    def registered(function: Parser) -> Parser:
        PARSERS[name] = function
        GIVES[name] = gives
        if options:
            TAKE_OPTIONS.add(name)
        return function

    return registered


@cache
def parsers() -> dict[str, Parser]:
    """All parsers by name: those of every module tasks/*_replies.py, and the plain ones below."""
    for file in sorted(Path(__file__).parent.glob("*_replies.py")):
        importlib.import_module(f"tasks.{file.stem}")
    return PARSERS


@parser("text")
def text(told: Told) -> list[Piece]:
    """The whole reply as one text, which must have come to its end."""
    stripped = told.text.strip()
    if not stripped:
        return [Piece("", "empty reply")]
    if len(told.prompt) >= LEAKS and told.prompt.strip() in stripped:
        return [Piece(stripped, "repeats the prompt")]
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
