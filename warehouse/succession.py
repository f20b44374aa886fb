"""The next version of a warehouse in a bucket, where nothing can be renamed and nobody can be locked out.

    decided     snapshots/N.json is put if it is absent: of several writers one makes version N.
    published   CURRENT is swapped from N-1 to N, if it still is what was read. Readers look only here.

Whoever finds N decided but not published, of a writer that is slow or dead, publishes it before it makes N+1.
So CURRENT never goes back and never skips a version, and a decided version is never lost.
"""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from schemas.errors import BadInput
from schemas.place import shown
from warehouse.bucket import Found, create, get, swap, under
from warehouse.files import sha256_of, write_durably

_NEVER = {"e_tag": '"00000000000000000000000000000000"', "version": "4611686018427387903"}  # of no state


def succeed(snapshot: Path, data: bytes, pointer: Callable[[str], bytes]) -> bool:
    """Try to make the next version; false when another writer was first: then read again and ask again.

    Args:
        snapshot: path of the manifest; the parts that it names are there already, and so is `CURRENT`.
        data: the manifest.
        pointer: what `CURRENT` shall say of the version, given the SHA-256 of its manifest.

    Raises:
        BadInput: when the store does not keep conditions, or `CURRENT` is gone.
    """
    root = snapshot.parent.parent
    refuse_unconditional(root)
    decided = data if create(snapshot, data) else _read(snapshot).data
    wanted = pointer(hashlib.sha256(decided).hexdigest())
    while True:
        found = _read(root / "CURRENT")
        if _version(found.data) >= _version(wanted):  # published by another one, or long superseded
            return decided == data and found.data == wanted
        if swap(root / "CURRENT", wanted, found.tag):
            return decided == data


def current_in_bucket(root: Path) -> bytes | None:
    """What `CURRENT` says; None when nothing was ever committed.

    Raises:
        FileNotFoundError: when it is gone, though there are versions.
    """
    found = get(root / "CURRENT")
    if found is None and under(root / "snapshots"):
        found = get(root / "CURRENT")  # it comes before the first version: somebody began just now
        if found is None:
            raise FileNotFoundError
    return found.data if found else None


def snapshot_in_bucket(path: Path, sha256: str | None) -> bytes:
    """The bytes of a manifest, from the copy when that is known to be the same.

    Raises:
        FileNotFoundError: when it is gone.
    """
    if sha256 is not None and path.is_file() and sha256_of(path) == sha256:
        return path.read_bytes()
    found = get(path)
    if found is None:
        raise FileNotFoundError
    write_durably(path, found.data)
    return found.data


@cache
def refuse_unconditional(root: Path) -> None:
    """Raise BadInput for a store that takes a condition and does not keep it: a run would be lost."""
    probe = root / "conditional-put-check"
    data = b"Two conditional puts on this object must fail, or this store cannot hold a warehouse.\n"
    create(probe, data)
    if create(probe, data) or swap(probe, data, _NEVER):
        raise BadInput(
            f"{shown(root)}: the store ignores conditions on puts (If-None-Match, If-Match): two writers "
            "would overwrite each other; choose one that keeps them: S3, Google Cloud Storage, R2, MinIO"
        )


def _read(path: Path) -> Found:
    found = get(path)
    if found is None:
        raise BadInput(f"{shown(path.parent)}/{path.name} was there and is gone: restore it from a backup")
    return found


def _version(pointer: bytes) -> int:
    return int(json.loads(pointer)["version"])
