"""Readers of sources: how files become rows that trees grow from; modules tasks/*_reader.py declare them."""

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from schemas.errors import BadInput
from schemas.recipe import Recipe, Source
from tasks.export import FORMS, SPLITS
from tasks.input_files import expand_inputs
from tasks.pool import SEEDS
from tasks.records import Bad
from warehouse.copies import fetch_folder, folders


class Reading(NamedTuple):
    """What a reader is asked for."""

    paths: list[Path]
    source: Source
    count: int  # rows wanted, or all when there are fewer
    seed: int  # draws which


class SourceRow(NamedTuple):
    """One row that a tree grows from."""

    text: str
    fields: dict[str, Any]  # by the names of `source.fields`
    origin: str
    line: int
    origin_id: str | None = None


Reader = Callable[[Reading], Iterator[SourceRow | Bad]]
READERS: dict[str, Reader] = {}


def reader(name: str) -> Callable[[Reader], Reader]:
    """Register a reader: a recipe calls it `source.reader = "name"`."""

    def registered(function: Reader) -> Reader:
        READERS[name] = function
        return function

    return registered


@cache
def readers() -> dict[str, Reader]:
    """All readers by name: those of every module tasks/*_reader.py."""
    for file in sorted(Path(__file__).parent.glob("*_reader.py")):
        importlib.import_module(f"tasks.{file.stem}")
    return READERS


def seed_file(name: str) -> Path:
    """A file of tasks/seeds.

    Raises:
        BadInput: when it is not there.
    """
    path = SEEDS / name
    if not path.is_file():
        raise BadInput(f"no file {name!r} in tasks/seeds; known: {sorted(p.name for p in SEEDS.iterdir())}")
    return path


def source_paths(recipe: Recipe, files: list[str], root: Path) -> list[Path]:
    """The files that a recipe reads: the user's, else its own; of a release one, its training rows.

    Args:
        recipe: with a source, or nothing is read.
        files: files, folders, globs, or ids of releases of the warehouse (their beginning is enough).
        root: of the warehouse.

    Raises:
        BadInput: when a name finds no file and is the beginning of no release, or of several.
    """
    if recipe.source is None:
        return []
    if not files:
        return [seed_file(each) for each in recipe.source.file.split()]
    paths = expand_inputs([_file_or_release(each, root) for each in files])
    whole = recipe.source.reader == "mixture"  # which takes conversations; others ask for an instruction
    return one_form(paths, list(FORMS) if whole else ["alpaca", *FORMS])


def one_form(paths: list[Path], forms: list[str]) -> list[Path]:
    """The files without those of a release that hold the same rows again, or its held-out ones.

    Args:
        paths: any files.
        forms: forms of a release, the one that is wanted most first.
    """
    releases: dict[Path, list[Path]] = {}
    for path in paths:
        if is_of_release(path):
            releases.setdefault(path.parent.parent, []).append(path)

    def rank(path: Path) -> tuple[int, int]:
        return SPLITS.index(path.stem), forms.index(path.parent.name)

    chosen = {min(files, key=rank) for files in releases.values()}
    return [path for path in paths if not is_of_release(path) or path in chosen]


def is_of_release(path: Path) -> bool:
    """Whether a file is one of those that `tasks.export` writes."""
    return path.parent.name in FORMS and path.stem in SPLITS and path.suffix == ".parquet"


def _file_or_release(name: str, root: Path) -> str:
    if Path(name).exists() or not name.isalnum():
        return name
    found = [each for each in folders(root / "releases") if each.name.startswith(name)]
    if len(found) > 1:
        names = [each.name for each in found[:5]]
        raise BadInput(f"--source {name}: {len(found)} releases begin so: {names}")
    return str(fetch_folder(found[0])) if found else name
