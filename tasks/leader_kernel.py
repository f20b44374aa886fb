"""The greedy choice of near-duplicates to keep, compiled.

Texts come in order of precedence. Each is compared with the texts already kept ("leaders") that share a band
with it, and is kept unless one of them is at least as similar as the threshold. So a text is dropped if and
only if a kept better one is that similar: chains (a like b, b like c, a unlike c) keep both ends, and a text
repeated 20,000 times costs 20,000 comparisons, since only leaders are ever compared with.

What is left of quadratic cost is boilerplate: many texts that share bands but are no duplicates. A bucket
therefore holds at most `cap` leaders, and each text counts the bands in which it met a full one.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

_U32, _U64 = np.uint32, np.uint64
_LOW7, _HIGH1, _ONES = _U64(0x7F7F7F7F7F7F7F7F), _U64(0x8080808080808080), _U64(0x0101010101010101)
_ROW = _U64(0xFFFFFFFF)


class Buckets(NamedTuple):
    """Rows that agree in a band; a row that nobody agrees with in a band is in no bucket there."""

    of: np.ndarray  # (n, 32) int32, the bucket of each row in each band, or -1
    bounds: np.ndarray  # (m + 1,) int64, leaders of bucket i have the slots bounds[i] to bounds[i + 1]


class Progress(NamedTuple):
    """What was decided so far on n rows in order of precedence."""

    kept: np.ndarray  # (n,) bool
    score: np.ndarray  # (n,) float64, highest exact Jaccard similarity seen, nan when none was computed
    witness: np.ndarray  # (n,) int32, the leader that has it, or -1
    full_bands: np.ndarray  # (n,) int32, bands in which a leader was left out
    leaders: np.ndarray  # (slots,) int32
    n_leaders: np.ndarray  # (m,) int32, how many each bucket holds
    full: np.ndarray  # (m,) bool, whether one was left out
    seen: np.ndarray  # (n,) int32, which row was last compared with this one


class Sets(NamedTuple):
    """Shingles of the rows at hand."""

    starts: np.ndarray  # (n,) int64, the set of row i begins here
    sizes: np.ndarray  # (n,) int32
    hashes: np.ndarray  # uint64, ascending inside a set


@njit(cache=True, nogil=True)
def pack(keys: np.ndarray, rows: np.ndarray, band: int) -> np.ndarray:
    """Key and row as one number: (n, 32) uint32 keys of these rows."""
    packed = np.empty(len(rows), np.uint64)
    for i in range(len(rows)):
        packed[i] = (_U64(keys[rows[i], band]) << _U64(32)) | _U64(rows[i])
    return packed


@njit(cache=True, nogil=True)
def mark_partners(
    packed: np.ndarray, words: np.ndarray, n_earlier: int, least: int, cap: int, found: np.ndarray
) -> None:
    """See `tasks.bands.partnered`: one band; (n, 16) uint64 `words`; threads may fill `found` at once."""
    first = 0
    while first < len(packed):
        last = _end(packed, first)
        if last - first > 1 and np.int64(packed[last - 1] & _ROW) >= n_earlier:
            if last - first - 1 > cap:
                for i in range(first, last):
                    found[packed[i] & _ROW] = True
            else:
                _mark_pairs(packed[first:last], words, n_earlier, least, found)
        first = last


@njit(cache=True, nogil=True)
def fill_bucket(packed: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Number the buckets of one band in `of` (n,) and give their sizes, int64."""
    sizes = np.empty(len(packed) // 2, np.int64)
    n = first = 0
    while first < len(packed):
        last = _end(packed, first)
        if last - first > 1:
            for i in range(first, last):
                of[packed[i] & _ROW] = n
            sizes[n] = last - first
            n += 1
        first = last
    return sizes[:n].copy()


@njit(cache=True, nogil=True)
def begin(n: int, buckets: Buckets) -> Progress:
    """Nothing is decided yet."""
    n_buckets = len(buckets.bounds) - 1
    return Progress(
        np.ones(n, np.bool_), np.full(n, np.nan), np.full(n, -1, np.int32), np.zeros(n, np.int32),
        np.empty(buckets.bounds[n_buckets], np.int32), np.zeros(n_buckets, np.int32),
        np.zeros(n_buckets, np.bool_), np.full(n, -1, np.int32),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def reach(
    start: int,
    words: np.ndarray,
    buckets: Buckets,
    progress: Progress,
    sizes: np.ndarray,
    least: int,
    budget: int,
    needed: np.ndarray,
) -> int:
    """How far one can go from row `start` with at most `budget` shingles in memory, one row at least.

    Marks in `needed`, (n,) bool, the leaders decided before `start` that these rows will be compared with.
    """
    spent, room = 0, np.empty(buckets.of.shape[1] + 1, np.int32)
    for x in range(start, len(sizes)):
        spent += sizes[x]
        for bucket in _shared(buckets.of[x], room) if start else room[:0]:
            first = buckets.bounds[bucket]
            for y in progress.leaders[first : first + progress.n_leaders[bucket]]:
                if not needed[y] and _agreement(words[x], words[y]) >= least:
                    needed[y] = True
                    spent += sizes[y]
        if spent > budget and x > start:
            return x
    return len(sizes)


@njit(cache=True, nogil=True)
def lead(
    start: int,
    stop: int,
    n_earlier: int,
    words: np.ndarray,
    buckets: Buckets,
    sets: Sets,
    least: int,
    threshold: float,
    progress: Progress,
) -> None:
    """Decide the rows from `start` to `stop` in order: keep those that no kept one is too similar to.

    Args:
        start: the first row not yet decided.
        stop: where to stop.
        n_earlier: the first rows, kept without being judged.
        words: (n, 16) uint64, sketches.
        buckets: of all rows.
        sets: shingles, at least of these rows and the leaders that `reach` names.
        least: bytes, of 128, in which two sketches must agree to be compared exactly.
        threshold: Jaccard similarity, 0 to 1, at or above which a row is dropped.
        progress: of all rows, is filled.
    """
    room = np.empty(buckets.of.shape[1] + 1, np.int32)
    for x in range(start, stop):
        shared = _shared(buckets.of[x], room)
        if x >= n_earlier:
            _judge(x, shared, words, buckets.bounds, sets, least, progress)
            progress.kept[x] = not progress.score[x] >= threshold
        if progress.kept[x]:
            _store(x, shared, buckets.bounds, progress)


@njit(cache=True, nogil=True)
def _shared(of: np.ndarray, room: np.ndarray) -> np.ndarray:
    """The buckets that a row is in; without a branch, which would be guessed wrong every third time."""
    n = 0
    for bucket in of:
        room[n] = bucket
        n += bucket >= 0
    return room[:n]


@njit(cache=True, nogil=True)
def _judge(
    x: int, shared: np.ndarray, words: np.ndarray, bounds: np.ndarray, sets: Sets, least: int,
    progress: Progress,
) -> None:  # fmt: skip
    """Find the most similar leader among those that share a band with row x; the first of equals."""
    best, witness, full_bands = np.nan, -1, 0
    for bucket in shared:
        full_bands += progress.full[bucket]
        for slot in range(bounds[bucket], bounds[bucket] + progress.n_leaders[bucket]):
            y = progress.leaders[slot]
            if progress.seen[y] == x:
                continue
            progress.seen[y] = x
            if _agreement(words[x], words[y]) >= least:
                similarity = _jaccard(sets, x, y)
                if witness < 0 or similarity > best or (similarity == best and y < witness):
                    best, witness = similarity, np.int64(y)
    progress.score[x], progress.witness[x], progress.full_bands[x] = best, witness, full_bands


@njit(cache=True, nogil=True)
def _store(x: int, shared: np.ndarray, bounds: np.ndarray, progress: Progress) -> None:
    for bucket in shared:
        slot = bounds[bucket] + progress.n_leaders[bucket]
        if slot < bounds[bucket + 1]:
            progress.leaders[slot] = x
            progress.n_leaders[bucket] += 1
        else:
            progress.full[bucket] = True


@njit(cache=True, nogil=True)
def _mark_pairs(packed: np.ndarray, words: np.ndarray, n_earlier: int, least: int, found: np.ndarray) -> None:
    for j in range(1, len(packed)):
        y = packed[j] & _ROW
        if np.int64(y) < n_earlier:
            continue
        for i in range(j):
            x = packed[i] & _ROW
            if not (found[x] and found[y]) and _agreement(words[x], words[y]) >= least:
                found[x] = found[y] = True


@njit(cache=True, nogil=True)
def _end(packed: np.ndarray, first: int) -> int:
    """Where the rows end that have the key of the first."""
    key = packed[first] >> _U64(32)
    last = first + 1
    while last < len(packed) and packed[last] >> _U64(32) == key:
        last += 1
    return last


@njit(cache=True, nogil=True)
def _agreement(left: np.ndarray, right: np.ndarray) -> int:
    """Equal bytes of two sketches of (16,) uint64, 0 to 128."""
    unequal = _U64(0)
    for k in range(16):
        x = left[k] ^ right[k]
        unequal += ((((x & _LOW7) + _LOW7) | x) & _HIGH1) >> _U64(7)  # at most 16 in each byte
    return 128 - np.int64((unequal * _ONES) >> _U64(56))


@njit(cache=True, nogil=True)
def _jaccard(sets: Sets, x: int, y: int) -> float:
    """Shared shingles by all shingles, 0 to 1."""
    left = sets.hashes[sets.starts[x] : sets.starts[x] + sets.sizes[x]]
    right = sets.hashes[sets.starts[y] : sets.starts[y] + sets.sizes[y]]
    i = j = shared = 0
    while i < len(left) and j < len(right):
        a, b = left[i], right[j]
        shared, i, j = shared + (a == b), i + (a <= b), j + (b <= a)
    return shared / (len(left) + len(right) - shared)
