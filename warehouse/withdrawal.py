"""Taking a run back: a new version without its parts. Older versions keep them, so nothing is lost yet.

What the run put in the place of others (`Manifest.replaced`) is put back. What a later run says of its
samples anew, in the place of its own verdicts, goes with it. Withdrawing what was just added gives the
warehouse before it, part for part.
"""

import logging
from pathlib import Path

import polars as pl

from schemas.errors import BadInput, SeedloomError
from schemas.partition import Partition
from warehouse.manifest import Manifest, change, read_current
from warehouse.parts import read_part, write_part

logger = logging.getLogger("seedloom.warehouse")

LISTED = 10  # runs that an error names

Parts = dict[str, list[Partition]]


def run_of(part: Partition) -> str:
    """The run that wrote a part."""
    return part.path.split("/")[2].removeprefix("run=")


def find_run(root: Path, begins: str) -> str:
    """The id of the run in the newest version that begins like this.

    Raises:
        BadInput: when none does, or more than one.
    """
    runs = read_current(root).runs
    found = [run for run in runs if run.startswith(begins)] if begins else []
    if len(found) != 1:
        newest = f"the newest {LISTED} of {len(runs)}" if len(runs) > LISTED else "known"
        many = f"{len(found)} runs match" if found else "no run matches"
        raise BadInput(
            f"{many} {begins!r} in {root}; {newest}: {runs[-LISTED:]}; see `seedloom sql 'from run'`"
        )
    return found[0]


def withdraw(root: Path, run_id: str) -> Manifest:
    """Make a version without a run, and point `warehouse.duckdb` at it.

    Raises:
        BadInput: for an unknown run, or one whose parts a later run replaced: that one comes first.
    """
    from warehouse.views import write_views_file

    manifest = change(root, lambda old: _without(root, old, find_run(root, run_id)))
    try:
        write_views_file(root, manifest)
    except SeedloomError as error:  # the version is there: a file for people with a GUI must not fail it
        logger.warning("%s; it will be renewed by the next run", error)
    return manifest


def _without(root: Path, old: Manifest, run_id: str) -> Manifest:
    mine = old.replaced.get(run_id, [])
    later = [run for run, parts in old.replaced.items() if run_id in map(run_of, parts)]
    if mine and later:
        raise BadInput(f"run {later[-1]} put parts in the place of those of {run_id}: withdraw it first")
    runs = [run for run in old.runs if run != run_id]
    parts = {name: [part for part in some if run_of(part) != run_id] for name, some in old.parts.items()}
    for part in mine:
        parts[part.table].append(part)
    gone = _ids(root, [part for part in old.parts.get("sample", []) if run_of(part) == run_id])
    parts["verdict"] = _forgetting(root, parts.get("verdict", []), set(old.replaced), gone)
    order = {run: number for number, run in enumerate(runs)}  # as if the run had never been
    return Manifest(
        version=old.version + 1,
        parent=old.version,
        runs=runs,
        parts={
            name: sorted(some, key=lambda part: (order.get(run_of(part), -1), part.path))
            for name, some in parts.items()
        },
        replaced={
            run: [part for part in some if run_of(part) != run_id]
            for run, some in old.replaced.items()
            if run != run_id
        },
    )


def _ids(root: Path, samples: list[Partition]) -> pl.DataFrame:
    none = pl.DataFrame(schema={"sample_id": pl.String})
    return pl.concat([none, *(read_part(root, part, ["sample_id"]) for part in samples)])


def _forgetting(
    root: Path, verdicts: list[Partition], judges: set[str], gone: pl.DataFrame
) -> list[Partition]:
    """The verdicts; those of `judges`, who judged samples of others, without what they say of the gone."""
    kept = []
    for part in verdicts:
        if run_of(part) in judges and gone.height:
            part = _rest(root, part, gone)
        kept += [part] if part else []
    return kept


def _rest(root: Path, part: Partition, gone: pl.DataFrame) -> Partition | None:
    rows = read_part(root, part)
    rest = rows.join(gone, on="sample_id", how="anti")
    if rest.height == rows.height:
        return part
    return write_part(root, run_of(part), "verdict", rest) if rest.height else None
