"""Sample ids as 64-bit numbers: to find a row by its id without holding the strings, 12 bytes a row.

The hashes of all ids are checked to be distinct; should two collide (one run of two million samples in eight
million), another seed is taken. An id that belongs to no sample is taken for one with a chance of n / 2^64.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import polars as pl

from schemas.errors import SeedloomError

_SEEDS = 4


class IdIndex(NamedTuple):
    """Where each of n distinct ids lies."""

    seed: int
    keys: np.ndarray  # (n,) uint64, ascending hashes
    places: np.ndarray  # (n,) int32, the place of each

    def find(self, ids: pl.Series) -> np.ndarray:
        """Places of these ids, (m,) int64; -1 for an unknown one."""
        if not len(self.keys):
            return np.full(len(ids), -1)
        wanted = id_keys(ids, self.seed)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[at] == wanted, self.places[at], -1).astype(np.int64)


def id_keys(ids: pl.Series, seed: int) -> np.ndarray:
    """A 64-bit hash of each id, (n,) uint64; the same in one process only, so it is never stored."""
    return ids.hash(seed).to_numpy()


def index_ids(pages: Callable[[], Iterable[pl.Series]]) -> IdIndex:
    """An index of the ids that `pages` gives, in that order; it is asked again after a collision.

    Raises:
        SeedloomError: when two ids are the same.
    """
    for seed in range(_SEEDS):
        found = [np.zeros(0, np.uint64), *(id_keys(page, seed) for page in pages())]
        keys = np.concatenate(found)
        places = np.argsort(keys).astype(np.int32)
        keys = keys[places]
        if not (keys[1:] == keys[:-1]).any():
            return IdIndex(seed, keys, places)
    raise SeedloomError(f"two of {len(keys)} samples share an id")
