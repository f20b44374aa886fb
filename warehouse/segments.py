"""A segment of an index: sorted keys of the rows of some immutable parts, in one file mapped to memory.

Layout, all numbers little-endian: K columns of uint64, one after the other; then for each column the fences
(first entry of each block of 1024) and the checksums of its blocks; then the header as JSON (number of
columns, entries of each, bits of a row, parts with their rows); then 32 bytes: lengths of both, blake2b-128
of both, magic. An entry is a key with its low bits replaced by a row number: 8 bytes, of which w = bits of
(rows - 1) hold the row. So keys are compared in 64 - w bits: whoever asks must look at the rows that were
found, and drop about (keys asked) x (rows) / 2^(64 - w) that agree by chance.

What is checked: on opening the length, the magic and the digest; on looking up every block that is looked
into; on merging every block. So a file that was cut, altered or half written gives an error, never an answer.
"""

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from warehouse.files import TEMPORARY, make_folder, refusal, sync_folder

SUFFIX = ".segment"
MAGIC = b"SEEDSEG1"
_TRAILER = 8 + 16 + len(MAGIC)


class DamagedSegment(Exception):
    """A file that is no segment, or not what was written; nothing is lost: it is made from parts."""


class Held(NamedTuple):
    """A part in a segment: its rows follow on those of the part before."""

    sha256: str
    rows: int


class Header(BaseModel):
    """What a segment says of itself."""

    model_config = ConfigDict(frozen=True)
    width: int  # bits of an entry that hold the row
    entries: list[int]  # of each column
    parts: list[Held]

    @property
    def rows(self) -> int:
        """Rows of all parts, with or without keys."""
        return sum(part.rows for part in self.parts)


class Found(NamedTuple):
    """Entries of a column that were looked up: small, however many rows they stand for."""

    column: int
    places: np.ndarray  # (k,) int64, which of the keys that were asked for
    starts: np.ndarray  # (k,) int64, the first entry of each
    sizes: np.ndarray  # (k,) int64, its entries


class Segment:
    """An opened segment. The mapping outlives the file's name, so a reader never meets a removed one."""

    def __init__(self, path: Path) -> None:
        """Open and check what is said about the columns.

        Raises:
            DamagedSegment: when the file is not what was written.
            FileNotFoundError: when there is none.
        """
        self.path = path
        self.header, about, data_bytes = _read_end(path)
        counts = self.header.entries
        if data_bytes != 8 * sum(counts) or len(about) != 16 * sum(map(_n_blocks, counts)):
            raise DamagedSegment(f"{path} does not hold what its header says")
        # An empty file cannot be mapped.
        data = np.memmap(path, "<u8", "r", shape=(sum(counts),)) if sum(counts) else np.zeros(0, np.uint64)
        self._columns = np.split(np.asarray(data), np.cumsum(counts)[:-1])
        told = np.split(
            np.frombuffer(about, "<u8"), np.cumsum(np.repeat(list(map(_n_blocks, counts)), 2))[:-1]
        )
        self._fences, self._sums = told[::2], told[1::2]
        self.low = np.uint64((1 << self.header.width) - 1)
        self.bounds = np.cumsum([0, *(part.rows for part in self.header.parts)])  # of the parts, in rows

    def find(self, column: int, keys: np.ndarray) -> "Found":
        """Where the entries of a column lie whose key could be one of `keys`, (m,) uint64 ascending.

        Raises:
            DamagedSegment: when a block is not what was written.
        """
        from warehouse.segment_kernel import spans

        data = self._columns[column]
        starts, ends, sound = spans(keys, self.low, data, self._fences[column], self._sums[column])
        if not sound:
            raise DamagedSegment(f"{self.path}: a block of column {column} is not what was written")
        places = np.flatnonzero(ends > starts)
        return Found(column, places, starts[places], (ends - starts)[places])

    def rows(self, found: "Found") -> np.ndarray:
        """The rows that were found, (sum of sizes,) int64, those of one key together and ascending."""
        within = np.arange(found.sizes.sum()) - np.repeat(found.sizes.cumsum() - found.sizes, found.sizes)
        entries = self._columns[found.column][np.repeat(found.starts, found.sizes) + within]
        return (entries & self.low).astype(np.int64)

    def column(self, column: int) -> np.ndarray:
        """All entries of a column, checked.

        Raises:
            DamagedSegment: when a block is not what was written.
        """
        from warehouse.segment_kernel import checksums

        data = self._columns[column]
        if not np.array_equal(checksums(data), self._sums[column]):
            raise DamagedSegment(f"{self.path}: column {column} is not what was written")
        return data


