"""Locality-sensitive hashing: which signatures could belong to near-duplicates.

A signature of K = 128 minima is cut into 32 bands of 4 rows. Two texts with Jaccard similarity s agree in a
whole band with probability s^4, and in at least one of the bands with probability 1 - (1 - s^4)^32 (Leskovec,
Rajaraman and Ullman, Mining of Massive Datasets, 3.4): 0.9998 at s = 0.7, 0.87 at 0.5, 0.05 at 0.2. Equal
bands are found by sorting, so the cost is that of sorting 32 columns, whatever the texts are.

Held in memory is a sketch of each signature, the lowest byte of each minimum: 128 bytes instead of 512. Four
of them are the key of a band. Whatever agrees in signatures agrees in sketches; the opposite fails for one
minimum in 256 and one band in 4 billion, which lets more pairs through to the exact comparison, never fewer.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from tasks.leader_kernel import Buckets

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


def sketches(minhash: np.ndarray) -> np.ndarray:
    """The lowest byte of each minimum, (n, 128) uint8, of (n, 128) uint32 signatures."""
    return minhash.astype(np.uint8)  # modulo 256


def partnered(sketch: np.ndarray, rows: np.ndarray, n_earlier: int, least: int, cap: int) -> np.ndarray:
    """Which rows could be near-duplicates of another, (n,) bool: only their texts are needed.

    A row has a partner when a row that shares a band with it agrees in `least` of the 128 bytes; where more
    than `cap` others share a band, all of them are taken to have one. Earlier rows are no partners of each
    other.

    Args:
        sketch: (n, 128) uint8, by precedence.
        rows: (m,) int, ascending: the rows to look at; the others have no words.
        n_earlier: the first rows, that are not judged.
        least: 0 to 128.
        cap: at least 1.
    """
    from tasks import leader_kernel as kernel

    found = np.zeros(len(sketch), bool)
    keys, words = sketch.view(np.uint32), sketch.view(np.uint64)

    def mark(band: int) -> None:
        kernel.mark_partners(_sorted(keys, rows, band), words, n_earlier, least, cap, found)

    _by_band(mark)
    return found


def buckets(sketch: np.ndarray, cap: int) -> "Buckets":
    """The buckets of all bands of (n, 128) uint8, each of at least two rows, with room for `cap` leaders."""
    from tasks import leader_kernel as kernel

    of = np.full((len(sketch), N_BANDS), -1, np.int32)
    keys, rows = sketch.view(np.uint32), np.arange(len(sketch), dtype=np.uint32)
    sizes = _by_band(lambda band: kernel.fill_bucket(_sorted(keys, rows, band), of[:, band]))
    first = np.cumsum([0, *map(len, sizes)])
    for band in range(N_BANDS):
        of[:, band] += np.where(of[:, band] >= 0, np.int32(first[band]), np.int32(0))
    room = np.minimum(np.concatenate(sizes), cap)
    return kernel.Buckets(of, np.concatenate([np.zeros(1, np.int64), room]).cumsum())


def _sorted(keys: np.ndarray, rows: np.ndarray, band: int) -> np.ndarray:
    """Key of the band (high half) and row (low half) of these rows, ascending, (m,) uint64."""
    from tasks import leader_kernel as kernel

    packed = kernel.pack(keys, rows, band)
    packed.sort()
    return packed


def _by_band(work: Callable[[int], np.ndarray | None]) -> list:
    """The work on each band, on as many threads as there are cores: sorts and compiled loops run at once."""
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        return list(pool.map(work, range(N_BANDS)))
