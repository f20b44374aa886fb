"""The journal of LLM calls: a reply is durable before anybody uses it, so a crash never pays twice.

SQLite in WAL mode with `synchronous=FULL`; one thread owns the connection and commits whatever is queued
(group commit; `tests/bench/journal.py` measures it). The key is the content of the request, never its place
in a list. Raw bytes are stored before they are parsed: a bug of a parser costs nothing but a re-run.
"""

import concurrent.futures
import contextlib
import json
import queue
import sqlite3
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from schemas.errors import SeedloomError
from warehouse.files import make_folder

GROUP = 256  # records per commit at most
_SCHEMA = """
CREATE TABLE IF NOT EXISTS reply (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, run_id TEXT NOT NULL, raw BLOB NOT NULL,
    crc INTEGER NOT NULL, facts TEXT NOT NULL
) STRICT
"""


class Entry(NamedTuple):
    """One finished request."""

    key: str
    run_id: str  # the run that paid for it
    raw: bytes  # body of the reply as it came
    facts: dict[str, Any]  # provider, latency_s, attempts: what the body does not say


_Row = tuple[str, str, bytes, int, str]  # as stored: key, run_id, packed reply, checksum, facts
_Item = tuple[_Row, concurrent.futures.Future[None]]


class Journal:
    """All finished requests of a warehouse. Use as a context manager; leaving it waits for the last commit.

    The first failure is the last: nothing is written after it, and every later `put` carries it too.
    """

    def __init__(self, root: Path) -> None:
        """Take the journal of a warehouse; it is opened, or made, on entering."""
        make_folder(root / "journal")
        self.path = root / "journal" / "calls.sqlite"
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._failure: str | None = None

    def __enter__(self) -> "Journal":
        """Start the writer.

        Raises:
            SeedloomError: when the file cannot be opened as a journal.
        """
        self._thread.start()
        self._ready.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what is queued and close."""
        self._queue.put(None)
        self._thread.join()

    def put(self, entry: Entry) -> concurrent.futures.Future[None]:
        """Queue an entry; the future is done when the entry is on disk, or carries the error.

        The future cannot be cancelled: a reply that was paid for is kept, even when its asker gave up.

        Raises:
            SeedloomError: when the journal is not open.
        """
        if not self._thread.is_alive():
            raise SeedloomError(f"journal {self.path} is not open")
        done: concurrent.futures.Future[None] = concurrent.futures.Future()
        done.set_running_or_notify_cancel()
        self._queue.put((_row(entry), done))
        return done

    def find(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The entries that are there, by key.

        Raises:
            SeedloomError: when the file cannot be read, or a stored reply differs from its checksum.
        """
        wanted = list(keys)
        found: dict[str, Entry] = {}
        try:
            with contextlib.closing(_connect(self.path)) as connection:
                for start in range(0, len(wanted), 500):
                    rows = _select(connection, wanted[start : start + 500])
                    found.update((row[0], self._entry(row)) for row in rows)
        except sqlite3.Error as error:
            raise SeedloomError(f"journal {self.path}: {error}; restore the file from a backup") from error
        return found

    def _entry(self, row: _Row) -> Entry:
        key, run_id, packed, crc, facts = row
        if _checksum(key, run_id, packed, facts) != crc:
            raise SeedloomError(
                f"journal {self.path}: reply {key} is damaged; restore the file from a backup"
            )
        return Entry(key, run_id, zlib.decompress(packed), json.loads(facts))

    def _write(self) -> None:
        try:
            connection = _connect(self.path)
            connection.execute(_SCHEMA)
        except sqlite3.Error as error:
            self._ready.set_exception(SeedloomError(f"journal {self.path}: {error}"))
            return
        self._ready.set_result(None)
        with contextlib.closing(connection):
            while group := self._next_group():
                self._commit(connection, group)

    def _next_group(self) -> list[_Item]:
        """What is queued, at least one; empty at the end."""
        group = []
        item = self._queue.get()
        while item is not None:
            group.append(item)
            if len(group) == GROUP or self._queue.empty():
                return group
            item = self._queue.get()
        if group:
            self._queue.put(None)  # the end was read with the last group: say it again
        return group

    def _commit(self, connection: sqlite3.Connection, group: list[_Item]) -> None:
        if self._failure is None:
            self._failure = self._insert(connection, [row for row, _ in group])
        for _, done in group:
            if self._failure is None:
                done.set_result(None)
            else:
                done.set_exception(SeedloomError(self._failure))

    def _insert(self, connection: sqlite3.Connection, rows: list[_Row]) -> str | None:
        """Why the rows could not be made durable; None when they are."""
        try:
            with connection:
                connection.executemany(
                    "INSERT OR IGNORE INTO reply (key, run_id, raw, crc, facts) VALUES (?, ?, ?, ?, ?)", rows
                )
        except Exception as error:  # whatever it is: somebody waits for each of these futures
            return (
                f"journal {self.path}: {error}; what was acknowledged before is safe: "
                "mend this and run the same command again"
            )
        return None


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=1000")
    return connection


def _row(entry: Entry) -> _Row:
    packed = zlib.compress(entry.raw, 1)
    facts = json.dumps(entry.facts, sort_keys=True)
    return entry.key, entry.run_id, packed, _checksum(entry.key, entry.run_id, packed, facts), facts


def _checksum(key: str, run_id: str, packed: bytes, facts: str) -> int:
    return zlib.crc32(packed, zlib.crc32("\n".join((key, run_id, facts)).encode()))


def _select(connection: sqlite3.Connection, keys: list[str]) -> list[_Row]:
    marks = ",".join("?" * len(keys))
    return connection.execute(
        f"SELECT key, run_id, raw, crc, facts FROM reply WHERE key IN ({marks})", keys
    ).fetchall()
