"""On which line of a recipe's TOML something stands: parsers of TOML keep no places."""

import re
from typing import Any

_HEADER = re.compile(r"^\s*(\[\[?)\s*([\w.\"'-]+)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*([\w.\"'-]+)\s*=")


def line_of(text: str, place: tuple[Any, ...]) -> int | None:
    """The line, from 1, of the innermost part of a place that the text has; None when it has none.

    A place is as pydantic tells it: names, and numbers of list elements from 0.
    """
    wanted = tuple(map(str, place))
    best: tuple[int, int] | None = None
    for line, here in _places(text):
        if here == wanted[: len(here)] and (best is None or len(here) > best[0]):
            best = len(here), line
    return best[1] if best else None


def line_of_level(text: str, why: str) -> int | None:
    """The line that gives a level the name that a sentence speaks of first; of two such levels the last."""
    named = re.search(r"levels? (?:are named )?'(\w+)'", why)
    wanted = rf"""^\s*name\s*=\s*["']{named[1]}["']""" if named else r"$^"
    lines = [number for number, line in enumerate(text.splitlines(), 1) if re.match(wanted, line)]
    return lines[-1] if lines else None


def _places(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """Each header and key with its line and its full place."""
    found: list[tuple[int, tuple[str, ...]]] = []
    table: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    inside = ""  # the quotes of a string of several lines
    for number, line in enumerate(text.splitlines(), 1):
        if not inside and (hit := _HEADER.match(line)):
            table = _table(_parts(hit[2]), hit[1] == "[[", counts)
            found.append((number, table))
        elif not inside and (hit := _KEY.match(line)):
            found.append((number, table + _parts(hit[1])))
        inside = _quotes(line, inside)
    return found


def _table(names: tuple[str, ...], element: bool, counts: dict[str, int]) -> tuple[str, ...]:
    """The place of a table: one inside a list of tables belongs to the last element."""
    name = names[0]
    if element and len(names) == 1:
        counts[name] = counts.get(name, -1) + 1
    return (name, str(counts[name]), *names[1:]) if name in counts else names


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in key.split("."))


def _quotes(line: str, inside: str) -> str:
    """Whether the next line is inside of a string of several lines, and which quotes end it."""
    for mark in ('"""', "'''"):
        if inside in ("", mark) and line.count(mark) % 2:
            return "" if inside else mark
    return inside
