"""Rows of JSON files: one object per line, an array, or objects one after another over several lines.

The standard library reads an array only whole. Here its elements are cut out by their brackets and quotes,
and each is parsed on its own, so that one bad element costs one row and memory holds one element.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tasks.raw_rows import MAX_ROW, Broken, Raw, lines, unmarked

MAX_DEPTH = 64  # levels of nesting; no known shape of a training row has more than five
MAX_FIELD = 10_000_000  # bytes of one string; a novel has one million
_BLANK = re.compile(rb"[\s,]*")
# A string, closed or running to the end of what was read so far; or a bracket.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\(?:.|\Z))*+(?:"|\Z)|[\[\]{}]', re.S)
_SCALAR = re.compile(rb"[^\s,\[\]{}]+|[\]}]")


class Unreadable(ValueError):
    """Why a row cannot be a sample; the message is a reason for a person."""


def json_lines(stream: Iterable[bytes]) -> Iterator[Raw]:
    """The lines of a JSONL file that are not blank, under their line number."""
    return (raw for raw in lines(stream) if raw.content.strip())  # type: ignore[union-attr]


def json_values(stream: Iterable[bytes], array: bool) -> Iterator[Raw]:
    """The elements of an array, or values that follow one another, numbered from 1.

    Raises:
        Broken: the array or one of its elements is never closed, or something follows the array.
    """
    text, number = _Window(unmarked(stream)), 0
    if array:
        text.skip_blank()
        text.take(1)
    while text.skip_blank() and not (array and text.at(b"]")):
        number += 1
        yield Raw(number, text.take(_length(text, number)))
    if array and not text.take(1):
        raise Broken(f"is cut off: the array is not closed after row {number}")
    if text.skip_blank():
        raise Broken(f"goes on after the end of the array, row {number}: {text.take(40)!r}")


class _Window:
    """What was read of a stream and not yet taken."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self.stream = stream
        self.held = b""
        self.start = 0

    def more(self) -> bool:
        """Read on; false at the end of the stream. Offsets count from `start`, which becomes 0."""
        for chunk in filter(None, self.stream):
            self.held = self.held[self.start :] + chunk
            self.start = 0
            return True
        return False

    def skip_blank(self) -> bool:
        """Pass over white space and commas; false when nothing follows."""
        while True:
            self.start = _BLANK.match(self.held, self.start).end()  # type: ignore[union-attr]
            if self.start < len(self.held):
                return True
            if not self.more():
                return False

    def at(self, mark: bytes) -> bool:
        """Whether the next byte is the mark."""
        return self.held.startswith(mark, self.start)

    def take(self, length: int) -> bytes:
        """The next bytes, at most `length`."""
        taken = self.held[self.start : self.start + length]
        self.start += len(taken)
        return taken


def _length(text: _Window, number: int) -> int:
    """Bytes of the value that begins here, found by its brackets and quotes alone."""
    done, depth = 0, 0  # bytes that were scanned, brackets that are open there
    while True:
        done, depth, closed = _scan(text, done, depth)
        if closed:
            return done
        if len(text.held) - text.start > MAX_ROW:
            raise Broken(
                f"row {number} is never closed, or longer than {MAX_ROW:,} bytes; nothing after it was read"
            )
        if not text.more():
            if depth == 0 and not text.at(b'"'):
                return len(text.held) - text.start
            raise Broken(f"is cut off in row {number}")


def _scan(text: _Window, done: int, depth: int) -> tuple[int, int, bool]:
    """Scan on from `done`; how far it went, what is open there, whether the value ended there."""
    if not (depth or text.at(b"{") or text.at(b"[") or text.at(b'"')):
        end = _SCALAR.match(text.held, text.start).end()  # type: ignore[union-attr]
        return end - text.start, 0, end < len(text.held)
    for token in _TOKEN.finditer(text.held, text.start + done):
        mark = token[0]
        if mark[:1] == b'"':
            if token.end() == len(text.held) and not _is_closed(mark):
                return token.start() - text.start, depth, False
        else:
            depth += 1 if mark in b"[{" else -1
        done = token.end() - text.start
        if depth == 0:
            return done, 0, True
    return done, depth, False


def _is_closed(string: bytes) -> bool:
    return re.fullmatch(rb'"(?:[^"\\]++|\\.)*+"', string, re.S) is not None


def parse_object(text: bytes) -> dict[str, Any]:
    """One JSON object, strictly.

    Raises:
        Unreadable: invalid UTF-8 or JSON, NaN, a repeated key, a number of thousands of digits, nested too
            deep, not an object.
    """
    try:
        value = json.loads(text.decode(), object_pairs_hook=_unrepeated, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise Unreadable(f"invalid UTF-8 at byte {error.start + 1}") from error
    except json.JSONDecodeError as error:
        raise Unreadable(f"invalid JSON at character {error.pos + 1}: {error.msg}") from error
    except RecursionError as error:
        raise Unreadable(f"nested deeper than {MAX_DEPTH} levels") from error
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable("invalid JSON: a number of more than 4,300 digits") from error
    if not isinstance(value, dict):
        raise Unreadable(f"a JSON {json_type(value)}, not an object")
    return value


def refuse_unstorable(row: dict[str, Any]) -> None:
    """Refuse what a store or a trainer would trip over later, whichever format the row came from.

    Raises:
        Unreadable: a NUL, a lone surrogate, a string over MAX_FIELD bytes, more than MAX_DEPTH levels.
    """
    for key, value in row.items():
        if problem := _problem(key, 1) or _problem(value, 1):
            raise Unreadable(f"{key[:40].encode(errors='backslashreplace').decode()}: {problem}")


def _problem(value: Any, depth: int) -> str | None:
    if isinstance(value, str):
        return _string_problem(value)
    if not isinstance(value, dict | list | tuple):
        return None
    if depth >= MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    return next(filter(None, (_problem(part, depth + 1) for part in parts)), None)


def _string_problem(text: str) -> str | None:
    if "\0" in text:
        return "a NUL character"
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        return "a lone surrogate, half of a character"
    return f"{size:,} bytes; at most {MAX_FIELD:,} are read" if size > MAX_FIELD else None


def json_type(value: Any) -> str:
    """The name of a value's type as JSON has it."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unreadable(f"key {twice!r} twice in one object")
    return row


def _no_constant(name: str) -> float:
    raise Unreadable(f"invalid JSON: {name} is no number")
