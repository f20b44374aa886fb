"""The journal of LLM calls: a reply is durable before anybody uses it, so a crash never pays twice.

SQLite in WAL mode with `synchronous=FULL`; one thread owns the connection and commits whatever is queued
(group commit; `tests/bench/journal.py` measures it). The key is the content of the request, never its place
in a list. Raw bytes are stored before they are parsed: a bug of a parser costs nothing but a re-run. What a
call cost is added up in the same commit, by run and by day.
"""

import concurrent.futures
import contextlib
import json
import queue
import sqlite3
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from schemas.errors import SeedloomError
from schemas.spent import Spent
from warehouse.files import make_folder
from warehouse.journal_file import Mark, connect, packed, prepare

GROUP = 256  # records per commit at most
FREE = Spent()
_INSERT = "INSERT OR IGNORE INTO reply (key, run_id, asked, raw, crc, facts) VALUES (?, ?, ?, ?, ?, ?)"
_ADD = """
INSERT INTO spent VALUES (?, ?, ?, ?) ON CONFLICT (scope) DO UPDATE SET
requests = requests + excluded.requests, tokens = tokens + excluded.tokens,
nano_usd = nano_usd + excluded.nano_usd
"""
_BATCH = "INSERT OR REPLACE INTO batch VALUES (?, ?, ?, ?, ?)"


class Entry(NamedTuple):
    """One finished request."""

    key: str
    run_id: str  # the run that paid for it
    raw: bytes  # body of the reply as it came
    facts: dict[str, Any]  # provider, latency_s, attempts, cost_usd: what the body does not say
    asked: bytes = b""  # body of the request as it was sent


class Batch(NamedTuple):
    """A batch of an endpoint; state: intended, open, collected, failed, abandoned."""

    batch_id: str
    run_id: str
    endpoint: str
    state: str
    facts: dict[str, Any]


_Row = tuple[str, str, bytes, bytes, int, str]  # as stored: key, run_id, asked, reply, checksum, facts


