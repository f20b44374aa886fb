"""Versions of the warehouse: one manifest lists every part of every table, `CURRENT` points at the newest.

A run becomes visible as a whole, across all tables, when `CURRENT` is renamed over. Readers never wait: they
read the pointer, then the manifest, then immutable files. Writers exclude each other by flock, which dies
with the process. `CURRENT` is there before the first manifest, so a lost one never looks like a new one.
"""

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import BadInput, SeedloomError
from schemas.partition import Partition
from schemas.place import shown
from schemas.tables import tables
from warehouse.bucket import create, is_remote
from warehouse.files import make_folder, refusal, sync_folder, write_durably
from warehouse.parts import BadRows, refuse_keys_repeated_across, verify_part
from warehouse.succession import current_in_bucket, snapshot_in_bucket, succeed

FORMAT = 1


class Manifest(BaseModel):
    """Everything that one version holds."""

    model_config = ConfigDict(frozen=True)
    format: int = FORMAT
    version: int = 0
    parent: int | None = None
    runs: list[str] = []
    parts: dict[str, list[Partition]] = {}
    replaced: dict[str, list[Partition]] = {}  # by run: parts of earlier ones whose place its parts took


class Pointer(BaseModel):
    """What `CURRENT` says."""

    model_config = ConfigDict(frozen=True)
    format: int = FORMAT
    version: int
    sha256: str


def read_current(root: Path) -> Manifest:
    """The newest version; version 0 without parts when nothing was ever committed.

    Raises:
        BadInput: for a warehouse written by a newer version of the program, or damaged.
    """
    pointer = _read_pointer(root)
    return _load(root, pointer.version, pointer.sha256) if pointer.version else Manifest()


def read_version(root: Path, version: int, sha256: str | None = None) -> Manifest:
    """One committed version, old or new.

    Raises:
        BadInput: when there is no such version, or it differs from the SHA-256.
    """
    newest = _read_pointer(root).version
    if not 0 <= version <= newest:  # a manifest above CURRENT is what a killed commit left
        raise BadInput(f"no version {version} in {shown(root)}; known: 0 (empty) to {newest}")
    return _load(root, version, sha256) if version else Manifest()


def refuse_newer(root: Path, pointer: dict) -> None:
    """Raise BadInput when the warehouse was written by a program that knows more than this one."""
    written = pointer.get("format")
    if isinstance(written, int) and written > FORMAT:
        raise BadInput(
            f"warehouse {shown(root)} has format {written}, written by a newer seedloom; "
            f"this one reads formats up to {FORMAT}: upgrade it, or choose another --root"
        )


def commit(
    root: Path, run_id: str, parts: list[Partition], without: Sequence[Partition] | None = None
) -> Manifest:
    """Make all parts of a run visible at once; a run that is there already is not added again.

    Args:
        root: the warehouse.
        run_id: the run.
        parts: what it made.
        without: of a run that judges samples of earlier ones: the parts of those whose place its parts take,
            perhaps none. They come back when the run is withdrawn.

    Raises:
        BadRows: when two parts share a key.
        DamagedPart: when a part is missing or altered.
        BadInput: when the warehouse cannot be written, or a part of `without` is not in it any more.
    """
    if run_id not in read_current(root).runs:
        _check(root, parts)  # before the lock: reading gigabytes must not make others wait
    return change(root, lambda old: None if run_id in old.runs else _grown(old, run_id, parts, without))


