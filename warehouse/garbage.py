"""What no kept version names, and its removal.

Kept are the newest versions, every version that was the newest within the grace (somebody may read it
still), the one that `warehouse.duckdb` shows and those that unfinished runs were begun on. A run is
unfinished while a process holds it, and for the grace after its folder was last touched; then it is
abandoned: its calls stay in the journal, the rest can be made again.

Removed are, in this order, so that being killed at any moment leaves every kept version whole and the rest to
the next time: folders of abandoned runs (renamed first: half a folder must never be resumed), files of views,
exported releases and models, then the manifests of versions, then, when that is durable, the parts; last
the segments of the index of which less than half is of kept parts. All under the lock of the writers, so
that no run begins meanwhile which could find again what is being removed.
"""

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from schemas.errors import BadInput, SeedloomError
from schemas.partition import Partition
from schemas.place import shown
from warehouse.bucket import is_remote
from warehouse.files import TEMPORARY, refusal, sync_folder
from warehouse.manifest import Manifest, locked, read_current, read_version
from warehouse.parts import DamagedPart, read_part
from warehouse.segments import SUFFIX, DamagedSegment, Segment
from warehouse.withdrawal import run_of

KEEP = 30  # versions
GRACE_S = 24 * 3600.0
_EXPORTED = ("release", "checkpoint")  # tables with the path of a folder


class Garbage(NamedTuple):
    """Something that may go."""

    kind: str
    path: Path
    bytes: int


class Kept(NamedTuple):
    """What stays."""

    versions: dict[int, Manifest]
    unfinished: set[str]  # runs

    def parts(self) -> set[Partition]:
        """Parts that a kept version names, also those that would come back."""
        each = (some for m in self.versions.values() for some in [*m.parts.values(), *m.replaced.values()])
        return {part for some in each for part in some}


def collect(root: Path, keep: int = KEEP, grace_s: float = GRACE_S, dry_run: bool = False) -> list[Garbage]:
    """Remove what no kept version names; what was, or would be, removed.

    Args:
        root: the warehouse.
        keep: newest versions that stay, at least 1.
        grace_s: seconds for which nothing goes that was in use, or was written.
        dry_run: only say what would be removed.

    Raises:
        BadInput: for a bucket, a wrong number, or a warehouse that cannot be read or written.
    """
    if is_remote(root):
        raise BadInput(f"{shown(root)}: garbage is collected in folders only; a bucket keeps every version")
    if keep < 1 or grace_s < 0:
        raise BadInput(f"keep {keep} versions for {grace_s} s: at least 1 version, at least 0 s")
    if not (root / "CURRENT").is_file():
        raise BadInput(f"no warehouse at {root}")
    before = time.time() - grace_s
    try:
        with locked(root / "WRITER.lock"), locked(root / "views" / "LOCK"):
            kept = _kept(root, keep, before)
            garbage = [*_runs(root, kept), *_drafts(root, before), *_views(root, kept)]
            garbage += [*_exports(root, kept), *_versions(root, kept), *_parts(root, kept, before)]
            if not dry_run:
                _remove(root, garbage)
        with locked(root / "index" / "LOCK"):  # somebody may be building there for long
            segments = list(_segments(root, kept))
            if not dry_run:
                _remove(root, segments)
    except OSError as error:
        raise refusal(f"cannot collect garbage in {root}", error) from error
    return [*garbage, *segments]


def _kept(root: Path, keep: int, before: float) -> Kept:
    newest = read_current(root).version
    known = _known(root, newest)
    numbers = set(known[-keep:])
    numbers |= {old for old, new in pairwise(known) if _path(root, new).stat().st_mtime > before}
    shows = (root / "warehouse.duckdb").resolve().stem
    numbers |= {int(shows)} & set(known) if shows.isdecimal() else set()
    unfinished = {f.name: f for f in _run_folders(root) if _is_unfinished(f, before)}
    numbers |= {_base(folder) for folder in unfinished.values()} & set(known)
    return Kept({number: read_version(root, number) for number in sorted(numbers)}, set(unfinished))


def _known(root: Path, newest: int) -> list[int]:
    """Versions whose manifest is there; one above the newest is of a killed commit, and no version."""
    numbers = sorted(int(path.stem) for path in (root / "snapshots").glob("[0-9]*.json"))
    return [number for number in numbers if number <= newest]


def _path(root: Path, version: int) -> Path:
    return root / "snapshots" / f"{version:012d}.json"


