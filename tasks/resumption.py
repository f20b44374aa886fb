"""Checkpoints of a training that may be killed at any moment: which of them are whole, and the last one.

A Trainer writes a `checkpoint-N` folder file by file; a kill leaves a part of one that looks like the rest
(transformers #35782). So a folder counts only when it is sealed: `whole.json`, written last and durably,
holds the SHA-256 of every file in it and the identity of the training. Whatever does not match its seal is
thrown away. The seal is also why the pickles in it may be read: they are the ones that this training wrote.
"""

import json
import os
import shutil
from pathlib import Path

from warehouse.files import sha256_of, sync_folder, write_durably

SEAL = "whole.json"


def seal(folder: Path, identity: str) -> None:
    """Make a checkpoint count: its files reach the disk first, then the seal."""
    sync_files(folder)
    facts = {"identity": identity, "files": {file.name: sha256_of(file) for file in _files(folder)}}
    write_durably(folder / SEAL, json.dumps(facts, sort_keys=True).encode())


def is_whole(folder: Path, identity: str) -> bool:
    """Whether a folder is sealed by this training and still holds exactly what was sealed."""
    try:
        facts = json.loads((folder / SEAL).read_bytes())
    except (OSError, ValueError):
        return False
    found = _files(folder)
    return (
        facts["identity"] == identity
        and set(facts["files"]) == {file.name for file in found}
        and all(facts["files"][file.name] == sha256_of(file) for file in found)
    )


def last_whole(folder: Path, identity: str) -> Path | None:
    """The whole checkpoint with the most steps; all folders that are not whole are removed."""
    whole = []
    for checkpoint in _checkpoints(folder):
        if is_whole(checkpoint, identity):
            whole.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    return max(whole, key=_steps, default=None)


def sweep(folder: Path) -> None:
    """Remove what only a resumed training needs: the checkpoints and every pickle beside them."""
    for checkpoint in _checkpoints(folder):
        shutil.rmtree(checkpoint)
    for pickle in [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]:
        pickle.unlink()


def sync_files(folder: Path) -> None:
    """Make the content of every file of a folder durable."""
    for file in _files(folder):
        _sync(file)
    sync_folder(folder)


def _checkpoints(folder: Path) -> list[Path]:
    found = sorted(folder.glob("checkpoint-*")) if folder.is_dir() else []
    return [path for path in found if path.is_dir() and path.name.removeprefix("checkpoint-").isdecimal()]


def _steps(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name != SEAL)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
