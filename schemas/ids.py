"""Names made from content: the same thing gets the same id on every machine, in every order."""

import hashlib
import json
from typing import Any

FORMAT = 1  # first element of everything that is hashed: a change of rules changes every id


def canonical(value: Any) -> bytes:
    """The one byte string of a JSON value: sorted keys, no spaces, UTF-8.

    Raises:
        ValueError: for NaN and infinities.
        TypeError: for what JSON has no form for, also a key that is no string: 1 and "1" would become one.
        UnicodeEncodeError: for a lone surrogate, which no store could keep.
    """
    _refuse_odd_keys(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest(*parts: Any) -> str:
    """blake2b-128 of the canonical JSON of the parts, as 32 hex digits."""
    return hashlib.blake2b(canonical([FORMAT, *parts]), digest_size=16).hexdigest()


def seed_for(*path: Any) -> int:
    """A 63-bit seed that depends on the path alone, never on order or concurrency."""
    raw = hashlib.blake2b(canonical([FORMAT, "seed", *path]), digest_size=8).digest()
    return int.from_bytes(raw) >> 1


def _refuse_odd_keys(value: Any) -> None:
    if isinstance(value, dict):
        odd = [key for key in value if not isinstance(key, str)]
        if odd:
            raise TypeError(f"key {odd[0]!r} is no string")
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for each in value:
        if isinstance(each, dict | list | tuple):
            _refuse_odd_keys(each)
