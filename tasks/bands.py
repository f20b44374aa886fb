"""Locality-sensitive hashing: which signatures could belong to near-duplicates.

A signature of K = 128 minima is cut into 32 bands of 4 rows. Two texts with Jaccard similarity s agree in a
whole band with probability s^4, and in at least one of the bands with probability 1 - (1 - s^4)^32 (Leskovec,
Rajaraman and Ullman, Mining of Massive Datasets, 3.4): 0.9998 at s = 0.7, 0.87 at 0.5, 0.05 at 0.2. Equal
bands are found by sorting, so the cost is that of sorting 32 columns, whatever the texts are.
"""

from typing import NamedTuple

import numpy as np

N_BANDS = 32
N_ROWS = 4
_FIRST, _SECOND = np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0xD6E8FEB86659FD93)


def expected_recall(similarity: float) -> float:
    """Probability, 0 to 1, that two texts of this Jaccard similarity share a band."""
    return 1 - (1 - similarity**N_ROWS) ** N_BANDS


def band_keys(minhash: np.ndarray, band: int) -> np.ndarray:
    """Keys of one band, (n,) uint64: equal where the four minima of the band are equal.

    Args:
        minhash: (n, 128) uint32 signatures.
        band: 0 to 31.
    """
    rows = np.ascontiguousarray(minhash[:, band * N_ROWS : (band + 1) * N_ROWS]).view(np.uint64)  # (n, 2)
    key = rows[:, 0] * _FIRST
    key ^= key >> np.uint64(32)
    key += rows[:, 1]
    key *= _SECOND
    key ^= key >> np.uint64(32)
    return key


class Buckets(NamedTuple):
    """Rows that agree in a band; a row that nobody agrees with in a band is in no bucket there."""

    of: np.ndarray  # (n, 32) int32, the bucket of each row in each band, or -1
    bounds: np.ndarray  # (m + 1,) int64, bucket i is members[bounds[i]:bounds[i + 1]]
    members: np.ndarray  # int32 rows, ascending inside a bucket


def buckets(minhash: np.ndarray) -> Buckets:
    """The buckets of all bands, each with at least two rows of `minhash` (n, 128)."""
    of = np.full((len(minhash), N_BANDS), -1, np.int32)
    members, sizes = [], []
    n_buckets = 0
    for band in range(N_BANDS):
        rows, first = _grouped(band_keys(minhash, band))
        of[rows, band] = n_buckets + np.cumsum(first) - 1
        sizes.append(np.diff(np.flatnonzero(first), append=len(rows)))
        members.append(rows)
        n_buckets += len(sizes[-1])
    bounds = np.concatenate([np.zeros(1, np.int64), *sizes]).cumsum()
    return Buckets(of, bounds, np.concatenate(members))


def _grouped(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose key is not unique, equal ones together, and whether each is the first of its key.

    Key and row are sorted as one number, which is several times faster than an argsort. The row takes the low
    bits: two million rows leave 43 bits of the key. An equality by chance costs one comparison of signatures.
    """
    width = np.uint64(max(1, len(keys) - 1).bit_length())
    low = (np.uint64(1) << width) - np.uint64(1)
    packed = np.sort((keys & ~low) | np.arange(len(keys), dtype=np.uint64))
    equal = (packed[1:] >> width) == (packed[:-1] >> width)
    like_last = np.concatenate([np.zeros(1, bool), equal])[: len(keys)]
    like_next = np.concatenate([equal, np.zeros(1, bool)])[: len(keys)]
    grouped = like_last | like_next
    return (packed[grouped] & low).astype(np.int32), ~like_last[grouped]


class Index:
    """Band keys of new rows, to find the earlier rows that could matter to them, page after page."""

    def __init__(self, minhash: np.ndarray, most: int) -> None:
        """Remember the keys of `minhash` (n, 128); at most `most` earlier rows will be admitted for each."""
        self._keys = [np.unique(band_keys(minhash, band)) for band in range(N_BANDS)]
        self._admitted = [np.zeros(len(keys), np.int64) for keys in self._keys]
        self._most = most

    def admit(self, minhash: np.ndarray) -> np.ndarray:
        """Which rows of a page (m, 128) share a band with a new row, (m,) bool; `most` for each key."""
        wanted = np.zeros(len(minhash), bool)
        for band, (keys, admitted) in enumerate(zip(self._keys, self._admitted, strict=True)):
            rows, places = _matches(keys, band_keys(minhash, band))
            order = np.argsort(places, kind="stable")
            rows, places = rows[order], places[order]
            turn = np.arange(len(places)) - np.searchsorted(places, places) + admitted[places]
            wanted[rows[turn < self._most]] = True
            admitted += np.bincount(places, minlength=len(keys))
        return wanted


def _matches(keys: np.ndarray, page: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the page whose key is among the sorted `keys`, and where it is there."""
    if not len(keys):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    mask = np.uint64((1 << (16 * len(keys)).bit_length()) - 1)
    filled = np.zeros(int(mask) + 1, bool)  # tells for all but one key in 16 that it is absent, in one look
    filled[keys & mask] = True
    rows = np.flatnonzero(filled[page & mask])
    places = np.minimum(np.searchsorted(keys, page[rows]), len(keys) - 1)
    found = keys[places] == page[rows]
    return rows[found], places[found]
