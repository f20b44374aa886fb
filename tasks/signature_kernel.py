"""The inner loops of MinHash, compiled: from the bytes of many texts to words, shingles and signatures.

What they compute, and what may not change without a new name, is in `tasks.shingles.contract`.

The floor is the multiplier: the 128 permutations of a shingle are 8 vectors of 16 products, sums and minima,
16 cycles where vectors have 512 bits. So minima, multipliers and offsets stay in registers while the shingles
of a text pass; all else is done 16 words or shingles or 64 bytes at a time, and in the shadow of the
multiplier where that is possible. Texts are read where Arrow has them, without a copy. What one text needs
stays in the first-level cache.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from tasks import hash_lanes, lanes
from tasks.lanes import WIDTH, K
from tasks.text_memory import Texts

# First digits of the SHA-256 of files that are compiled into this one, the only one numba's cache sees.
COMPILED_IN = {
    "lanes": "42dabcafd0d1b643",
    "hash_lanes": "2d62d59e24b3df65",
    "text_memory": "3b1fff617238c190",
}
_MARKS = 1 << 14  # places for marks, twice; with all the rest they fit the first-level cache
_SUSPECTS = 64  # shingles of a text that are looked up one by one

_U8, _U32, _U64 = np.uint8, np.uint32, np.uint64
_ZERO, _ONE, _EIGHT, _HALF, _LAST, _WIDE, _STEP = (_U64(n) for n in (0, 1, 8, 32, 63, 64, WIDTH))
_ALL, _HIGH = _U64(0xFFFFFFFFFFFFFFFF), _U64(0x8080808080808080)
_SEED, _MIX = hash_lanes.SEED, hash_lanes.MIX


class Scratch(NamedTuple):
    """Memory that one text after the other uses."""

    edges: np.ndarray  # int32, where words begin and end, by turns
    words: np.ndarray  # uint64
    long: np.ndarray  # int32, which words have more than 8 bytes
    shingles: np.ndarray  # uint64
    mixed: np.ndarray  # uint32, fmix32 of the shingles
    marks: np.ndarray  # (2 * _MARKS,) uint8, the last of 255 texts that had such a shingle
    suspects: np.ndarray  # (_SUSPECTS,) int64


@njit(cache=True, nogil=True)
def sign(
    texts: Texts, n: int, rewritten: bool, permutations: np.ndarray, minima: np.ndarray, counts: np.ndarray
) -> None:
    """Signatures of many texts, written where the caller wants them.

    Args:
        texts: m texts, at least one.
        n: words per shingle.
        rewritten: whether all bytes that are not ASCII are part of words.
        permutations: (2 * K,) uint32, odd multipliers and offsets.
        minima: (m * K,) uint32, is filled; 2^32 - 1 throughout for a text without words.
        counts: (m,) int64, is filled with the number of distinct shingles; -1 for a text that must be
            rewritten first, whose minima are left as they are.
    """
    scratch = _scratch(texts.lengths)
    mark = 0
    for i in range(len(counts)):
        mark += 1
        if mark == 256:
            scratch.marks[:] = 0
            mark = 1
        n_words = _find_words(texts.places[i], texts.lengths[i], rewritten, scratch.edges)
        counts[i] = -1
        if n_words >= 0:
            _hash_words(texts.places[i], n_words, scratch)
            n_shingles = _shingle(n_words, n, scratch)
            repeated = _permute(n_shingles, _U8(mark), scratch, permutations, minima, _U64(i * K))
            counts[i] = n_shingles - repeated


@njit(cache=True, nogil=True)
def shingle_sets(texts: Texts, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct shingles of texts, ASCII or rewritten: (m + 1,) int64 bounds; uint64, ascending in each."""
    m = len(texts.lengths)
    scratch = _scratch(texts.lengths)
    bounds = np.zeros(m + 1, np.int64)
    hashes = np.empty(texts.lengths.sum() // 2 + m, np.uint64)
    end = 0
    for i in range(m):
        n_words = _find_words(texts.places[i], texts.lengths[i], True, scratch.edges)
        _hash_words(texts.places[i], n_words, scratch)
        n_shingles = _shingle(n_words, n, scratch)
        ordered = _ordered(scratch.shingles[:n_shingles], scratch.words)
        for j in range(n_shingles):
            hashes[end] = ordered[j]
            end += j + 1 == n_shingles or ordered[j] != ordered[j + 1]
        bounds[i + 1] = end
    return bounds, hashes[: bounds[m]]


@njit(cache=True, nogil=True)
def _ordered(values: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Hashes ascending: dealt by their highest bits, which few share, then moved up; a seventh of a sort."""
    n = len(values)
    bits = np.int64(np.ceil(np.log2(max(n, 2))))
    shift = _U64(64 - bits)
    ends = np.zeros(1 << bits, np.int32)
    for value in values:
        ends[value >> shift] += 1
    if ends.max() > 32:  # one shingle many times
        return np.sort(values)
    end = 0
    for i in range(1 << bits):
        ends[i], end = end, end + ends[i]
    ordered = room[:n]
    for value in values:
        ordered[ends[value >> shift]] = value
        ends[value >> shift] += 1
    for i in range(1, n):  # most of what must move moves one up: without a branch
        low, high = ordered[i - 1], ordered[i]
        ordered[i - 1], ordered[i] = min(low, high), max(low, high)
    for i in range(1, n):
        value, j = ordered[i], i
        while j > 0 and ordered[j - 1] > value:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = value
    return ordered


@njit(cache=True, nogil=True)
def _scratch(lengths: np.ndarray) -> Scratch:
    longest = lengths.max()
    words = longest // 2 + 1 + 2 * WIDTH  # vectors may go over the end
    return Scratch(
        np.empty(2 * words + 128, np.int32), np.empty(words, np.uint64), np.empty(words, np.int32),
        np.empty(words, np.uint64), np.empty(words, np.uint32),
        np.zeros(2 * _MARKS, np.uint8), np.empty(_SUSPECTS, np.int64),
    )  # fmt: skip


@njit(forceinline=True)
def _find_words(text: int, length: int, rewritten: bool, edges: np.ndarray) -> int:
    """Fill `edges`; how many words there are, -1 if the text must be rewritten."""
    found = carry = place = foreign = _ZERO
    while place <= _U64(length):
        letters = lanes.word_bytes(text + place, _U64(length) - place)
        foreign |= lanes.foreign_bytes(text + place) & letters
        changes = letters ^ ((letters << _ONE) | carry)
        carry = letters >> _LAST
        if lanes.packs():
            lanes.put_places(changes, place, edges, found)
            found += lanes.ones(changes)
        else:
            while changes != _ZERO:
                edges[found] = place + lanes.lowest_bit(changes)
                found += _ONE
                changes &= changes - _ONE
        place += _WIDE
    return -1 if foreign != _ZERO and not rewritten else np.int64(found >> _ONE)


@njit(forceinline=True)
def _hash_words(text: int, n_words: int, scratch: Scratch) -> None:
    """Fill `scratch.words`: 16 at a time by their first 8 bytes, then the longer ones one by one."""
    word = n_long = _ZERO
    while word < _U64(n_words):
        left = _U64(n_words) - word
        n_long = hash_lanes.hash_16(text, scratch.edges, word, left, scratch.words, scratch.long, n_long)
        word += _STEP
    for i in range(n_long):
        word = _U64(scratch.long[i])
        place, stop = text + _U64(scratch.edges[word + word]), text + _U64(scratch.edges[word + word + _ONE])
        h = _SEED
        while stop - place > _EIGHT:
            h = _mix(h ^ _lower(lanes.load(place)), _MIX)
            place += _EIGHT
        tail = _lower(lanes.load(place)) & (_ALL >> ((_EIGHT - (stop - place)) * _EIGHT))
        scratch.words[word] = _mix(h ^ tail, _MIX)


@njit(forceinline=True)
def _lower(block: int) -> int:
    """8 bytes: ASCII letters lower-case; bytes that are not part of a word may change."""
    return block | ((~block & _HIGH) >> _U64(2))


@njit(forceinline=True)
def _mix(x: int, multiplier: int) -> int:
    x = x * multiplier
    return x ^ (x >> _HALF)


@njit(forceinline=True)
def _shingle(n_words: int, n: int, scratch: Scratch) -> int:
    """Fill `scratch.shingles` and `scratch.mixed`; how many there are, repeated ones included."""
    n_shingles = max(min(1, n_words), n_words - n + 1)
    at = _ZERO
    while at < _U64(n_shingles):
        rolled = hash_lanes.words_from(scratch.words, at)
        for j in range(1, min(n, n_words)):
            rolled = hash_lanes.append(rolled, hash_lanes.words_from(scratch.words, at + _U64(j)))
        hash_lanes.put_shingles(rolled, scratch.shingles, scratch.mixed, at)
        at += _STEP
    return n_shingles


@njit(forceinline=True)
def _permute(
    n_shingles: int, mark: int, scratch: Scratch, permutations: np.ndarray, minima: np.ndarray, row: int
) -> int:
    """Fill minima[row:row + K]; how many shingles equal an earlier one.

    Each shingle leaves two marks, at two places that its bits say; only one that meets both can be a repeated
    one. That is done here because the processor does it while it waits for the multiplier.
    """
    a, b = lanes.numbers(permutations, _ZERO), lanes.numbers(permutations, _U64(K))
    least = lanes.most()
    met = at = _ZERO
    while at < _U64(n_shingles):
        least = lanes.permute(least, a, b, scratch.mixed, at)
        one = scratch.shingles[at] & _U64(_MARKS - 1)
        other = _U64(_MARKS) + ((scratch.shingles[at] >> _HALF) & _U64(_MARKS - 1))
        if (scratch.marks[one] ^ mark) | (scratch.marks[other] ^ mark) == 0:  # `and` would be a branch more
            scratch.suspects[min(met, _U64(_SUSPECTS - 1))] = at
            met += _ONE
        scratch.marks[one] = scratch.marks[other] = mark
        at += _ONE
    lanes.put_numbers(minima, row, least)
    return _repeated(scratch.shingles, n_shingles, scratch.suspects, np.int64(met)) if met != _ZERO else 0


@njit(cache=True, nogil=True)
def _repeated(shingles: np.ndarray, n_shingles: int, suspects: np.ndarray, met: int) -> int:
    """How many shingles equal an earlier one, given those that may, unless they are too many."""
    if met > _SUSPECTS:
        ordered = np.sort(shingles[:n_shingles])
        return (ordered[1:] == ordered[:-1]).sum()
    repeated = 0
    for suspect in suspects[:met]:
        found = at = _ZERO
        while at < _U64(suspect):
            found |= hash_lanes.equal_16(shingles, at, _U64(suspect))
            at += _STEP
        repeated += found != _ZERO
    return repeated