def _run_folders(root: Path) -> list[Path]:
    return sorted(path for path in (root / "runs").glob("[!.]*") if path.is_dir())


def _is_unfinished(folder: Path, before: float) -> bool:
    """Whether a process holds the run, or anything in its folder was touched within the grace."""
    try:
        if (folder / "LOCK").exists():
            with locked(folder / "LOCK", wait=False):
                pass
    except SeedloomError:
        return True
    return max(path.stat().st_mtime for path in [folder, *folder.rglob("*")]) > before


def _base(folder: Path) -> int:
    """The version that a run was begun on; 0 when its note cannot be read: then nobody can resume it."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return int(json.loads((folder / "run.json").read_bytes())["base_version"])
    return 0


def _runs(root: Path, kept: Kept) -> Iterator[Garbage]:
    for folder in _run_folders(root):
        if folder.name not in kept.unfinished:
            yield _garbage("run", folder)


def _drafts(root: Path, before: float) -> Iterator[Garbage]:
    """What killed writers left under temporary names."""
    for place in (".", "snapshots", "runs", "releases", "models", "data/*/*"):
        for path in root.glob(f"{place}/{TEMPORARY}*"):
            if path.lstat().st_mtime < before:
                yield _garbage("draft", path)


def _views(root: Path, kept: Kept) -> Iterator[Garbage]:
    for path in sorted((root / "views").glob("[0-9]*.duckdb*")):
        if int(path.name.partition(".")[0]) not in kept.versions:
            yield _garbage("view", path)


def _exports(root: Path, kept: Kept) -> Iterator[Garbage]:
    """Folders of releases and models that only versions name which are not kept."""
    staying = _exported(root, kept.versions.values())
    going = _exported(root, _going(root, kept))
    for path in sorted(set(going) - set(staying)):
        folder = root / path
        if (
            going[path] not in kept.unfinished
            and folder.is_dir()
            and root.resolve() in folder.resolve().parents
        ):
            yield _garbage("export", folder)


def _exported(root: Path, manifests: Iterable[Manifest]) -> dict[str, str]:
    """Path of each folder, and the run that made it."""
    parts = {part for manifest in manifests for table in _EXPORTED for part in manifest.parts.get(table, [])}
    found = {}
    for part in parts:
        with contextlib.suppress(DamagedPart):
            found |= dict.fromkeys(read_part(root, part, ["path"])["path"], run_of(part))
    return found


def _going(root: Path, kept: Kept) -> Iterator[Manifest]:
    for number in _known(root, max(kept.versions)):
        if number not in kept.versions:
            with contextlib.suppress(BadInput):  # one that cannot be read goes as well
                yield read_version(root, number)


def _versions(root: Path, kept: Kept) -> Iterator[Garbage]:
    for number in _known(root, max(kept.versions)):
        if number not in kept.versions:
            yield _garbage("version", _path(root, number))


def _parts(root: Path, kept: Kept, before: float) -> Iterator[Garbage]:
    named = {root / part.path for part in kept.parts()}
    for path in sorted(root.glob("data/*/run=*/part-*.parquet")):
        unfinished = path.parent.name.removeprefix("run=") in kept.unfinished
        if path not in named and not unfinished and path.stat().st_mtime < before:
            yield _garbage("part", path)


def _segments(root: Path, kept: Kept) -> Iterator[Garbage]:
    named = {part.sha256 for part in kept.parts()}
    for path in sorted(root.glob(f"index/*/*{SUFFIX}")):
        try:
            parts = Segment(path).header.parts
            live = sum(part.rows for part in parts if part.sha256 in named)
            if 2 * live < sum(part.rows for part in parts):
                yield _garbage("segment", path)
        except DamagedSegment:
            yield _garbage("segment", path)


def _garbage(kind: str, path: Path) -> Garbage:
    inside = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    return Garbage(kind, path, sum(each.lstat().st_size for each in inside if not each.is_dir()))


def _remove(root: Path, garbage: list[Garbage]) -> None:
    """Remove in the order that is given; no part goes before it is durable that no manifest names it."""
    for kind, several in groupby(garbage, key=lambda each: each.kind):
        for each in several:
            _drop(each)
        if kind == "version":
            sync_folder(root / "snapshots")


def _drop(each: Garbage) -> None:
    path = each.path
    if each.kind == "run":
        path = each.path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        os.replace(each.path, path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    if each.kind == "part":
        with contextlib.suppress(OSError):  # others are in it
            path.parent.rmdir()
