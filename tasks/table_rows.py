"""Rows of table files: CSV with a header, and Parquet. Each row is its cells by column name."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.raw_rows import MAX_ROW, Broken, Raw, lines

DELIMITERS = (",", "\t", ";", "|")
# Rows of Parquet decoded at once. A file of 530 KB was seen to hold 5 GB of text, and its footer lied about
# it: what is decoded at once is all that bounds the memory.
PARQUET_ROWS = 64
MAX_BATCH = 256_000_000  # bytes of these rows


def csv_rows(stream: Iterable[bytes], delimiter: str) -> Iterator[Raw]:
    """The rows of a CSV file after its header, numbered from 1; blank lines are no rows.

    Raises:
        Broken: the header cannot be used, or a quote is opened and never closed.
    """
    csv.field_size_limit(MAX_ROW)  # for the whole process; the default of 131,072 refuses long stories
    feed = _Feed(stream)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    header, number = None, 0
    while (cells := _next(reader, feed, number)) is not None:
        if cells and header is None:
            header = _usable(cells, feed)
        elif cells:
            number += 1
            yield _row(number, header, cells, feed)


class _Feed:
    """The lines a CSV reader asks for, remembered until its row is complete."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self.lines = lines(stream)
        self.taken: list[bytes] = []

    def __iter__(self) -> Iterator[str]:
        for raw in self.lines:
            if raw.problem:
                raise Broken(f"line {raw.line} is {raw.problem}; nothing after it was read")
            self.taken.append(raw.content + b"\n")  # type: ignore[operator]
            yield self.taken[-1].decode("utf-8", "surrogateescape")

    def text(self) -> bytes:
        """What the last row was made of."""
        return b"".join(self.taken)


def _next(reader: Iterator[list[str]], feed: _Feed, number: int) -> list[str] | str | None:
    """The cells of the next row, or why there are none; None at the end of the file."""
    feed.taken.clear()
    try:
        return next(reader, None)
    except csv.Error as error:
        reason = str(error)
    if reason.startswith(("unexpected end of data", "field larger")):
        lost = len(feed.taken)
        raise Broken(
            f"row {number + 1} opens a quote that is not closed; {lost:,} line(s) from it were not read"
        )
    return f"invalid CSV: {reason}"


def _usable(header: list[str] | str, feed: _Feed) -> list[str]:
    if isinstance(header, str) or not _is_utf8(feed.text()):
        raise Broken(f"its header cannot be read: {header if isinstance(header, str) else 'invalid UTF-8'}")
    names = [name.strip() for name in header]
    _refuse_repeated(names)
    return names


def _row(number: int, header: list[str] | None, cells: list[str] | str, feed: _Feed) -> Raw:
    if isinstance(cells, str):
        return Raw(number, feed.text(), cells)
    if not _is_utf8(feed.text()):
        return Raw(number, feed.text(), "invalid UTF-8")
    if len(cells) != len(header or []):
        return Raw(number, feed.text(), f"{len(cells)} fields; the header has {len(header or [])}")
    return Raw(number, dict(zip(header or [], cells, strict=True)))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refuse_repeated(names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise Broken(f"has columns of one name: {repeated[:5]}")


def parquet_rows(path: Path) -> Iterator[Raw]:
    """The rows of a Parquet file, numbered from 1.

    Raises:
        Broken: no readable Parquet, two columns of one name, or rows of many megabytes each.
    """
    number = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _refuse_repeated(file.schema_arrow.names)
            for batch in file.iter_batches(PARQUET_ROWS):
                for content, problem in _decoded(batch):
                    number += 1
                    yield Raw(number, content, problem)
    except (pa.ArrowException, OSError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Broken(f"is not readable as Parquet after row {number}: {message}") from error


def _decoded(batch: pa.RecordBatch) -> list[tuple[dict[str, Any], str | None]]:
    if batch.nbytes > MAX_BATCH:
        raise Broken(
            f"{batch.num_rows} rows of it take {batch.nbytes:,} bytes; at most {MAX_BATCH:,} are read"
        )
    try:
        return [(row, None) for row in batch.to_pylist()]
    except UnicodeDecodeError:
        return [_decoded_row(batch.slice(i, 1)) for i in range(batch.num_rows)]


def _decoded_row(one: pa.RecordBatch) -> tuple[dict[str, Any], str | None]:
    try:
        return one.to_pylist()[0], None
    except UnicodeDecodeError:
        return {}, "invalid UTF-8"
