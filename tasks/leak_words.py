"""Texts as the words of evaluation sets, compiled: what decontamination compares.

Words as in `tasks.tokens`, in any language, known by a 64-bit hash: among ten million different words two
share one with probability 3e-6.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit

from tasks.tokens import words

UNKNOWN = -1  # a word of no evaluation text
_ONE, _HALF = np.uint64(1), np.uint64(32)
_SEED, _STEP, _MIX = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0x100000001B3, 0xD6E8FEB86659FD93))

# What each byte counts as: itself, its small letter, or 0 for one between words.
_LOWER = np.array([b if b > 127 else ord(chr(b).lower()) * chr(b).isalnum() for b in range(256)], np.uint8)


class Table(NamedTuple):
    """Keys to their place in the list they came from, by open addressing."""

    keys: np.ndarray  # (2^k,) uint64
    places: np.ndarray  # (2^k,) int32, -1 where free


class Lists(NamedTuple):
    """Lists end to end."""

    bounds: np.ndarray  # (n + 1,) int64, list i is items[bounds[i]:bounds[i + 1]]
    items: np.ndarray  # int32


def hashed_words(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The words of texts, end to end.

    Returns:
        Bounds, (n + 1,) int64, and hashes, uint64: the words of text i are hashes[bounds[i]:bounds[i + 1]].
    """
    # ASCII as it is, anything else as its words: a byte above 127 is then always part of a word.
    parts = [text.encode() if text.isascii() else " ".join(words(text)).encode() for text in texts]
    ends = np.zeros(len(parts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, parts), np.int64, len(parts)), out=ends[1:])
    return _hashed(np.frombuffer(b"".join(parts), np.uint8), ends, _LOWER)


def known_words(texts: pl.Series, vocabulary: Table) -> Lists:
    """The words of texts as their places in a vocabulary, UNKNOWN for all others."""
    bounds, hashes = hashed_words(texts)
    return Lists(bounds, look_up(vocabulary, hashes))


@njit(cache=True, nogil=True)
def table_of(keys: np.ndarray) -> Table:
    """A table of different keys, (n,) uint64."""
    size = 16
    while size < 3 * len(keys):
        size *= 2
    table, mask = Table(np.zeros(size, np.uint64), np.full(size, -1, np.int32)), np.uint64(size - 1)
    for i in range(len(keys)):
        slot = keys[i] & mask
        while table.places[slot] >= 0:
            slot = (slot + _ONE) & mask
        table.keys[slot], table.places[slot] = keys[i], i
    return table


@njit(cache=True, nogil=True)
def look_up(table: Table, keys: np.ndarray) -> np.ndarray:
    """The place of each key, (n,) int32; -1 for one that is not in the table."""
    mask, places = np.uint64(len(table.keys) - 1), np.empty(len(keys), np.int32)
    for i in range(len(keys)):
        slot = keys[i] & mask
        while table.places[slot] >= 0 and table.keys[slot] != keys[i]:
            slot = (slot + _ONE) & mask
        places[i] = table.places[slot]
    return places


@njit(cache=True, nogil=True)
def _hashed(data: np.ndarray, ends: np.ndarray, lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FNV-1a over the bytes of each word, mixed once at the end."""
    hashes = np.empty((len(data) + len(ends)) // 2 + 1, np.uint64)
    bounds, n = np.zeros(len(ends), np.int64), 0
    for i in range(len(ends) - 1):
        h = _SEED
        for byte in data[ends[i] : ends[i + 1]]:
            letter = lower[byte]
            if letter:
                h = (h ^ np.uint64(letter)) * _STEP
            elif h != _SEED:
                hashes[n], h, n = _mixed(h), _SEED, n + 1
        if h != _SEED:
            hashes[n], n = _mixed(h), n + 1
        bounds[i + 1] = n
    return bounds, hashes[:n].copy()


@njit(cache=True, nogil=True)
def _mixed(h: int) -> int:
    h = h * _MIX
    return h ^ (h >> _HALF)
