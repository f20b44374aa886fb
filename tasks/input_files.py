"""The files that somebody names: arguments to paths, and one digest for all of them."""

import glob
import hashlib
from pathlib import Path

from schemas.errors import BadInput
from tasks.file_formats import FORMATS, named_format
from warehouse.files import sha256_of


def expand_inputs(arguments: list[str]) -> list[Path]:
    """Files, folders and globs as paths, in the order of the arguments and sorted inside each; none twice.

    A path is written as the argument was: what lies in folder `d` is `d/...`. A named file is taken whatever
    it is called; of a folder, every file at any depth whose name promises a known format, save hidden ones.

    Raises:
        BadInput: no argument, or one that finds nothing.
    """
    if not arguments:
        raise BadInput("no input: name files, folders or globs")
    found: dict[Path, Path] = {}
    for path in (path for argument in arguments for path in _expand(argument)):
        found.setdefault(path.resolve(), path)
    return list(found.values())


def _expand(argument: str) -> list[Path]:
    path = Path(argument)
    if path.is_file():
        return [path]
    if path.is_dir():
        return _inside(path)
    names = sorted(glob.glob(argument, recursive=True))
    files = [Path(name) for name in names if Path(name).is_file()]
    if not files:
        raise BadInput(f"no file {argument!r}: looked for a file, a folder and a glob in {Path.cwd()}")
    return files


def _inside(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if not _is_hidden(path.relative_to(folder)))
    files = sorted(path for path in paths if named_format(path) and path.is_file())
    if not files:
        raise BadInput(f"no data in folder {str(folder)!r}: looked for {', '.join(FORMATS)}, also with .gz")
    return files


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def content_digest(paths: list[Path]) -> str:
    """SHA-256 over the names and the bytes of files, in this order: as `sha256sum` prints them, hashed again.

    Raises:
        BadInput: a file cannot be read.
    """
    try:
        listing = "".join(f"{sha256_of(path)}  {path}\n" for path in paths)
    except OSError as error:
        raise BadInput(f"cannot read {error.filename}: {error.strerror}") from error
    return hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()
