"""An index over the parts of a version: a few segments that together hold each part once.

Everything under `index/` is derived: what is missing or damaged is made anew from the parts. A part that no
segment holds gets one; four segments of about one size are merged into one, so that their number grows with
the logarithm of the rows, until they have 2^24 rows each. A segment may hold parts that the version does not
(withdrawn ones, or later ones when a run is resumed): their rows are passed over. One process at a time
builds; the others wait, then find what it built.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from schemas.errors import SeedloomError
from schemas.partition import Partition
from warehouse.files import TEMPORARY
from warehouse.manifest import locked
from warehouse.parts import verify_part
from warehouse.segments import (
    SUFFIX,
    DamagedSegment,
    Held,
    Segment,
    merged,
    packed,
    width_of,
    write_segment,
)

CHUNK = 1 << 18  # rows of parts that are sorted together: 64 MB of entries in 32 columns
LARGEST = 1 << 24  # rows of a merged segment: 128 MB of entries are sorted at a time
FANOUT = 4  # so many segments of one size are merged
SMALLEST = 1 << 12  # rows; all segments below are of one size
ATTEMPTS = 3

logger = logging.getLogger("seedloom.index")

KeysOf = Callable[[Partition], tuple[np.ndarray, np.ndarray]]


T = TypeVar("T")


class Answering(NamedTuple):
    """A segment, and for which of its parts it answers."""

    segment: Segment
    parts: list[Partition | None]  # in the order of its header; None: not in this version, or another answers

    def place(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number of the part in `parts` and row in the part, (m,) int64 each, of rows of the segment."""
        number = np.searchsorted(self.segment.bounds, rows, "right") - 1
        return number, rows - self.segment.bounds[number]

    def ours(self, rows: np.ndarray) -> np.ndarray:
        """Which rows are of a part that it answers for, (m,) bool."""
        answered = np.array([part is not None for part in self.parts])
        return np.ones(len(rows), bool) if answered.all() else answered[self.place(rows)[0]]


def ask(
    root: Path, kind: str, parts: list[Partition], keys_of: KeysOf, look: Callable[[list[Answering]], T]
) -> T:
    """What `look` finds in segments that hold these parts, each answered for once; what is missing is built.

    Args:
        root: the warehouse.
        kind: of the keys; a folder under `index/`.
        parts: of one version.
        keys_of: gives the keys of a part, (k, m) uint64, and the rows that have them, (m,) below its rows.
        look: asks the segments; asked again when one of them turns out to be damaged.

    Raises:
        DamagedPart: when a part that must be read is missing or altered.
        SeedloomError: when the index cannot be written, or is damaged again and again.
    """
    folder = root / "index" / kind
    for _ in range(ATTEMPTS):
        try:
            with locked(root / "index" / "LOCK"):
                _sweep(folder)
                segments = _covering(root, folder, parts, keys_of)
            return look(segments)
        except DamagedSegment as damage:
            logger.warning("%s; it is made anew", damage)
            with locked(root / "index" / "LOCK"):
                _drop_damaged(folder)
    raise SeedloomError(f"{folder} is damaged as soon as it is written: check the disk")


def _drop_damaged(folder: Path) -> None:
    """Remove the segments of which a single bit differs from what was written."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            segment = Segment(path)
            for column in range(len(segment.header.entries)):
                segment.column(column)
        except DamagedSegment:
            path.unlink(missing_ok=True)


def _covering(root: Path, folder: Path, parts: list[Partition], keys_of: KeysOf) -> list[Answering]:
    wanted = {part.sha256: part for part in parts}
    known = [Segment(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]
    chosen = _chosen(list(known), wanted)
    held = {part.sha256 for segment in chosen for part in segment.header.parts}
    for segment in known:  # merged into another one by a process that was killed before it removed them
        if segment not in chosen and held.issuperset(part.sha256 for part in segment.header.parts):
            segment.path.unlink(missing_ok=True)
    missing = sorted(
        (part for sha256, part in wanted.items() if sha256 not in held), key=lambda part: part.path
    )
    built = [Segment(_build(root, folder, some, keys_of)) for some in _chunks(missing)]
    answered: set[str] = set()
    return [_answering(segment, wanted, answered) for segment in _tidied(folder, [*chosen, *built])]


def _chosen(known: list[Segment], wanted: dict[str, Partition]) -> list[Segment]:
    """Segments that hold what can be found, those first that add most."""
    chosen: list[Segment] = []
    missing = set(wanted)
    while known:
        gains = [sum(part.rows for part in each.header.parts if part.sha256 in missing) for each in known]
        if not max(gains):
            break
        chosen.append(known.pop(gains.index(max(gains))))
        missing -= {part.sha256 for part in chosen[-1].header.parts}
    return chosen


def _chunks(parts: list[Partition]) -> list[list[Partition]]:
    chunks: list[list[Partition]] = []
    rows = CHUNK
    for part in parts:
        if rows + part.rows > CHUNK:
            chunks.append([])
            rows = 0
        chunks[-1].append(part)
        rows += part.rows
    return chunks


def _build(root: Path, folder: Path, parts: list[Partition], keys_of: KeysOf) -> Path:
    """A segment of parts; each is compared with its SHA-256 first, since nobody will look at it again."""
    keys, rows, offset = [], [], 0
    for part in parts:
        verify_part(root, part)
        of_part, rows_of_part = keys_of(part)
        keys.append(of_part)
        rows.append(rows_of_part + offset)
        offset += part.rows
    together = np.concatenate(rows)
    columns = (packed(np.concatenate(column), together, offset) for column in zip(*keys, strict=True))
    return write_segment(folder, [Held(part.sha256, part.rows) for part in parts], columns)


def _tidied(folder: Path, segments: list[Segment]) -> list[Segment]:
    """The segments, with those of one size merged while there are enough of them."""
    while together := _mergeable(segments):
        parts = [part for segment in together for part in segment.header.parts]
        path = write_segment(folder, parts, merged(together))
        for segment in together:
            segment.path.unlink(missing_ok=True)
        segments = [*(each for each in segments if each not in together), Segment(path)]
    return segments


def _mergeable(segments: list[Segment]) -> list[Segment]:
    sizes: dict[int, list[Segment]] = defaultdict(list)
    for segment in segments:
        size = (width_of(max(segment.header.rows, SMALLEST) // SMALLEST) + 1) // 2  # 1, 4, 16 ... x SMALLEST
        sizes[size].append(segment)
    for _, several in sorted(sizes.items()):
        if len(several) >= FANOUT and sum(each.header.rows for each in several) <= LARGEST:
            return several
    return []


def _answering(segment: Segment, wanted: dict[str, Partition], answered: set[str]) -> Answering:
    parts = []
    for held in segment.header.parts:
        mine = held.sha256 in wanted and held.sha256 not in answered
        answered.add(held.sha256)
        parts.append(wanted[held.sha256] if mine else None)
    return Answering(segment, parts)


def _sweep(folder: Path) -> None:
    """Remove drafts of killed builders: whoever holds the lock is the only one."""
    for draft in folder.glob(f"{TEMPORARY}*"):
        draft.unlink(missing_ok=True)
