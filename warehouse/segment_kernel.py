"""Looking keys up in a sorted column on disk, compiled: no block is believed before it was checked.

A column is sorted uint64, key in the high bits, row in the low ones, in blocks of BLOCK. Of each block the
first entry (its fence) and a checksum are known. Keys come ascending, so fences and entries are passed once.
The checksum is sum(w_i (x_i xor x_i >> 32)) mod 2^64 with a different odd w_i for each place: a changed bit,
a swap and a page of zeros all change it; other damage stays unseen once in about 2^64.
"""

import numpy as np
from numba import njit

BLOCK = 1024  # entries of 8 bytes: what is read and checked for one look-up
_WEIGHT = np.uint64(0x9E3779B97F4A7C15)
_ONE, _HALF = np.uint64(1), np.uint64(32)


@njit(cache=True, nogil=True)
def checksum(block: np.ndarray) -> np.uint64:
    """Checksum of a block, (k,) uint64 with k up to BLOCK."""
    total, weight = _ONE, _WEIGHT
    for entry in block:
        total += (entry ^ (entry >> _HALF)) * (weight | _ONE)
        weight += _WEIGHT
    return total


@njit(cache=True, nogil=True)
def checksums(column: np.ndarray) -> np.ndarray:
    """Checksums of all blocks of a column, (ceil(n / BLOCK),) uint64."""
    found = np.empty((len(column) + BLOCK - 1) // BLOCK, np.uint64)
    for block in range(len(found)):
        found[block] = checksum(column[block * BLOCK : (block + 1) * BLOCK])
    return found


@njit(cache=True, nogil=True)
def spans(
    keys: np.ndarray, low: np.uint64, column: np.ndarray, fences: np.ndarray, sums: np.ndarray
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Where the entries of each key lie: `column[starts[i]:ends[i]]` agree with key i above the bits `low`.

    Args:
        keys: (m,) uint64, ascending.
        low: mask of the bits that hold the row.
        column: (n,) uint64, sorted.
        fences: first entry of each block.
        sums: checksum of each block.

    Returns:
        starts and ends, (m,) int64, and whether all blocks that were looked into are what was written.
    """
    starts, ends = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
    block, checked, at = 0, -1, 0  # blocks from `block` to `checked` are sound
    for i in range(len(keys)):
        first = keys[i] & ~low
        while block + 1 < len(fences) and fences[block + 1] < first:
            block += 1
        if checked < block < len(sums):
            checked = block
            if not _is_sound(column, sums, block):
                return starts, ends, False
        at = _first_from(max(at, block * BLOCK), min((block + 1) * BLOCK, len(column)), first, column)
        end, checked = _end(at, keys[i] | low, column, fences, sums, checked)
        if end < 0:
            return starts, ends, False
        starts[i], ends[i] = at, end
    return starts, ends, True


@njit(cache=True, nogil=True)
def _first_from(low: int, high: int, first: np.uint64, column: np.ndarray) -> int:
    """The first entry from `low` to `high` that is not below `first`: by doubling steps, then by halving."""
    step = 1
    while low + step < high and column[low + step] < first:
        low += step
        step *= 2
    high = min(high, low + step)
    while low < high:
        middle = (low + high) // 2
        if column[middle] < first:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _is_sound(column: np.ndarray, sums: np.ndarray, block: int) -> bool:
    return checksum(column[block * BLOCK : (block + 1) * BLOCK]) == sums[block]


@njit(cache=True, nogil=True)
def _end(
    end: int, last: np.uint64, column: np.ndarray, fences: np.ndarray, sums: np.ndarray, checked: int
) -> tuple[int, int]:
    """The first entry from `end` on that is above `last`, -1 for damage; and the last block checked."""
    while end < len(column):
        if end // BLOCK > checked:
            if fences[end // BLOCK] > last:
                break
            checked = end // BLOCK
            if not _is_sound(column, sums, checked):
                return -1, checked
        if column[end] > last:
            break
        end += 1
    return end, checked
