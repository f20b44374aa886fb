"""A few integers that all processes of a host change together: what was spent, when the next call may go.

A small file, mapped into memory and held under `flock`. The kernel frees the lock of a process that dies; the
numbers stay, since the page cache outlives it (a power cut may lose the newest: what must survive that is in
the journal). Local disks only.
"""

import contextlib
import fcntl
import mmap
import os
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from warehouse.files import make_folder


class Tally:
    """Named int64 numbers, 0 at first. A change is one step for everybody: `with tally.held() as n: ...`."""

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        """Open the file, or make it; the order of the names is the layout of the file."""
        make_folder(path.parent)
        self._names, self._form = names, struct.Struct(f"={len(names)}q")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        os.ftruncate(self._file, self._form.size)
        self._map = mmap.mmap(self._file, self._form.size)
        self._turn = threading.Lock()  # flock excludes processes, not the threads of one

    @contextlib.contextmanager
    def held(self) -> Iterator[dict[str, int]]:
        """The numbers, nobody else's while they are held; changes are kept unless the block raises."""
        with self._turn:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                numbers = dict(zip(self._names, self._form.unpack_from(self._map), strict=True))
                yield numbers
                self._map[:] = self._form.pack(*(numbers[name] for name in self._names))
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def look(self, name: str) -> int:
        """One number as it is now, without holding the others up: eight aligned bytes are written at once."""
        at = 8 * self._names.index(name)
        return int.from_bytes(self._map[at : at + 8], sys.byteorder, signed=True)

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._map.close()
            os.close(self._file)
