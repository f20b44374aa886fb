"""Which format a file has, by its content and checked against its name, and its rows.

JSONL, JSON (an array, or objects one after another), CSV, Parquet, and plain text with documents separated
by <|endoftext|>; all but Parquet also as gzip. JSON and JSONL stand in for each other, since many hubs name
either .json; any other disagreement between name and content is an error that says what was found.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from tasks.json_rows import json_lines, json_values
from tasks.raw_rows import CHUNK, Broken, Raw, chunks, documents
from tasks.record_shapes import KNOWN_FIELDS
from tasks.table_rows import DELIMITERS, csv_rows, parquet_rows

FORMATS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv",
    ".parquet": "parquet", ".txt": "text",
}  # fmt: skip
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MAX_CONTROL = 0.05  # share of control bytes in text; random bytes have 0.11, Parquet and archives more


def raw_rows(path: Path) -> Iterator[Raw]:
    """The rows of one file in their order; last, where it could not be read on, one of line 0 that says why.

    A file without any row has that one, too: nothing that was named is passed over silently.
    """
    head = b""
    row = None
    try:
        stream = chunks(path)
        head = next(stream, b"")
        for row in _rows(path, head, chain([head], stream)):
            yield row
        if row is None:
            yield Raw(0, head, "holds no rows" if head else "is empty")
    except Broken as error:
        yield Raw(0, head, str(error))


def _rows(path: Path, head: bytes, stream: Iterable[bytes]) -> Iterator[Raw]:
    match file_format(path, head):
        case "parquet":
            return parquet_rows(path)
        case "csv":
            return csv_rows(stream, delimiter(head))
        case "jsonl":
            return json_lines(stream)
        case "text":
            return documents(stream)
        case layout:
            return json_values(stream, array=layout == "array")


def named_format(path: Path) -> str | None:
    """The format that a name promises: jsonl, json, csv, parquet, text; None for any other name."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return FORMATS.get(suffixes[-1]) if suffixes else None


def file_format(path: Path, head: bytes) -> str:
    """The format of a file from its name and its first bytes: jsonl, array, values, csv, parquet or text.

    Raises:
        Broken: the content is not what the name says, or neither tells.
    """
    named = named_format(path)
    if head[:4] == b"PAR1" or named == "parquet":
        return _parquet(path, named, head)
    _refuse_binary(head)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if named == "text" or not text:
        return "text"
    found = _json_layout(text, named)
    if found is None:
        return _table(named, text)
    if named == "csv":
        raise Broken(f"is named {path.suffix} but holds JSON")
    return found


def _parquet(path: Path, named: str | None, head: bytes) -> str:
    if head[:4] != b"PAR1":
        raise Broken(f"is named {path.suffix} but is not Parquet; it begins with {_shown(head)}")
    if named not in ("parquet", None) or path.suffix == ".gz":
        raise Broken(f"is named {path.suffix} but holds Parquet")
    return "parquet"


def _refuse_binary(head: bytes) -> None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Broken("is UTF-16; save it as UTF-8")
    start = head[:4096]
    if len(_CONTROL.findall(start)) > _MAX_CONTROL * len(start):
        raise Broken(f"holds binary data, not text; it begins with {_shown(head)}")


def _json_layout(text: bytes, named: str | None) -> str | None:
    """jsonl, array, values (objects one after another), or None for what does not begin as JSON."""
    whole = [line for line in text[:CHUNK].splitlines() if line.strip()]
    if named == "jsonl":
        if text[:1] == b"[" and (len(whole) == 1 or not _is_json(whole[0])):
            return "array"
        return "jsonl" if any(line.lstrip()[:1] == b"{" for line in whole) else None
    if text[:1] == b"[":
        return "array"
    if text[:1] != b"{":
        return None
    return "jsonl" if any(_is_json(line) for line in whole[:20]) else "values"


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _table(named: str | None, text: bytes) -> str:
    """csv, when the name says so or the header has a known column."""
    if named == "csv" or (named is None and KNOWN_FIELDS & set(_header(text, delimiter(text)))):
        return "csv"
    if named is None:
        raise Broken(f"has no known format; known: {', '.join(FORMATS)}, each but .parquet also with .gz")
    raise Broken(f"is named .{named} but holds no JSON; it begins with {_shown(text)}")


def delimiter(head: bytes) -> str:
    """The delimiter that makes most known columns of the header, then most columns; else a comma."""

    def columns(mark: str) -> tuple[int, int]:
        names = _header(head, mark)
        return len(KNOWN_FIELDS & set(names)), len(names)

    return max(DELIMITERS, key=columns)


def _header(head: bytes, mark: str) -> list[str]:
    first = next((line for line in head.splitlines() if line.strip()), b"")
    text = first.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    try:
        return [name.strip() for name in next(csv.reader([text], delimiter=mark), [])]
    except csv.Error:
        return []


def _shown(head: bytes) -> str:
    return repr(head[:24].decode("utf-8", "replace"))
