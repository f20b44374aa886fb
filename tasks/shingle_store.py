"""Shingle sets of many texts, in memory while they are few and in a scratch file when they are many.

The scratch file has no name from the moment it is made, so nothing is left of it after a crash. It is read by
offset and never mapped: mapped pages would count as this process's memory.
"""

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Self

import numpy as np

_WIDTH = 8  # bytes of a hash


class ShingleStore:
    """The sets of n rows, put in any order and read in any choice."""

    def __init__(self, sizes: np.ndarray, budget: int, folder: Path) -> None:
        """Room for sets of these sizes (n,); more than `budget` hashes go to a scratch file in `folder`."""
        self.sizes = sizes.astype(np.int32)
        self._starts = np.full(len(sizes), -1, np.int64)  # in hashes
        self._end = 0
        self._lock = Lock()
        total = int(sizes.sum(dtype=np.int64))
        self._held = np.empty(total, np.uint64) if total <= budget else None
        self._file = None if total <= budget else _scratch_file(folder)

    def __enter__(self) -> Self:
        """Nothing else to prepare."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the scratch file back."""
        if self._file:
            self._file.close()

    @property
    def missing(self) -> int:
        """How many rows have no set yet."""
        return int((self._starts < 0).sum())

    def put(self, rows: np.ndarray, hashes: np.ndarray) -> None:
        """Keep the sets of these rows, end to end; threads may put at once."""
        ends = np.cumsum(self.sizes[rows], dtype=np.int64)
        with self._lock:
            start, self._end = self._end, self._end + len(hashes)
        self._starts[rows] = start + ends - self.sizes[rows]
        if self._held is not None:
            self._held[start : start + len(hashes)] = hashes
        else:
            _write(self._file.fileno(), memoryview(hashes).cast("B"), start * _WIDTH)

    def load(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sets of these rows: where each row's set begins, (n,) int64, and the hashes, uint64."""
        if self._held is not None:
            return self._starts, self._held
        rows = rows[np.argsort(self._starts[rows])]  # one read for what lies together
        begin, sizes = self._starts[rows], self.sizes[rows].astype(np.int64)
        ends = np.cumsum(sizes)
        apart = np.flatnonzero(begin[1:] != begin[:-1] + sizes[:-1]) + 1
        hashes = np.empty(int(sizes.sum()), np.uint64)
        view, number = memoryview(hashes).cast("B"), self._file.fileno()
        for first, last in pairwise([0, *apart.tolist(), len(rows)]):
            if first < last:
                _read(
                    number,
                    view[(ends[first] - sizes[first]) * _WIDTH : ends[last - 1] * _WIDTH],
                    begin[first] * _WIDTH,
                )
        starts = np.full(len(self.sizes), -1, np.int64)
        starts[rows] = ends - sizes
        return starts, hashes


def _scratch_file(folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(buffering=0, dir=folder)


def _write(number: int, data: memoryview, offset: int) -> None:
    while data:
        done = os.pwrite(number, data, offset)
        data, offset = data[done:], offset + done


def _read(number: int, data: memoryview, offset: int) -> None:
    while data:
        done = os.preadv(number, [data], offset)
        if not done:
            raise OSError(f"scratch file ends at byte {offset}, {len(data)} bytes early")
        data, offset = data[done:], offset + done
