"""Rows of somebody's files as records: each is understood or refused with its reason; none passed over."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tasks.file_formats import raw_rows
from tasks.json_rows import Unreadable, parse_object, refuse_unstorable
from tasks.raw_rows import Raw
from tasks.record_shapes import Content, content_of

SHOWN = 500  # characters of a reject


class Record(NamedTuple):
    """One row that could be read."""

    origin: str
    line: int
    fields: dict[str, Any]
    content: Content


class Bad(NamedTuple):
    """One row that could not, or a file (line 0)."""

    origin: str
    line: int
    reason: str
    content: str  # its first characters


def read(paths: Iterable[Path]) -> Iterator[Record | Bad]:
    """Every row of the files in their order, read or refused; none is passed over."""
    return (understood(origin, raw) for origin, raw in raws(paths))


def raws(paths: Iterable[Path]) -> Iterator[tuple[str, Raw]]:
    """Every row of the files in their order, unparsed, with the file it is from."""
    return ((str(path), raw) for path in paths for raw in raw_rows(path))


def understood(origin: str, raw: Raw) -> Record | Bad:
    """A row as a record, or why it is none."""
    try:
        if raw.problem:
            raise Unreadable(raw.problem)
        fields = parse_object(raw.content) if isinstance(raw.content, bytes) else raw.content
        refuse_unstorable(fields)
        return Record(origin, raw.line, fields, content_of(fields))
    except Unreadable as error:
        return Bad(origin, raw.line, str(error), _beginning(raw.content))


def _beginning(content: bytes | dict[str, Any]) -> str:
    if isinstance(content, bytes):
        text = content[: 4 * SHOWN].decode("utf-8", "replace")
    else:
        text = json.dumps({key: str(value)[:SHOWN] for key, value in content.items()}, ensure_ascii=False)
        text = text.encode("utf-8", "replace").decode()
    return text[:SHOWN].replace("\0", "\N{SYMBOL FOR NULL}")
