"""The file of the journal: how it is opened, and how damage and other versions are told from an empty one.

Beside `calls.sqlite` lies `calls.acknowledged`: the number of the last reply that somebody was told is safe.
SQLite ends its recovery at the first damaged page of the log without a word; the number says how many replies
there should be.
"""

import contextlib
import os
import sqlite3
import time
import zlib
from pathlib import Path

from schemas.errors import SeedloomError

VERSION = 2
WAIT_S = 30.0  # for another process that holds the file
_MARK = b"%020d\n"
SCHEMA = """
CREATE TABLE IF NOT EXISTS reply (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, run_id TEXT NOT NULL, asked BLOB NOT NULL,
    raw BLOB NOT NULL, crc INTEGER NOT NULL, facts TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS spent (
    scope TEXT PRIMARY KEY, requests INTEGER NOT NULL, tokens INTEGER NOT NULL, nano_usd INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS batch (
    id TEXT PRIMARY KEY, run_id TEXT NOT NULL, endpoint TEXT NOT NULL, state TEXT NOT NULL,
    facts TEXT NOT NULL
) STRICT;
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that commits durably. One thread at a time may use it."""
    connection = sqlite3.connect(path, timeout=WAIT_S, check_same_thread=False)
    _turn_to_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=1000")
    return connection


def _turn_to_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait, as it does elsewhere, when two turn a new file to WAL at once."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)


def prepare(path: Path) -> sqlite3.Connection:
    """A connection to a journal that is there, or to a new one.

    Raises:
        SeedloomError: when it is no journal, of another version, or holds less than was acknowledged.
    """
    try:
        _look(path)
        connection = connect(path)
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    except sqlite3.Error as error:
        raise SeedloomError(f"journal {path}: {error}; restore the file from a backup") from error
    return connection


def acknowledged(path: Path) -> Path:
    """Where the number of the last safe reply stands."""
    return path.with_suffix(".acknowledged")


class Mark:
    """The number of the last reply that was acknowledged, kept beside the journal."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it."""
        self._file = os.open(acknowledged(path), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        os.ftruncate(self._file, len(_MARK % 0))  # what lies behind the number would make it none

    def set(self, seq: int) -> None:
        """Write the number. Not synced: after a power cut it may be older than the journal, never newer."""
        os.pwrite(self._file, _MARK % seq, 0)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def packed(data: bytes) -> bytes:
    """Deflated with a window of 4 KiB: texts of this size shrink as far, at an eighth of the time."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 12, 5)
    return packer.compress(data) + packer.flush()


def _look(path: Path) -> None:
    """Read only, so that what is damaged, or not ours, stays as it is for whoever mends it."""
    expected = _expected(path)  # first: what is acknowledged after it is in the file as well
    version, found = _state(path) if path.is_file() else (VERSION, 0)
    if version != VERSION:
        raise SeedloomError(
            f"journal {path} is of version {version}, this seedloom reads version {VERSION}: use the "
            f"seedloom that wrote it, or move {path.parent} away; what it paid for is then asked again"
        )
    if found < expected:
        raise SeedloomError(
            f"journal {path} holds {found} of {expected} acknowledged replies: the last "
            f"{expected - found}, which were paid for, are damaged or gone; restore it with its -wal "
            f"file from a backup, or remove {acknowledged(path)} to go on and pay for them again"
        )


def _expected(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(acknowledged(path).read_bytes())
    return 0


def _state(path: Path) -> tuple[int, int]:
    """Version and number of the last reply; a file without tables will be of ours."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=WAIT_S)) as connection:
        # one statement, one snapshot: another process may be making the tables
        tables = "SELECT count(*) FROM sqlite_master"
        version, made = connection.execute(f"SELECT *, ({tables}) FROM pragma_user_version").fetchone()
        if not made or version != VERSION:
            return version if made else VERSION, 0
        return version, int(connection.execute("SELECT coalesce(max(seq), 0) FROM reply").fetchone()[0])
