"""Parts of a warehouse in a bucket for DuckDB: one is fetched when its rows are read, not when it is named.

A view over a table needs the footer of each of its Parquet files. So the last bytes of each part are fetched
first, once, in one request; a query that reads on fetches the whole part into the work folder, from where
everybody reads it later. The largest table may stay in the bucket for ever if nobody asks for it.
"""

import datetime
import io
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
from fsspec import AbstractFileSystem

from schemas.partition import Partition
from schemas.place import shown
from warehouse.bucket import tail
from warehouse.files import write_durably
from warehouse.parts import FETCHERS, DamagedPart, fetch_part, fetch_parts

SCHEME = "part"
TAIL = 64 * 1024  # bytes: a footer is some 100 bytes for each column and row group
_fetching: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


def lazy_parts(connection: duckdb.DuckDBPyConnection, root: Path, parts: list[Partition]) -> dict[str, str]:
    """Under which names a connection reads the parts that have no copy here; small ones get one at once.

    Raises:
        DamagedPart: when an object is gone, or a small one altered.
    """
    missing = [part for part in parts if not (root / part.path).is_file()]
    fetch_parts(root, [part for part in missing if part.bytes <= TAIL])
    large = [part for part in missing if part.bytes > TAIL]
    if large:
        connection.register_filesystem(LazyParts(root, large))
    return {part.path: f"{SCHEME}://{part.path}" for part in large}


class LazyParts(AbstractFileSystem):
    """The parts of one version that have no copy here, as `part://` and their path."""

    protocol = SCHEME
    cachable = False

    def __init__(self, root: Path, parts: list[Partition]) -> None:
        """Fetch what is missing of the ends of these parts, several at a time."""
        super().__init__()
        self._root, self._parts = root, {part.path: part for part in parts}
        with ThreadPoolExecutor(FETCHERS) as pool:
            list(pool.map(self._tail, parts))

    def open(self, path: str, mode: str = "rb", **_: Any) -> BinaryIO:
        """A part; DuckDB asks for it with every thread."""
        part = self._part(path)
        return LazyPart(self._root, part, self._tail(part))

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name and size; fsspec answers all other questions from it."""
        part = self._part(path)
        return {"name": f"{SCHEME}://{part.path}", "size": part.bytes, "type": "file"}

    def glob(self, path: str, **_: Any) -> list[str]:
        """Names of parts are exact."""
        return [path]

    def modified(self, path: str) -> datetime.datetime:
        """Never: long ago."""
        return datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)

    def _part(self, path: str) -> Partition:
        return self._parts[path.removeprefix(f"{SCHEME}://")]

    def _tail(self, part: Partition) -> bytes:
        path = self._root / part.path
        copy = path.with_name(f".tail-{path.name}")
        if copy.is_file():
            return copy.read_bytes()
        end = tail(path, TAIL, part.bytes)
        if len(end) != TAIL:
            raise DamagedPart(f"part {part.path} of {shown(self._root)} is missing")
        write_durably(copy, end)
        return end


class LazyPart(io.RawIOBase):
    """One part: its end is here, the rest is fetched by the first read of it.

    Each thread is where it has gone: DuckDB seeks and reads in two steps, with one handle in several threads.
    """

    def __init__(self, root: Path, part: Partition, end: bytes) -> None:
        """`end`: the last bytes of it."""
        self._root, self._part, self._end = root, part, end
        self._here = threading.local()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        at = self.tell()
        size = self._part.bytes - at if size < 0 else size
        skipped = at - (self._part.bytes - len(self._end))
        data = self._end[skipped : skipped + size] if skipped >= 0 else self._read(at, size)
        self._here.at = at + len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._part.bytes}[whence]
        self._here.at = start + offset
        return self._here.at

    def tell(self) -> int:
        """Where the next bytes are read."""
        return getattr(self._here, "at", 0)

    def seekable(self) -> bool:
        """Yes."""
        return True

    def _read(self, at: int, size: int) -> bytes:
        path = self._root / self._part.path
        with _fetching[path]:  # of several threads one fetches
            fetch_part(self._root, self._part)
        with path.open("rb") as file:
            file.seek(at)
            return file.read(size)