def change(root: Path, grow: Callable[[Manifest], Manifest | None]) -> Manifest:
    """Make the next version of the newest one, which `grow` is given; None: it is as it should be.

    In a bucket `grow` is asked again when somebody else was faster.

    Raises:
        BadInput: when the warehouse cannot be written.
    """
    if is_remote(root):
        return _succeed_in_bucket(root, grow)
    with locked(root / "WRITER.lock"):
        old = read_current(root)
        new = grow(old)
        if new is None:
            sync_folder(root)  # whoever renamed CURRENT may have died before that was durable
            return old
        if old.version == 0:
            _point_at(root, Pointer(version=0, sha256=""))
        data = new.model_dump_json().encode()
        write_durably(_path(root, new.version), data)
        _point_at(root, Pointer(version=new.version, sha256=hashlib.sha256(data).hexdigest()))
        return new


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock; the kernel frees it when the process dies.

    Raises:
        SeedloomError: when another process holds it and `wait` is false.
        BadInput: when the folder cannot be written.
    """
    make_folder(path.parent)
    try:
        file = path.open("a")
    except OSError as error:
        raise refusal(f"cannot write {path}", error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise SeedloomError(f"{path.parent} is being written by another process") from error
        yield


def _check(root: Path, parts: list[Partition]) -> None:
    """Whether the parts may be published: known, whole, durable under their names, without repeated keys."""
    for part in parts:
        if part.table not in tables():
            raise BadRows(f"no table {part.table!r}; known: {sorted(tables())}")
        verify_part(root, part)
    for folder in sorted({(root / part.path).parent for part in parts}):
        make_folder(folder)  # a part that was found may be of a process that died between rename and sync
        sync_folder(folder)
    refuse_keys_repeated_across(root, parts)


def _succeed_in_bucket(root: Path, grow: Callable[[Manifest], Manifest | None]) -> Manifest:
    """Nothing can be renamed or locked there: who comes second grows what came first; None: it is there."""
    if current_in_bucket(root) is None:
        create(root / "CURRENT", _pointer(0, ""))
    while True:
        old = read_current(root)
        new = grow(old)
        if new is None:
            return old
        if succeed(_path(root, new.version), new.model_dump_json().encode(), partial(_pointer, new.version)):
            return new


def _pointer(version: int, sha256: str) -> bytes:
    return Pointer(version=version, sha256=sha256).model_dump_json().encode()


def _grown(
    old: Manifest, run_id: str, parts: list[Partition], without: Sequence[Partition] | None
) -> Manifest:
    gone = set(without or ())
    lost = sorted(part.path for part in gone.difference(*old.parts.values()))
    if lost:
        raise BadInput(f"{lost[0]} is not in version {old.version} any more: it was withdrawn or replaced")
    grown = {
        name: [part for part in old.parts.get(name, []) if part not in gone]
        for name in {**tables(), **old.parts}
    }
    for part in sorted({part.path: part for part in parts}.values(), key=lambda part: part.path):
        grown[part.table].append(part)
    replaced = old.replaced if without is None else {**old.replaced, run_id: list(without)}
    runs = [*old.runs, run_id]
    return Manifest(version=old.version + 1, parent=old.version, runs=runs, parts=grown, replaced=replaced)


def _path(root: Path, version: int) -> Path:
    return root / "snapshots" / f"{version:012d}.json"


def _point_at(root: Path, pointer: Pointer) -> None:
    write_durably(root / "CURRENT", pointer.model_dump_json().encode())


def _read_pointer(root: Path) -> Pointer:
    """What CURRENT says; version 0 for a warehouse that has none yet."""
    name = f"{shown(root)}/CURRENT"
    try:
        data = current_in_bucket(root) if is_remote(root) else _current(root)
        if data is None:
            return Pointer(version=0, sha256="")
        said = json.loads(data)
        if isinstance(said, dict):
            refuse_newer(root, said)
        return Pointer.model_validate(said)
    except FileNotFoundError as error:  # it is written before the first manifest, so there was one
        raise BadInput(f"{name} is gone, though there are versions: restore it from a backup") from error
    except OSError as error:
        raise refusal(f"cannot read {name}", error) from error
    except ValueError as error:
        raise BadInput(f"{name} is no pointer to a version: restore it from a backup") from error


def _current(root: Path) -> bytes | None:
    path = root / "CURRENT"
    there = path.exists() or any((root / "snapshots").glob("[0-9]*.json"))
    return path.read_bytes() if there else None


def _load(root: Path, version: int, sha256: str | None) -> Manifest:
    path = _path(root, version)
    name = f"{shown(root)}/snapshots/{path.name}"
    try:
        data = snapshot_in_bucket(path, sha256) if is_remote(path) else path.read_bytes()
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise BadInput(f"{name} differs from the SHA-256 in CURRENT: restore it from a backup")
        return Manifest.model_validate_json(data)
    except FileNotFoundError as error:
        why = "restore it from a backup" if sha256 else "`seedloom gc` removed that version, or it was lost"
        raise BadInput(f"{name} is gone: {why}") from error
    except OSError as error:
        raise refusal(f"cannot read {name}", error) from error
    except ValidationError as error:
        raise BadInput(f"{name} is no manifest, or it is damaged: restore it from a backup") from error
