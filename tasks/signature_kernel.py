"""The inner loops of MinHash, compiled: from the bytes of many texts to words, shingles and signatures.

What they compute, and what may not change without a new name, is in `tasks.shingles.contract`.

Text is read 8 bytes at a time and words are found from bit masks, not byte by byte: on stories the byte loop
was four times as slow, since the end of a word is a branch that no processor predicts. Everything that one
text needs stays in the first-level cache. All of it is in one file because numba's cache only sees changes of
this file.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

K = 128  # minima in a signature

_U8, _U32, _U64 = np.uint8, np.uint32, np.uint64
_ZERO, _ONE, _SEVEN, _EIGHT, _HALF, _LAST, _WIDE = (_U64(n) for n in (0, 1, 7, 8, 32, 63, 64))
_ALL = _U64(0xFFFFFFFFFFFFFFFF)
_LOW7, _HIGH1, _GATHER = _U64(0x7F7F7F7F7F7F7F7F), _U64(0x8080808080808080), _U64(0x0102040810204080)
_SEED, _MIX = _U64(0x9E3779B97F4A7C15), _U64(0xD6E8FEB86659FD93)
_ROLL, _FINISH = _U64(0xC2B2AE3D27D4EB4F), _U64(0xFF51AFD7ED558CCD)


class Scratch(NamedTuple):
    """Memory that one text after the other uses."""

    low: np.ndarray  # (bytes,) uint8, lower-cased letters, zero elsewhere
    low8: np.ndarray  # the same memory, as uint64
    bits: np.ndarray  # (bytes / 8,) uint8, one bit per byte of `low` that is not zero
    bits8: np.ndarray  # the same memory, as uint64
    edges: np.ndarray  # int32, where words begin and end, by turns
    words: np.ndarray  # uint64
    shingles: np.ndarray  # uint64
    slots: np.ndarray  # uint64, hash table of the shingles seen


@njit(cache=True, nogil=True)
def sign(
    data: np.ndarray,
    ends: np.ndarray,
    n: int,
    permutations: np.ndarray,
    minima: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Signatures of many texts, written where the caller wants them.

    Args:
        data: (bytes,) uint8, the texts one after the other.
        ends: (m + 1,) int64, text i is data[ends[i]:ends[i + 1]]; m is at least 1.
        n: words per shingle.
        permutations: (2, K) uint32, odd multipliers and offsets.
        minima: (m, K) uint32, is filled; 2^32 - 1 throughout for a text without words.
        counts: (m,) int64, is filled with the number of distinct shingles.
    """
    scratch = _scratch(ends)
    mixed = np.empty(len(scratch.shingles), np.uint32)
    for i in range(len(counts)):
        n_shingles = _shingle(data[ends[i] : ends[i + 1]], n, scratch)
        counts[i] = _count_distinct(scratch.shingles, n_shingles, scratch.slots)
        _fmix32(scratch.shingles, n_shingles, mixed)
        _permute(mixed, n_shingles, permutations[0], permutations[1], minima[i])


