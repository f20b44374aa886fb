"""Rows as they lie in somebody's file, cut out of its bytes but not yet understood.

Everything streams: memory is bounded by one chunk and one row, whatever the size of the file. A file is read
to its end or to the first place after which nothing can be trusted; that place is an error of its own.
"""

import gzip
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

CHUNK = 1 << 20  # bytes read at once
HEAD = 4_000  # bytes kept of what is too long, enough for the 500 characters of a reject
MAX_ROW = 32_000_000  # bytes of one row: three fields at their limit; a longer one is passed over unread
SEPARATOR = b"<|endoftext|>"  # between the documents of a text file, as in TinyStories
# A gzip of text shrinks 3 to 20 times. Beyond 200 times, and past the first 256 MB, it is a bomb.
MAX_RATIO, RATIO_FLOOR = 200, 256_000_000


class Raw(NamedTuple):
    """One row. `line` is from 1, 0 for the file as a whole; `problem` says why it could not be cut out."""

    line: int
    content: bytes | dict[str, Any]  # JSON text, or the cells of a table row by column
    problem: str | None = None


class Broken(Exception):
    """Why a file cannot be read from here on; the message is a reason for a person."""


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked when it is gzip.

    Raises:
        Broken: the file cannot be opened, or its gzip stream is damaged, cut off or a bomb.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not packed and path.suffix == ".gz" and file.read(1):
                raise Broken("is named .gz but is not gzip")
            file.seek(0)
            yield from _unpacked(file) if packed else iter(lambda: file.read(CHUNK), b"")
    except EOFError as error:
        raise Broken("its gzip stream is cut off") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Broken(f"its gzip stream is damaged: {error}") from error
    except OSError as error:
        raise Broken(f"cannot be read: {error.strerror}") from error


def _unpacked(file: Any) -> Iterator[bytes]:
    total = 0
    stream = gzip.GzipFile(fileobj=file)
    while chunk := stream.read1(CHUNK):
        total += len(chunk)
        if total > max(RATIO_FLOOR, MAX_RATIO * file.tell()):
            raise Broken(f"unpacks to more than {MAX_RATIO} times its size: a gzip bomb")
        yield chunk


def lines(stream: Iterable[bytes], end: bytes = b"\n") -> Iterator[Raw]:
    """The lines of a stream, numbered from 1, without end and byte order mark; blank ones too.

    Of a line longer than MAX_ROW only the beginning is kept, and its problem says so.
    """
    number, held, over = 1, b"", b""
    for chunk in unmarked(stream):
        *ended, held = (held + chunk).split(end)
        for part in ended:
            yield _line(number, part, over)
            number, over = number + 1, b""
        if len(held) > MAX_ROW:
            over = over or held[:HEAD]
            held = held[len(held) - len(end) + 1 :]  # what may be the beginning of an end mark
    if held or over:
        yield _line(number, held, over)


def _line(number: int, part: bytes, over: bytes) -> Raw:
    if over or len(part) > MAX_ROW:
        return Raw(number, over or part[:HEAD], f"longer than {MAX_ROW:,} bytes")
    return Raw(number, part)


def unmarked(stream: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes without the byte order mark of UTF-8."""
    rest, start = iter(stream), b""
    for chunk in rest:
        start += chunk
        if len(start) >= len(BOM_UTF8):
            break
    yield start.removeprefix(BOM_UTF8)
    yield from rest


def documents(stream: Iterable[bytes]) -> Iterator[Raw]:
    """The documents of a text file, numbered from 1; the whole file when it has no separator."""
    number = 0
    for raw in lines(stream, SEPARATOR):
        content = raw.content.strip()  # type: ignore[union-attr]
        if content:
            number += 1
            yield _document(Raw(number, content, raw.problem))


def _document(raw: Raw) -> Raw:
    if raw.problem:
        return raw
    try:
        return Raw(raw.line, {"text": raw.content.decode()})  # type: ignore[union-attr]
    except UnicodeDecodeError as error:
        return raw._replace(problem=f"invalid UTF-8 at byte {error.start + 1}")
