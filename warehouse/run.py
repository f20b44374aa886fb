"""One unfinished run: what it was asked, on top of which version, and which parts it has made so far.

Everything here can be done again. A stage asks for its work `once`; the answer is found if it was made
before, by this process or by one that was killed. The folder is thrown away when the run is committed.
"""

import datetime
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from schemas.errors import BadInput, SeedloomError
from schemas.ids import digest
from schemas.partition import Partition
from warehouse.bucket import create, delete, is_remote, under
from warehouse.copies import fetch, upload, upload_folder
from warehouse.files import write_durably
from warehouse.manifest import Manifest, commit, locked, read_current
from warehouse.parts import is_intact, read_part, write_part

logger = logging.getLogger("seedloom.warehouse")

_progress = logging.getLogger("seedloom.progress")
_PARTS = TypeAdapter(list[Partition])
_WITH_FOLDERS = ("release", "checkpoint")  # tables whose rows name a folder of files in `path`


class Run(BaseModel):
    """A run that is being made. Small and serialisable: it travels to every worker."""

    model_config = ConfigDict(frozen=True)
    root: Path
    run_id: str
    flow: str
    name: str
    edition: str
    parameters: dict[str, Any]
    base_version: int
    started_at: str

    @property
    def folder(self) -> Path:
        """Where the run keeps what it needs to be resumed."""
        return self.root / "runs" / self.run_id

    def read(self, part: Partition, columns: list[str] | None = None) -> pl.DataFrame:
        """The rows of a part; all columns, or these."""
        return read_part(self.root, part, columns)

    def once(
        self,
        stage: str,
        inputs: list[Partition],
        settings: dict[str, Any],
        make: Callable[[], Mapping[str, pl.DataFrame | Iterable[pl.DataFrame]]],
    ) -> list[Partition]:
        """The parts of a stage for these inputs and settings, made only if they were not made before.

        `make` gives the rows of each table: one frame, or several of which each becomes a part and is written
        before the next is asked for, so that a stage of millions of rows holds few at a time.

        Parts that were found are read once to compare their SHA-256; a missing or damaged one is made anew.

        Raises:
            BadRows: when `make` returns rows that break the contract of their table.
        """
        key = digest(stage, [part.sha256 for part in inputs], settings)
        ledger = self.folder / "stages" / f"{stage.replace('/', '-')}-{key}.json"
        found = self._found(ledger)
        if found is not None:
            return found
        _say(stage, more=1)
        made = ((table, frame) for table, frames in make().items() for frame in _each(frames))
        parts = [self._written(table, frame) for table, frame in made if frame.height]
        write_durably(ledger, _PARTS.dump_json(parts))
        upload(ledger)  # so that another machine finds what this one has finished
        _say(stage, advance=1)
        return parts

    def earlier(self, sql: str, **frames: pl.DataFrame) -> pl.DataFrame:
        """A query over the warehouse as it was when this run began, so that a resumed run sees the same.

        `frames` are tables beside those of the warehouse, by name.
        """
        from warehouse.views import look

        with look(self.root, self.base_version) as cursor:
            for name, frame in frames.items():
                cursor.register(name, frame)
            return cursor.sql(sql).pl()

    def forget(self, parts: list[Partition]) -> None:
        """Remove parts that shall not be committed; a stage that needs one makes it again."""
        for part in parts:
            (self.root / part.path).unlink(missing_ok=True)
        if is_remote(self.root):
            delete([self.root / part.path for part in parts])

    def commit(self, parts: list[Partition], without: Sequence[Partition] | None = None) -> Manifest:
        """Make the whole run visible and throw its folder away.

        Args:
            parts: all that it made.
            without: of a run that judges samples of earlier ones: the parts whose place its parts take.

        Raises:
            BadRows: when two parts share a key.
            DamagedPart: when a part is missing or altered.
            BadInput: when the warehouse cannot be written.
        """
        row = write_part(self.root, self.run_id, "run", self._row())
        manifest = commit(self.root, self.run_id, [*parts, row], without)
        try:
            self._tell(manifest)
        except SeedloomError as error:  # the run is committed: a file for people with a GUI must not fail it
            logger.warning("%s; it will be renewed by the next run", error)
        shutil.rmtree(self.folder, ignore_errors=True)
        return manifest

    def _tell(self, manifest: Manifest) -> None:
        """What follows a commit and may fail: a file for people with a GUI; in a bucket, sweeping."""
        from warehouse.views import write_views_file

        if is_remote(self.root):
            delete(under(self.folder))
        else:
            write_views_file(self.root, manifest)

    def _written(self, table: str, frame: pl.DataFrame) -> Partition:
        for path in frame["path"] if table in _WITH_FOLDERS else []:
            upload_folder(self.root / path)  # before anybody can read of it
        return write_part(self.root, self.run_id, table, frame)

    def _found(self, ledger: Path) -> list[Partition] | None:
        fetch(ledger)
        try:
            parts = _PARTS.validate_json(ledger.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return parts if all(is_intact(self.root, part) for part in parts) else None

    def _row(self) -> pl.DataFrame:
        row = {
            **self.model_dump(include={"run_id", "flow", "name", "edition", "base_version", "started_at"}),
            "parameters": json.dumps(self.parameters, sort_keys=True),
            "finished_at": _now(),
            "software": f"seedloom {version('seedloom')}",
        }
        return pl.DataFrame([row])


def begin(root: Path, flow: str, name: str, edition: str, parameters: dict[str, Any]) -> Run:
    """Begin a run, or find the one that was begun: (flow, name, edition, parameters) name it.

    Raises:
        BadInput: when the warehouse cannot be read or written.
    """
    run_id = run_id_of(flow, name, edition, parameters)
    note = root / "runs" / run_id / "run.json"
    with locked(root / "WRITER.lock"):  # of two that begin at once, one finds what the other began
        if fetch(note):
            os.utime(note)  # in use: by its age `warehouse.garbage` would take the run for abandoned
            return _begun(root, note)
        run = Run(
            root=root,
            run_id=run_id,
            flow=flow,
            name=name,
            edition=edition,
            parameters=parameters,
            base_version=read_current(root).version,
            started_at=_now(),
        )
        data = run.model_dump_json(exclude={"root"}).encode()
        if is_remote(note) and not create(note, data) and fetch(note):
            return _begun(root, note)  # another machine began it just now
        write_durably(note, data)
        return run


def run_id_of(flow: str, name: str, edition: str, parameters: dict[str, Any]) -> str:
    """The id of a run: the same question has the same id."""
    return digest("run", flow, name, edition, parameters)


def is_committed(root: Path, run_id: str) -> bool:
    """Whether a run is visible in the newest version."""
    return run_id in read_current(root).runs


def _each(frames: pl.DataFrame | Iterable[pl.DataFrame]) -> Iterable[pl.DataFrame]:
    return [frames] if isinstance(frames, pl.DataFrame) else frames


def _begun(root: Path, note: Path) -> Run:
    try:
        return Run.model_validate({**json.loads(note.read_bytes()), "root": root})
    except (ValueError, TypeError) as error:
        raise BadInput(f"{note} is damaged: remove {note.parent} to begin that run anew") from error


def _say(stage: str, more: int = 0, advance: int = 0) -> None:
    """One piece of work of a stage was begun or done: the records that `tasks/progress.py` describes."""
    facts = {"stage": stage.partition("/")[0], "more": more, "advance": advance, "note": ""}
    _progress.info("%s: %s", stage, "done" if advance else "begun", extra=facts)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