def write_segment(folder: Path, parts: list[Held], columns: Iterable[np.ndarray]) -> Path:
    """Write a segment, one column after the other; equal parts give an equal name.

    Args:
        folder: of the index.
        parts: whose rows are numbered through.
        columns: sorted entries of each column, made with `packed`.

    Raises:
        BadInput: when the folder cannot be written.
        SeedloomError: when the disk is full or fails.
    """
    make_folder(folder)
    path = folder / (name_of(parts) + SUFFIX)
    draft = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        with draft.open("xb") as file:
            _write(file, parts, columns)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise refusal(f"cannot write {path}", error) from error
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(folder)
    return path


def merged(segments: list[Segment]) -> Iterator[np.ndarray]:
    """The columns of several segments as those of one, whose parts are theirs one after the other.

    Raises:
        DamagedSegment: when a block is not what was written.
    """
    rows = [segment.header.rows for segment in segments]
    low = np.uint64((1 << width_of(sum(rows))) - 1)
    offsets = np.cumsum([0, *rows], dtype=np.uint64)
    for column in range(len(segments[0].header.entries)):
        moved = [
            (entries & ~low) | ((entries & segment.low) + offset)
            for segment, offset in zip(segments, offsets[:-1], strict=True)
            for entries in [segment.column(column)]
        ]
        yield np.sort(np.concatenate(moved))


def packed(keys: np.ndarray, rows: np.ndarray, n_rows: int) -> np.ndarray:
    """Entries of a column, (m,) uint64 sorted, of keys (m,) uint64 and rows (m,) below `n_rows`."""
    low = np.uint64((1 << width_of(n_rows)) - 1)
    return np.sort((keys & ~low) | rows.astype(np.uint64))


def width_of(n_rows: int) -> int:
    """Bits that a row number takes."""
    return max(1, (n_rows - 1).bit_length())


def name_of(parts: Iterable[Held]) -> str:
    """Name of the segment of these parts, whatever their order."""
    listed = "\n".join(sorted(part.sha256 for part in parts))
    return hashlib.blake2b(listed.encode(), digest_size=16).hexdigest()


def _read_end(path: Path) -> tuple[Header, bytes, int]:
    """Header, fences with checksums, and the bytes before them."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _TRAILER))
        trailer = file.read()
        if len(trailer) < _TRAILER or trailer[24:] != MAGIC:
            raise DamagedSegment(f"{path} is no segment, or it was cut")
        about_bytes, header_bytes = (int.from_bytes(trailer[at : at + 4], "little") for at in (0, 4))
        start = size - _TRAILER - header_bytes - about_bytes * 8
        if start < 0:
            raise DamagedSegment(f"{path} is not what was written")
        file.seek(start)
        about, header = file.read(about_bytes * 8), file.read(header_bytes)
    if _digest(about, header) != trailer[8:24]:
        raise DamagedSegment(f"{path} is not what was written")
    try:
        return Header.model_validate_json(header), about, start
    except ValidationError as error:
        raise DamagedSegment(f"{path} has a header of another form") from error


def _write(file: BinaryIO, parts: list[Held], columns: Iterable[np.ndarray]) -> None:
    from warehouse.segment_kernel import BLOCK, checksums

    entries, about = [], []
    for column in columns:
        column = np.ascontiguousarray(column, "<u8")
        file.write(memoryview(column))
        entries.append(len(column))
        about += [column[::BLOCK].tobytes(), checksums(column).tobytes()]
    width = width_of(sum(part.rows for part in parts))
    header = Header(width=width, entries=entries, parts=parts).model_dump_json().encode()
    told = b"".join(about)
    lengths = (len(told) // 8).to_bytes(4, "little") + len(header).to_bytes(4, "little")
    file.write(told + header + lengths + _digest(told, header) + MAGIC)


def _digest(about: bytes, header: bytes) -> bytes:
    return hashlib.blake2b(about + header, digest_size=16).digest()


def _n_blocks(entries: int) -> int:
    from warehouse.segment_kernel import BLOCK

    return -(-entries // BLOCK)
