"""Objects of a warehouse in a bucket.

Every function takes the path of the copy in the work folder; `schemas.place.object_of` says which object it
stands for. A put is atomic, also a large one in several pieces: half an object is never seen.

obstore (Rust's object_store) does the talking. Credentials, region and endpoint are those of the environment,
as the SDKs of AWS and Google name them. Its errors quote requests and replies, so none is passed on: what is
said here is a line of our own.
"""

import contextlib
import datetime
import os
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from schemas.errors import BadInput, SeedloomError
from schemas.place import object_of, shown

Tag = dict[str, str]  # of one state of an object: ETag on S3, generation on Google Cloud Storage

_RETRIES = {
    "max_retries": 8,
    "backoff": {
        "init_backoff": datetime.timedelta(seconds=0.1),
        "max_backoff": datetime.timedelta(seconds=10),
        "base": 2,
    },
    "retry_timeout": datetime.timedelta(seconds=60),
}
PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)  # seconds
_NO_BUCKET = "<Code>NoSuchBucket"
_ASKED_FOR_CREDENTIALS = ("//169.254.", "//metadata.google", "token request")  # none were in the environment
_SIGN_IN = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION", "GOOGLE_APPLICATION_CREDENTIALS"


class Found(NamedTuple):
    """An object and what names this state of it."""

    data: bytes
    tag: Tag


def is_remote(path: Path) -> bool:
    """Whether a path stands for an object in a bucket."""
    return object_of(path) is not None


def get(path: Path) -> Found | None:
    """An object; None when there is none."""
    with _talking(path) as (store, key):
        import obstore

        with _perhaps_absent():
            answer = obstore.get(store, key)
            return Found(bytes(answer.bytes()), _tag(answer.meta))
    return None


def tail(path: Path, most: int, size: int) -> bytes:
    """The last bytes, at most so many, of an object of a known size; empty when there is none."""
    with _talking(path) as (store, key):
        import obstore

        with _perhaps_absent():
            return bytes(obstore.get_range(store, key, start=max(0, size - most), end=size))
    return b""


def size_of(path: Path) -> int | None:
    """Size of an object in bytes; None when there is none."""
    with _talking(path) as (store, key):
        import obstore

        with _perhaps_absent():
            return obstore.head(store, key)["size"]
    return None


def put(path: Path, data: bytes | Path) -> None:
    """Write an object, over one that may be there."""
    with _talking(path) as (store, key):
        import obstore

        obstore.put(store, key, data)


def create(path: Path, data: bytes) -> bool:
    """Write an object unless there is one; whether it was written. Of several writers one is told so.

    Or none: when the answer to the one that wrote was lost, the request is repeated and finds its own object.

    Raises:
        SeedloomError: when it is neither written nor there, try after try.
    """
    for pause in PAUSES:
        with _talking(path) as (store, key):
            import obstore

            with contextlib.suppress(obstore.exceptions.AlreadyExistsError):
                obstore.put(store, key, data, mode="create")
                return True
        if size_of(path) is not None:
            return False
        time.sleep(pause)  # S3 answers 409 when two write at once, and this may be said to both
    raise SeedloomError(f"{shown(path)} is neither written nor there, {len(PAUSES)} times: try again")


def swap(path: Path, data: bytes, tag: Tag) -> bool:
    """Write an object if it still is in the state with this tag; whether it was written."""
    with _talking(path) as (store, key):
        import obstore

        with _perhaps_absent(), contextlib.suppress(obstore.exceptions.PreconditionError):
            obstore.put(store, key, data, mode=tag)
            return True
    return False


def under(path: Path) -> list[Path]:
    """The paths of all objects below a folder, in order."""
    with _talking(path) as (store, key):
        import obstore

        found = [each["path"] for batch in obstore.list(store, f"{key}/", chunk_size=1000) for each in batch]
    return sorted(path / Path(each).relative_to(key) for each in found)


def delete(paths: list[Path]) -> None:
    """Remove objects; those that are gone do not matter."""
    if not paths:
        return
    with _talking(paths[0]) as (store, _):
        import obstore

        obstore.delete(store, [_located(path)[1] for path in paths])


def _tag(meta: Any) -> Tag:
    return {name: meta[name] for name in ("e_tag", "version") if meta.get(name)}


def _located(path: Path) -> tuple[str, str]:
    found = object_of(path)
    if found is None:
        raise ValueError(f"{path} stands for no object")
    return found


@contextlib.contextmanager
def _talking(path: Path) -> Iterator[tuple[Any, str]]:
    """The store and the key of an object; what goes wrong becomes one line without the library's words.

    Raises:
        BadInput: for a missing library, bucket or right.
        SeedloomError: when the store does not answer.
    """
    url, key = _located(path)
    try:
        from obstore.exceptions import BaseError
    except ImportError:
        extra = url.partition(":")[0]
        raise BadInput(f"{url} needs the library obstore: pip install -e '.[{extra}]'") from None
    try:
        yield _store(url, hash(_environment())), key
    except (BaseError, FileNotFoundError) as error:
        raise _explained(url, error) from None


@contextlib.contextmanager
def _perhaps_absent() -> Iterator[None]:
    """An object that is not there is an answer; a bucket that is not there is none."""
    try:
        yield
    except FileNotFoundError as error:
        if _NO_BUCKET in str(error):
            raise


def _explained(url: str, error: Exception) -> SeedloomError:
    """One line about what went wrong; of the library's words only the status of the reply is kept."""
    from obstore.exceptions import NotSupportedError, PermissionDeniedError, UnauthenticatedError

    said = str(error)
    status = re.search(r"status code: ([1-5]\d\d [A-Za-z ]{2,30})", said)
    sign_in = _SIGN_IN[url.startswith("gs:")]
    if _NO_BUCKET in said:
        return BadInput(f"{url}: no such bucket; create it, or choose another --root")
    if isinstance(error, NotSupportedError):
        return BadInput(f"{url}: conditional puts are switched off; unset AWS_CONDITIONAL_PUT")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return BadInput(f"{url}: the store refuses these credentials; {sign_in} in the environment name them")
    if any(word in said for word in _ASKED_FOR_CREDENTIALS):
        return BadInput(f"{url}: no credentials; the environment names them by {sign_in}")
    if status and status[1][0] == "4" and status[1][:3] not in ("408", "409", "429"):
        return BadInput(f"{url}: the store refuses the request ({status[1].strip()}); is the region right?")
    what = f"it answers {status[1].strip()}" if status else "no answer that makes sense"
    return SeedloomError(f"{url}: {what}; try again, or mend the network or AWS_ENDPOINT_URL")


def _environment() -> tuple[tuple[str, str], ...]:
    """What a store reads when it is made."""
    return tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith(("AWS_", "GOOGLE_"))))


@lru_cache(8)
def _store(url: str, environment: int) -> Any:
    """The store of a root; made anew when the environment has changed, of which `environment` is a hash."""
    from obstore.store import from_url

    own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    if url.startswith("gs:"):
        own = os.environ.get("GOOGLE_BASE_URL", "")
    asked_for = own.startswith("http://") or os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"
    return from_url(url, client_options={"allow_http": asked_for}, retry_config=_RETRIES)
