"""Copies in the work folder of what a warehouse in a bucket holds: files beside the tables, and small notes.

Objects do not change once they are there, but for `CURRENT`, so a copy is as good as the object. Nothing here
does anything for a path that is only local.
"""

from pathlib import Path

from warehouse.bucket import get, is_remote, put, under
from warehouse.files import write_durably


def fetch(path: Path) -> bool:
    """See to it that an object has a copy in the work folder; whether there is one."""
    if path.is_file():
        return True
    found = get(path) if is_remote(path) else None
    if found is not None:
        write_durably(path, found.data)
    return found is not None


def fetch_folder(folder: Path) -> Path:
    """The folder, with a copy of every object below it; one that is only local stays as it is."""
    if is_remote(folder):
        for path in under(folder):
            fetch(path)
    return folder


def folders(path: Path) -> list[Path]:
    """The folders in a folder, in order; in a bucket also those that have no copy here."""
    local = {each for each in path.glob("[!.]*") if each.is_dir()}
    keys = [each.relative_to(path).parts for each in under(path)] if is_remote(path) else []
    return sorted(local | {path / parts[0] for parts in keys if len(parts) > 1})


def upload(path: Path) -> None:
    """Write a file as an object."""
    if is_remote(path):
        put(path, path)


def upload_folder(folder: Path) -> None:
    """Write every file of a folder as an object."""
    if is_remote(folder):
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            put(path, path)
