"""Somebody's labelled texts: rows of (text, label) from JSONL, JSON, CSV or Parquet, and their halves.

Labels are compared in one form: NFC, white space collapsed, lower case; numbers as they are written. A row
without a text or a label is refused with its reason. The half of a row follows from its text alone, so the
same text never stands in both halves, and rows that are added move no others.
"""

import unicodedata
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from schemas.errors import BadInput
from schemas.ids import digest
from tasks.file_formats import raw_rows
from tasks.json_rows import Unreadable, json_type, parse_object, refuse_unstorable
from tasks.raw_rows import Raw

ROWS = {"key": pl.String, "text": pl.String, "label": pl.String}
REJECTS = {"origin": pl.String, "line": pl.Int64, "reason": pl.String, "content": pl.String}
SHOWN = 500  # characters of a reject


class LabelledFiles(NamedTuple):
    """What was read: `rows` key, text, label, sorted by them; `rejects` origin, line, reason, content."""

    rows: pl.DataFrame
    rejects: pl.DataFrame


class Unlabelled(Unreadable):
    """A row that could be read but lacks a column; `columns` are those that it has."""

    def __init__(self, column: str, columns: list[str]) -> None:
        super().__init__(f"has no column {column!r}")
        self.column, self.columns = column, columns


def normal(text: str) -> str:
    """The form in which texts and labels are compared: NFC, single spaces, lower case."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def key_of(text: str) -> str:
    """The same for texts that differ in white space or case only."""
    return digest("labelled text", normal(text))


def read_labelled(paths: list[Path], text: str, label: str) -> LabelledFiles:
    """The rows of files, each with a text and a label, and those that were refused.

    Args:
        paths: JSONL, JSON, CSV or Parquet, all but the last also as gzip.
        text: column of the texts.
        label: column of the labels: strings, whole numbers or booleans.

    Raises:
        BadInput: no row of a file has one of the columns, or no row at all could be used.
    """
    rows: list[dict[str, str]] = []
    rejects: list[dict[str, Any]] = []
    for path in paths:
        used, refused = _read(path, text, label)
        rows += used
        rejects += refused
    if not rows:
        first = rejects[0]
        raise BadInput(f"no labelled row in {first['origin']}: line {first['line']} {first['reason']}")
    return LabelledFiles(
        pl.DataFrame(rows, schema=ROWS).sort("key", "label", "text"), pl.DataFrame(rejects, schema=REJECTS)
    )


def halves(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(train, test): about half of the rows each, chosen by the hash of the text."""
    first = pl.Series([int(digest("half", key), 16) % 2 == 0 for key in rows["key"]], dtype=pl.Boolean)
    return rows.filter(first), rows.filter(~first)


def parse_map(pairs: list[str]) -> dict[str, str]:
    """`["pos=positive"]` as {"pos": "positive"}, both in the form in which labels are compared.

    Raises:
        BadInput: a pair without `=`, with an empty side, or two for one label.
    """
    told: dict[str, str] = {}
    for pair in pairs:
        ours, _, theirs = map(normal, pair.rpartition("="))
        if not ours or not theirs:
            raise BadInput(f"--map {pair!r}: write DATA=RELEASE, as pos=positive")
        if told.setdefault(ours, theirs) != theirs:
            raise BadInput(f"--map names {ours!r} twice: {told[ours]!r} and {theirs!r}")
    return told


def renamed(rows: pl.DataFrame, told: dict[str, str]) -> pl.DataFrame:
    """The rows with each label replaced by what the map says of it."""
    return rows.with_columns(pl.col("label").replace(told)).sort("key", "label", "text")


def _read(path: Path, text: str, label: str) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    rows: list[dict[str, str]] = []
    rejects: list[dict[str, Any]] = []
    lacking: list[Unlabelled] = []
    for raw in raw_rows(path):
        try:
            rows.append(_row(raw, text, label))
        except Unreadable as error:
            if isinstance(error, Unlabelled):
                lacking.append(error)
            row = {"origin": str(path), "line": raw.line, "reason": str(error), "content": _shown(raw)}
            rejects.append(row)
    if not rows and lacking:
        raise BadInput(
            f"no row of {path} has a column {lacking[0].column!r}; its columns: {lacking[0].columns[:20]}"
        )
    return rows, rejects


def _row(raw: Raw, text: str, label: str) -> dict[str, str]:
    if raw.problem:
        raise Unreadable(raw.problem)
    fields = parse_object(raw.content) if isinstance(raw.content, bytes) else raw.content
    for column in (text, label):
        if column not in fields:
            raise Unlabelled(column, sorted(fields))
    refuse_unstorable({column: fields[column] for column in (text, label)})
    body, name = fields[text], _label(fields[label])
    if not isinstance(body, str) or not body.strip():
        raise Unreadable(f"{text}: {'blank' if isinstance(body, str) else json_type(body)}, not a text")
    if not name:
        raise Unreadable(f"{label}: {json_type(fields[label])} {fields[label]!r:.40}, not a label")
    return {"key": key_of(body), "text": body, "label": name}


def _label(value: Any) -> str:
    """The label in its one form; "" when it is none. A float is one when it is whole, as Parquet has them."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else ""
    return normal(str(value)) if isinstance(value, str | int) else ""


def _shown(raw: Raw) -> str:
    content = raw.content.decode("utf-8", "replace") if isinstance(raw.content, bytes) else str(raw.content)
    return content[:SHOWN].encode("utf-8", "replace").decode().replace("\0", "\N{SYMBOL FOR NULL}")
