"""Words and pairs of numbers to consecutive numbers, exactly: the inner loops of the counts, compiled.

Two hash tables with open addressing. Equal hashes are not taken for equal words: the bytes are compared, so
that no count depends on luck. Numbers are given in order of first appearance. All is in one file because
numba's cache only sees changes of this file.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from tasks.tokens import words

_U64 = np.uint64
_FNV, _PRIME = _U64(0xCBF29CE484222325), _U64(0x100000001B3)
_MIX, _SPREAD = _U64(0x9E3779B97F4A7C15), _U64(0xD6E8FEB86659FD93)
_SHIFT = _U64(32)
FIRST_ROOM = 1 << 15  # slots of the table of words, which grows


class Numbered(NamedTuple):
    """Occurrences as numbers 0..n_types - 1."""

    types: np.ndarray  # (N,) int64
    n_types: int


def number_words(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The words of texts as in `tasks.tokens`, (N,) int64, and how many each text has, (n,) int64."""
    # ASCII as it is, anything else as its words: a byte above 127 is then always part of a word.
    parts = [text.encode() if text.isascii() else " ".join(words(text)).encode() for text in texts]
    bounds = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=bounds[1:])
    return _words(np.frombuffer(b"".join(parts) or b" ", np.uint8), bounds)


def number_pairs(left: np.ndarray, right: np.ndarray) -> Numbered:
    """Numbers for pairs of numbers below 2^31, (N,) each."""
    if not len(left):
        return Numbered(np.zeros(0, np.int64), 0)
    return Numbered(*_number(left.astype(np.uint64) << _SHIFT | right.astype(np.uint64)))


def first_in_text(types: np.ndarray, text: np.ndarray) -> np.ndarray:
    """Whether a type occurs for the first time in its text, (N,) bool; `text` never decreases."""
    return _first(types, text, int(types.max()) + 1 if len(types) else 0)


@njit(cache=True, nogil=True)
def _words(data: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = len(bounds) - 1
    found = np.empty((len(data) + n) // 2 + 1, np.int64)
    counts = np.zeros(n, np.int64)
    table = np.full(FIRST_ROOM, -1, np.int64)
    starts, sizes = np.empty(FIRST_ROOM, np.int64), np.empty(FIRST_ROOM, np.int64)
    hashes = np.empty(FIRST_ROOM, np.uint64)
    known, total = 0, 0
    lower = _lower_table()
    for text in range(n):
        at, end = bounds[text], bounds[text + 1]
        while at < end:
            if lower[data[at]] == 0:
                at += 1
                continue
            start, code = at, _FNV
            while at < end and lower[data[at]] != 0:
                code = (code ^ _U64(lower[data[at]])) * _PRIME
                at += 1
            code ^= code >> _SHIFT
            slot = _slot(table, hashes, starts, sizes, data, lower, code, start, at - start)
            if table[slot] < 0:
                table[slot], starts[known], sizes[known], hashes[known] = known, start, at - start, code
                known += 1
            found[total] = table[slot]
            total += 1
            counts[text] += 1
            if 2 * known > len(table):
                table = _rehashed(hashes, known, 2 * len(table))
                starts, sizes, hashes = _doubled(starts), _doubled(sizes), _doubled(hashes)
    return found[:total].copy(), counts


@njit(cache=True, nogil=True)
def _lower_table() -> np.ndarray:
    """What each byte counts as: itself, its small letter, or 0 for a byte between words."""
    lower = np.zeros(256, np.uint8)
    for byte in range(256):
        if byte > 127 or 48 <= byte <= 57 or 97 <= byte <= 122:
            lower[byte] = byte
        elif 65 <= byte <= 90:
            lower[byte] = byte + 32
    return lower


@njit(cache=True, nogil=True)
def _slot(
    table: np.ndarray,
    hashes: np.ndarray,
    starts: np.ndarray,
    sizes: np.ndarray,
    data: np.ndarray,
    lower: np.ndarray,
    code: np.uint64,
    start: int,
    size: int,
) -> int:
    """Where a word stands in the table, or the free slot that it takes."""
    mask = len(table) - 1
    slot = np.int64(code * _MIX >> _SHIFT) & mask
    while table[slot] >= 0:
        word = table[slot]
        if hashes[word] == code and sizes[word] == size:
            k = 0
            while k < size and lower[data[starts[word] + k]] == lower[data[start + k]]:
                k += 1
            if k == size:
                return slot
        slot = (slot + 1) & mask
    return slot


@njit(cache=True, nogil=True)
def _rehashed(hashes: np.ndarray, known: int, room: int) -> np.ndarray:
    table = np.full(room, -1, np.int64)
    for word in range(known):
        slot = np.int64(hashes[word] * _MIX >> _SHIFT) & (room - 1)
        while table[slot] >= 0:
            slot = (slot + 1) & (room - 1)
        table[slot] = word
    return table


@njit(cache=True, nogil=True)
def _doubled(values: np.ndarray) -> np.ndarray:
    wide = np.empty(2 * len(values), values.dtype)
    wide[: len(values)] = values
    return wide


@njit(cache=True, nogil=True)
def _number(keys: np.ndarray) -> tuple[np.ndarray, int]:
    types = np.empty(len(keys), np.int64)
    table, seen = np.full(FIRST_ROOM, -1, np.int64), np.empty(FIRST_ROOM, np.uint64)
    known = 0
    for i in range(len(keys)):
        slot = _free(table, seen, keys[i])
        if table[slot] < 0:
            table[slot], seen[known] = known, keys[i]
            known += 1
        types[i] = table[slot]
        if 2 * known > len(table):
            seen = _doubled(seen)
            table = np.full(2 * len(table), -1, np.int64)
            for number in range(known):
                table[_free(table, seen, seen[number])] = number
    return types, known


@njit(cache=True, nogil=True)
def _free(table: np.ndarray, seen: np.ndarray, key: np.uint64) -> int:
    """Where a key stands in the table, or the free slot that it takes."""
    slot = np.int64((key * _MIX ^ key >> _SHIFT) * _SPREAD >> _SHIFT) & (len(table) - 1)
    while table[slot] >= 0 and seen[table[slot]] != key:
        slot = (slot + 1) & (len(table) - 1)
    return slot


@njit(cache=True, nogil=True)
def _first(types: np.ndarray, text: np.ndarray, n_types: int) -> np.ndarray:
    last = np.full(n_types, -1, np.int64)
    first = np.empty(len(types), np.bool_)
    for i in range(len(types)):
        first[i] = last[types[i]] != text[i]
        last[types[i]] = text[i]
    return first