class _Item(NamedTuple):
    """What one commit shall hold."""

    row: _Row | None
    batch: Batch | None
    spent: Spent
    scopes: tuple[str, ...]  # to which the cost is added
    done: "concurrent.futures.Future[None]"


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
        self._reading = threading.Lock()

    def __enter__(self) -> "Journal":
        """Start the writer.

        Raises:
            SeedloomError: when the file cannot be opened as a journal, or holds less than it should.
        """
        self._thread.start()
        self._ready.result()
        self._reader = connect(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what is queued and close."""
        self._queue.put(None)
        self._thread.join()
        with self._reading:
            self._reader.close()

    def put(
        self, entry: Entry, spent: Spent = FREE, scopes: tuple[str, ...] = ()
    ) -> concurrent.futures.Future[None]:
        """Queue an entry; the future is done when the entry is on disk, or carries the error.

        The future cannot be cancelled: a reply that was paid for is kept, even when its asker gave up.

        Raises:
            SeedloomError: when the journal is not open.
        """
        return self._queued(_row(entry), None, spent, scopes)

    def charge(self, spent: Spent, scopes: tuple[str, ...]) -> concurrent.futures.Future[None]:
        """Queue the cost of an attempt that brought no reply."""
        return self._queued(None, None, spent, scopes)

    def note(self, batch: Batch) -> concurrent.futures.Future[None]:
        """Queue what is known about a batch; the newest note of a batch stands."""
        return self._queued(None, batch, FREE, ())

    def find(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The entries that are there, by key.

        Raises:
            SeedloomError: when the file cannot be read, or a stored reply differs from its checksum.
        """
        wanted = list(keys)
        found: dict[str, Entry] = {}
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            marks = ",".join("?" * len(some))
            columns = "key, run_id, asked, raw, crc, facts"
            rows = self._select(f"SELECT {columns} FROM reply WHERE key IN ({marks})", some)
            found.update((row[0], self._entry(row)) for row in rows)
        return found

    def spent(self, scope: str) -> Spent:
        """What was spent in a scope, such as a run or a day."""
        rows = self._select("SELECT requests, tokens, nano_usd FROM spent WHERE scope = ?", [scope])
        return Spent(*rows[0]) if rows else FREE

    def batches(self, run_id: str, endpoint: str) -> list[Batch]:
        """The batches of a run at an endpoint, in the order of their ids."""
        wanted = "SELECT * FROM batch WHERE run_id = ? AND endpoint = ? ORDER BY id"
        return [Batch(*row[:4], json.loads(row[4])) for row in self._select(wanted, [run_id, endpoint])]

    def _select(self, query: str, values: list[str]) -> list[Any]:
        try:
            with self._reading:
                return self._reader.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise SeedloomError(f"journal {self.path}: {error}; restore the file from a backup") from error

    def _entry(self, row: _Row) -> Entry:
        key, run_id, asked, reply, crc, facts = row
        if _checksum(key, run_id, asked, reply, facts) != crc:
            raise SeedloomError(
                f"journal {self.path}: reply {key} is damaged; restore the file from a backup"
            )
        return Entry(key, run_id, zlib.decompress(reply), json.loads(facts), zlib.decompress(asked))

    def _queued(
        self, row: _Row | None, batch: Batch | None, spent: Spent, scopes: tuple[str, ...]
    ) -> concurrent.futures.Future[None]:
        if not self._thread.is_alive():
            raise SeedloomError(f"journal {self.path} is not open")
        done: concurrent.futures.Future[None] = concurrent.futures.Future()
        done.set_running_or_notify_cancel()
        self._queue.put(_Item(row, batch, spent, scopes, done))
        return done

    def _write(self) -> None:
        try:
            connection = prepare(self.path)
            mark = Mark(self.path)
        except (SeedloomError, OSError) as error:
            self._ready.set_exception(error)
            return
        self._ready.set_result(None)
        with contextlib.closing(connection), contextlib.closing(mark):
            while group := self._next_group():
                self._commit(connection, mark, group)

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

    def _commit(self, connection: sqlite3.Connection, mark: Mark, group: list[_Item]) -> None:
        if self._failure is None:
            self._failure = self._insert(connection, mark, group)
        failure = self._failure and SeedloomError(self._failure)
        for item in group:
            if failure is None:
                item.done.set_result(None)
            else:
                item.done.set_exception(failure)

    def _insert(self, connection: sqlite3.Connection, mark: Mark, group: list[_Item]) -> str | None:
        """Why the group could not be made durable; None when it is."""
        try:
            with connection:
                connection.executemany(_INSERT, [item.row for item in group if item.row])
                connection.executemany(_ADD, _sums(group))
                connection.executemany(_BATCH, [_note(item.batch) for item in group if item.batch])
            mark.set(connection.execute("SELECT coalesce(max(seq), 0) FROM reply").fetchone()[0])
        except Exception as error:  # whatever it is: somebody waits for each of these futures
            return (
                f"journal {self.path}: {error}; what was acknowledged before is safe: "
                "mend this and run the same command again"
            )
        return None


def _sums(group: list[_Item]) -> list[tuple[str, int, int, int]]:
    sums: dict[str, Spent] = defaultdict(Spent)
    for item in group:
        for scope in item.scopes:
            sums[scope] = sums[scope].plus(item.spent)
    return [(scope, *spent) for scope, spent in sums.items()]


def _note(batch: Batch) -> tuple[str, str, str, str, str]:
    return (*batch[:4], json.dumps(batch.facts, sort_keys=True))


def _row(entry: Entry) -> _Row:
    asked, reply = packed(entry.asked), packed(entry.raw)
    facts = json.dumps(entry.facts, sort_keys=True)
    crc = _checksum(entry.key, entry.run_id, asked, reply, facts)
    return entry.key, entry.run_id, asked, reply, crc, facts


def _checksum(key: str, run_id: str, asked: bytes, reply: bytes, facts: str) -> int:
    return zlib.crc32(reply, zlib.crc32(asked, zlib.crc32("\n".join((key, run_id, facts)).encode())))
