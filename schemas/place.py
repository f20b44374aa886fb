"""Where a warehouse lies: a folder, or a bucket with a work folder on this machine.

A root `s3://bucket/prefix` or `gs://bucket/prefix` has a work folder `WORK/remote/s3+bucket+prefix`. Its name
is the whole URL, so that every path below it says by itself which object it stands for, on any machine, also
in a worker that got nothing but the path.
"""

import os
import re
from functools import lru_cache
from pathlib import Path, PurePosixPath

from schemas.errors import BadInput

SCHEMES = ("s3", "gs")
REMOTE = "remote"  # the folder of the work folders
LONGEST = 200  # characters of a work folder's name
_URL = re.compile(r"(s3|gs)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/[A-Za-z0-9._=-]+)*/?")
_LIKE_A_URL = re.compile(r"[A-Za-z][A-Za-z0-9.+-]*:/(.*)", re.DOTALL)


def is_url(root: str | Path) -> bool:
    """Whether this names something else than a local folder."""
    return _LIKE_A_URL.match(str(root)) is not None


def work_folder() -> Path:
    """Where the work folders lie unless the settings say otherwise: in the user's data folder (XDG)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "seedloom"


def folder_of(url: str, work: Path) -> Path:
    """The work folder of a bucket's prefix.

    Raises:
        BadInput: for a URL of another kind; it is not repeated, it may hold a password.
    """
    if not _URL.fullmatch(url) or any(part in (".", "..") for part in url.split("/")):
        raise BadInput(
            "--root or SEEDLOOM_ROOT is no folder and no s3://bucket/prefix or gs://bucket/prefix "
            "(letters, digits and . _ = - only; credentials come from the environment)"
        )
    name = url.rstrip("/").replace("://", "+").replace("/", "+")
    if len(name) > LONGEST:
        raise BadInput(f"{url} is longer than {LONGEST} characters: choose a shorter prefix")
    return work.expanduser().absolute() / REMOTE / name


@lru_cache(4096)
def object_of(path: Path) -> tuple[str, str] | None:
    """URL of the root and key below it for which a path stands; None for a path that is only local."""
    if f"{REMOTE}{os.sep}" not in str(path):
        return None
    for folder in (path, *path.parents):
        scheme, _, rest = folder.name.partition("+")
        if rest and scheme in SCHEMES and folder.parent.name == REMOTE:
            return f"{scheme}://{rest.replace('+', '/')}", str(PurePosixPath(path.relative_to(folder)))
    return None


def shown(path: Path) -> str:
    """How a root, or a path below it, is written for people: the URL of the object, else the path."""
    found = object_of(path)
    if found is None:
        return str(path)
    url, key = found
    return url if key == "." else f"{url}/{key}"
