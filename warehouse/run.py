"""One unfinished run: what it was asked, on top of which version, and which parts it has made so far.

Everything here can be done again. A stage asks for its work `once`; the answer is found if it was made
before, by this process or by one that was killed. The folder is thrown away when the run is committed.
"""

import datetime
import json
import logging
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from schemas.errors import BadInput, SeedloomError
from schemas.ids import digest
from schemas.partition import Partition
from warehouse.files import write_durably
from warehouse.manifest import Manifest, commit, locked, read_current
from warehouse.parts import is_intact, read_part, write_part

logger = logging.getLogger("seedloom.warehouse")

_progress = logging.getLogger("seedloom.progress")
_PARTS = TypeAdapter(list[Partition])


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

    def read(self, part: Partition) -> pl.DataFrame:
        """The rows of a part."""
        return read_part(self.root, part)

    def once(
        self,
        stage: str,
        inputs: list[Partition],
        settings: dict[str, Any],
        make: Callable[[], dict[str, pl.DataFrame]],
    ) -> list[Partition]:
        """The parts of a stage for these inputs and settings, made only if they were not made before.

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
        made = make().items()
        parts = [write_part(self.root, self.run_id, table, frame) for table, frame in made if frame.height]
        write_durably(ledger, _PARTS.dump_json(parts))
        _say(stage, advance=1)
        return parts

    def earlier(self, sql: str) -> pl.DataFrame:
        """A query over the warehouse as it was when this run began, so that a resumed run sees the same."""
        from warehouse.views import connect

        with connect(self.root, self.base_version) as connection:
            return connection.sql(sql).pl()

    def forget(self, parts: list[Partition]) -> None:
        """Remove parts that shall not be committed; a stage that needs one makes it again."""
        for part in parts:
            (self.root / part.path).unlink(missing_ok=True)

    def commit(self, parts: list[Partition]) -> Manifest:
        """Make the whole run visible and throw its folder away.

        Raises:
            BadRows: when two parts share a key.
            DamagedPart: when a part is missing or altered.
            BadInput: when the warehouse cannot be written.
        """
        row = write_part(self.root, self.run_id, "run", self._row())
        manifest = commit(self.root, self.run_id, [*parts, row])
        from warehouse.views import write_views_file

        try:
            write_views_file(self.root, manifest)
        except SeedloomError as error:  # the run is committed: a file for people with a GUI must not fail it
            logger.warning("%s; it will be renewed by the next run", error)
        shutil.rmtree(self.folder, ignore_errors=True)
        return manifest

    def _found(self, ledger: Path) -> list[Partition] | None:
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
        if note.exists():
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
        write_durably(note, run.model_dump_json(exclude={"root"}).encode())
        return run


def run_id_of(flow: str, name: str, edition: str, parameters: dict[str, Any]) -> str:
    """The id of a run: the same question has the same id."""
    return digest("run", flow, name, edition, parameters)


def is_committed(root: Path, run_id: str) -> bool:
    """Whether a run is visible in the newest version."""
    return run_id in read_current(root).runs


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