@njit(cache=True, nogil=True)
def shingle_sets(data: np.ndarray, ends: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct shingles of many texts, ascending: (m + 1,) int64 bounds and the uint64 hashes end to end."""
    m = len(ends) - 1
    scratch = _scratch(ends)
    bounds = np.zeros(m + 1, np.int64)
    hashes = np.empty((ends[m] - ends[0]) // 2 + m, np.uint64)
    for i in range(m):
        ordered = np.sort(scratch.shingles[: _shingle(data[ends[i] : ends[i + 1]], n, scratch)])
        bounds[i + 1] = bounds[i]
        for j in range(len(ordered)):
            if j == 0 or ordered[j] != ordered[j - 1]:
                hashes[bounds[i + 1]] = ordered[j]
                bounds[i + 1] += 1
    return bounds, hashes[: bounds[m]].copy()


@njit(cache=True, nogil=True)
def normalise(data: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Words of many texts, each with a space behind it: (m + 1,) int64 bounds and the bytes end to end."""
    m = len(ends) - 1
    scratch = _scratch(ends)
    bounds = np.zeros(m + 1, np.int64)
    plain = np.empty(ends[m] - ends[0] + m, np.uint8)
    for i in range(m):
        at = bounds[i]
        for word in range(_find_words(data[ends[i] : ends[i + 1]], scratch)):
            for place in range(scratch.edges[2 * word], scratch.edges[2 * word + 1]):
                plain[at] = scratch.low[place]
                at += 1
            plain[at] = 32  # a space, also behind the last word
            at += 1
        bounds[i + 1] = at
    return bounds, plain[: bounds[m]].copy()


@intrinsic
def _lowest_bit(typing_context: Any, word: Any) -> Any:
    """Place of the lowest set bit of a uint64, 64 when there is none."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@njit(cache=True, nogil=True)
def _scratch(ends: np.ndarray) -> Scratch:
    longest = (ends[1:] - ends[:-1]).max()
    low8 = np.zeros(longest // 64 * 8 + 9, np.uint64)  # one more word: `_load` reads past the last byte
    bits8 = np.zeros(longest // 64 + 1, np.uint64)
    most = longest // 2 + 1
    return Scratch(
        low8.view(np.uint8), low8, bits8.view(np.uint8), bits8, np.empty(longest + 2, np.int32),
        np.empty(most, np.uint64), np.empty(most, np.uint64), np.empty(8 * most + 16, np.uint64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _hash_words(text: np.ndarray, scratch: Scratch) -> int:
    """Fill `scratch.words`; how many there are."""
    n_words = _find_words(text, scratch)
    for word in range(n_words):
        place = _U64(scratch.edges[2 * word])
        left = _U64(scratch.edges[2 * word + 1]) - place
        h = _SEED
        while left > _EIGHT:
            h = _mix(h ^ _load(scratch.low8, place), _MIX)
            place += _EIGHT
            left -= _EIGHT
        tail = _load(scratch.low8, place) & (_ALL >> (_WIDE - left * _EIGHT))
        scratch.words[word] = _mix(h ^ tail, _MIX)
    return n_words


@njit(cache=True, nogil=True)
def _find_words(text: np.ndarray, scratch: Scratch) -> int:
    """Fill `scratch.edges`; how many words there are."""
    n_masks = len(text) // 64 + 1
    _lower(text, n_masks * 64, scratch.low)
    for j in range(n_masks * 8):
        x = scratch.low8[j]
        filled = (((x & _LOW7) + _LOW7) | x) & _HIGH1  # highest bit of each byte that is not zero
        scratch.bits[j] = _U8(((filled >> _SEVEN) * _GATHER) >> _U64(56))
    found = 0
    carry = _ZERO
    for j in range(n_masks):
        mask = scratch.bits8[j]
        changes = mask ^ ((mask << _ONE) | carry)
        carry = mask >> _LAST
        while changes != _ZERO:
            scratch.edges[found] = 64 * j + np.int64(_lowest_bit(changes))
            found += 1
            changes &= changes - _ONE
    return found // 2


@njit(cache=True, nogil=True)
def _lower(text: np.ndarray, padded: int, low: np.ndarray) -> None:
    """Lower-case letters of words, zero for all else and behind the end; all uint8, so that it vectorises."""
    for i in range(len(text)):
        c = text[i]
        c = _U8(c | _U8(32)) if _U8(c - _U8(65)) < _U8(26) else c
        kept = (_U8(c - _U8(97)) < _U8(26)) | (_U8(c - _U8(48)) < _U8(10)) | (c >= _U8(128))
        low[i] = c if kept else _U8(0)
    low[len(text) : padded] = 0


@njit(cache=True, nogil=True)
def _load(low8: np.ndarray, place: int) -> int:
    """The 8 bytes from a place on, which need not be a multiple of 8."""
    shift = (place & _SEVEN) * _EIGHT
    word = place >> _U64(3)
    return (low8[word] >> shift) | ((low8[word + _ONE] << _ONE) << (_LAST - shift))


@njit(cache=True, nogil=True)
def _mix(x: int, multiplier: int) -> int:
    x = x * multiplier
    return x ^ (x >> _HALF)


@njit(cache=True, nogil=True)
def _shingle(text: np.ndarray, n: int, scratch: Scratch) -> int:
    """Fill `scratch.shingles`; how many there are, repeated ones included."""
    n_words = _hash_words(text, scratch)
    n_shingles = max(min(1, n_words), n_words - n + 1)
    shingles = scratch.shingles[:n_shingles]
    shingles[:] = scratch.words[:n_shingles]
    for j in range(1, min(n, n_words)):  # not rolled word by word: this way round it vectorises
        later = scratch.words[j : j + n_shingles]
        for i in range(n_shingles):
            shingles[i] = shingles[i] * _ROLL + later[i]
    for i in range(n_shingles):
        shingles[i] = _mix(shingles[i], _FINISH)
    return n_shingles


@njit(cache=True, nogil=True)
def _count_distinct(shingles: np.ndarray, n: int, slots: np.ndarray) -> int:
    """Distinct values by open addressing; zero marks a free slot, so the hash 0 counts as 1."""
    size = 16
    while size < 4 * n:  # most slots stay free, so that collisions are rare
        size *= 2
    slots[:size] = 0
    mask = _U64(size - 1)
    distinct = 0
    for i in range(n):
        value = max(shingles[i], _ONE)
        slot = value & mask
        while slots[slot] != _ZERO and slots[slot] != value:
            slot = (slot + _ONE) & mask
        distinct += slots[slot] == _ZERO
        slots[slot] = value
    return distinct


@njit(cache=True, nogil=True)
def _fmix32(shingles: np.ndarray, n: int, mixed: np.ndarray) -> None:
    """MurmurHash3's finaliser, which datasketch applies to every hash before it permutes."""
    for i in range(n):
        x = _U32(shingles[i])
        x = _U32((x ^ (x >> _U32(16))) * _U32(0x85EBCA6B))
        x = _U32((x ^ (x >> _U32(13))) * _U32(0xC2B2AE35))
        mixed[i] = _U32(x ^ (x >> _U32(16)))


@njit(cache=True, nogil=True)
def _permute(mixed: np.ndarray, n: int, a: np.ndarray, b: np.ndarray, minima: np.ndarray) -> None:
    """Minima of a * x + b mod 2^32; four values at a time, so that a and b are read a quarter as often."""
    minima[:] = 0xFFFFFFFF
    for j in range(0, n - 3, 4):
        p, q, r, s = mixed[j], mixed[j + 1], mixed[j + 2], mixed[j + 3]
        for k in range(K):
            left = min(_U32(a[k] * p + b[k]), _U32(a[k] * q + b[k]))
            right = min(_U32(a[k] * r + b[k]), _U32(a[k] * s + b[k]))
            minima[k] = min(minima[k], min(left, right))
    for j in range(n // 4 * 4, n):
        for k in range(K):
            minima[k] = min(minima[k], _U32(a[k] * mixed[j] + b[k]))
