"""At most so many at once, over all processes of a host, with nobody to keep the count.

Place `i` is byte `i` of a file, taken by a lock on that byte (Linux open-file-description locks). The kernel
frees what a dead process held, at once, which no server-side slot and no counter does.
"""

import fcntl
import os
import struct
from pathlib import Path

from warehouse.files import make_folder

_WAITING = 1 << 62  # the place that everybody who waits holds together
_FORM = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux


class Turnstile:
    """Numbered places, each held by one at a time. Not for several threads at once."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
        make_folder(path.parent)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        self.held: set[int] = set()
        self._last = -1

    def take(self, limit: int) -> int | None:
        """Take any free place below `limit`; None when all are taken."""
        for step in range(1, limit + 1):
            place = (self._last + step) % limit
            if self.take_at(place):
                self._last = place
                return place
        return None

    def take_at(self, place: int) -> bool:
        """Take one place; false when anybody has it, this object included."""
        if place in self.held or not self._lock(fcntl.F_WRLCK, place):
            return False
        self.held.add(place)
        return True

    def give(self, place: int) -> None:
        """Give a place back."""
        self.held.discard(place)
        self._last = place - 1  # the next to ask finds it at once
        self._lock(fcntl.F_UNLCK, place)

    def wait(self, waiting: bool) -> None:
        """Let the others see that somebody waits here, or does no more."""
        self._lock(fcntl.F_RDLCK if waiting else fcntl.F_UNLCK, _WAITING)

    def others_wait(self) -> bool:
        """Whether another process waits for a place."""
        told = fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, _ask(fcntl.F_WRLCK, _WAITING))
        return bool(_FORM.unpack(told)[0] != fcntl.F_UNLCK)

    def close(self) -> None:
        """Give everything back."""
        os.close(self._file)

    def _lock(self, kind: int, place: int) -> bool:
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _ask(kind, place))
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: somebody has it
            return False
        return True


def _ask(kind: int, place: int) -> bytes:
    return _FORM.pack(kind, os.SEEK_SET, place, 1, 0)
