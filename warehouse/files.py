"""Files that are whole or absent, also after a power cut.

No library of ours calls fsync (pyarrow, polars and DuckDB's COPY were traced), so this module does: temporary
name, fsync, rename, fsync of the folder. The rename is the moment at which the file exists.
"""

import contextlib
import errno
import hashlib
import os
import uuid
from pathlib import Path

from schemas.errors import BadInput, SeedloomError

TEMPORARY = ".tmp-"
_NOT_THE_USERS_FAULT = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
_durable_folders: set[Path] = set()  # whose entry in their parent this process has synced


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that its name never stands for half of it.

    Raises:
        BadInput: when the folder cannot be written.
        SeedloomError: when the disk is full or fails.
    """
    make_folder(path.parent)
    draft = path.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        _write_synced(draft, data)
        os.replace(draft, path)
    except OSError as error:
        raise refusal(f"cannot write {path}", error) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Create a folder and its parents; each new entry is durable in its parent.

    Raises:
        BadInput: when a parent is a file or cannot be written.
    """
    path = path.absolute()
    there = path.is_dir()
    if there and path in _durable_folders:
        return
    if not there:
        make_folder(path.parent)
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise refusal(f"cannot create folder {path}", error) from error
    # One that is there may be of a process that was killed before it synced the parent.
    # A parent that we may not read is none of ours.
    with contextlib.suppress(BadInput):
        sync_folder(path.parent)
    _durable_folders.add(path)


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable.

    Raises:
        BadInput: when the folder is gone or cannot be read.
        SeedloomError: when the disk fails.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise refusal(f"cannot sync folder {path}", error) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refusal(what: str, error: OSError) -> SeedloomError:
    """An error of the system as one line; a full or failing disk is no wrong input."""
    kind = SeedloomError if error.errno in _NOT_THE_USERS_FAULT else BadInput
    return kind(f"{what}: {error.strerror}")


def _write_synced(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        rest = memoryview(data)
        while rest:  # a write may be short, on a full disk for one
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)
