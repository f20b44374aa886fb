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


class Pool(NamedTuple):
    """What is compared: n texts in order of precedence."""

    minhash: np.ndarray  # (n, 128) uint32
    buckets: np.ndarray  # (n, 32) int32, bucket of each row in each band, or -1
    bounds: np.ndarray  # (m + 1,) int64, bucket i is members[bounds[i]:bounds[i + 1]]
    members: np.ndarray  # int32 rows


class Sets(NamedTuple):
    """Shingles of those rows that may be compared exactly; the set of any other row is empty."""

    bounds: np.ndarray  # (n + 1,) int64, the set of row i is hashes[bounds[i]:bounds[i + 1]]
    hashes: np.ndarray  # uint64, ascending inside a set


class Leaders(NamedTuple):
    """Kept rows by bucket."""

    rows: np.ndarray  # int32, those of bucket i start at its bound
    n: np.ndarray  # (m,) int32, how many are stored
    full: np.ndarray  # (m,) bool, whether one was left out


@njit(cache=True, nogil=True)
def with_partner(pool: Pool, n_earlier: int, least: int, cap: int) -> np.ndarray:
    """Which rows could be compared exactly, (n,) bool: only their texts are needed.

    A row has a partner when a row that shares a band with it agrees in `least` of the 128 minima. Where more
    than `cap` rows of one bucket would have to be looked at, the answer is yes.
    """
    found = np.zeros(len(pool.minhash), np.bool_)
    seen = np.full(len(pool.minhash), -1, np.int32)
    for x in range(len(found)):
        for band in range(pool.buckets.shape[1]):
            bucket = pool.buckets[x, band]
            if bucket >= 0 and not found[x]:
                found[x] = _partner_in(x, bucket, pool, n_earlier, least, cap, seen)
    return found


@njit(cache=True, nogil=True)
def lead(
    pool: Pool, sets: Sets, name: np.ndarray, n_earlier: int, least: int, threshold: float, cap: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Go through the rows in order and keep those that no kept one is too similar to.

    Args:
        pool: the rows.
        sets: shingles, at least of the rows that `with_partner` names.
        name: (n,) int32, breaks ties between equally similar leaders: the lowest is the witness.
        n_earlier: the first rows, kept without being judged.
        least: minima, of 128, in which two signatures must agree to be compared exactly.
        threshold: Jaccard similarity, 0 to 1, at or above which a row is dropped.
        cap: leaders stored in one bucket.

    Returns:
        Kept, (n,) bool; highest exact Jaccard seen, (n,) float64, nan when none was computed; the leader that
        has it, (n,) int64 or -1; bands in which a leader was left out, (n,) int64.
    """
    n = len(pool.minhash)
    kept, full_bands = np.ones(n, np.bool_), np.zeros(n, np.int64)
    score, witness = np.full(n, np.nan), np.full(n, -1, np.int64)
    n_buckets = len(pool.bounds) - 1
    leaders = Leaders(
        np.empty(len(pool.members), np.int32), np.zeros(n_buckets, np.int32), np.zeros(n_buckets, np.bool_)
    )
    seen = np.full(n, -1, np.int32)
    for x in range(n):
        if x >= n_earlier:
            score[x], witness[x], full_bands[x] = _nearest(x, pool, sets, leaders, name, least, seen)
            kept[x] = not score[x] >= threshold
        if kept[x]:
            _store(x, pool, leaders, cap)
    return kept, score, witness, full_bands


@njit(cache=True, nogil=True)
def _partner_in(
    x: int, bucket: int, pool: Pool, n_earlier: int, least: int, cap: int, seen: np.ndarray
) -> bool:
    """Whether the bucket holds a partner; earlier rows are never compared with each other."""
    first, last = pool.bounds[bucket], pool.bounds[bucket + 1]
    for step in range(last - first):
        # an earlier row looks from the end, where the new rows are
        y = pool.members[last - 1 - step if x < n_earlier else first + step]
        if step > cap:
            return True
        if x < n_earlier and y < n_earlier:
            return False
        if y != x and seen[y] != x:
            seen[y] = x
            if _agreement(pool.minhash[x], pool.minhash[y]) >= least:
                return True
    return False


@njit(cache=True, nogil=True)
def _nearest(
    x: int, pool: Pool, sets: Sets, leaders: Leaders, name: np.ndarray, least: int, seen: np.ndarray
) -> tuple[float, int, int]:
    """The most similar leader among those that share a band with row x, and how many bands were full."""
    best, witness, full_bands = np.nan, -1, 0
    for band in range(pool.buckets.shape[1]):
        bucket = pool.buckets[x, band]
        if bucket < 0:
            continue
        full_bands += leaders.full[bucket]
        first = pool.bounds[bucket]
        for y in leaders.rows[first : first + leaders.n[bucket]]:
            if seen[y] == x:
                continue
            seen[y] = x
            if _agreement(pool.minhash[x], pool.minhash[y]) >= least:
                similarity = _jaccard(sets, x, y)
                if witness < 0 or similarity > best or (similarity == best and name[y] < name[witness]):
                    best, witness = similarity, np.int64(y)
    return best, witness, full_bands


@njit(cache=True, nogil=True)
def _store(x: int, pool: Pool, leaders: Leaders, cap: int) -> None:
    for band in range(pool.buckets.shape[1]):
        bucket = pool.buckets[x, band]
        if bucket < 0:
            continue
        if leaders.n[bucket] < cap:
            leaders.rows[pool.bounds[bucket] + leaders.n[bucket]] = x
            leaders.n[bucket] += 1
        else:
            leaders.full[bucket] = True


@njit(cache=True, nogil=True)
def _agreement(left: np.ndarray, right: np.ndarray) -> int:
    """Equal minima of two signatures, 0 to 128."""
    equal = np.uint32(0)
    for k in range(128):
        equal += np.uint32(left[k] == right[k])
    return np.int64(equal)


@njit(cache=True, nogil=True)
def _jaccard(sets: Sets, x: int, y: int) -> float:
    """Shared shingles by all shingles, 0 to 1."""
    left = sets.hashes[sets.bounds[x] : sets.bounds[x + 1]]
    right = sets.hashes[sets.bounds[y] : sets.bounds[y + 1]]
    i = j = shared = 0
    while i < len(left) and j < len(right):
        a, b = left[i], right[j]
        shared += a == b
        i += a <= b
        j += b <= a
    return shared / (len(left) + len(right) - shared)
