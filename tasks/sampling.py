"""Drawing cells of a grid so that the draws cover it: an orthogonal array instead of independent draws.

Each axis is a list of items, a cell one item of each. Independent draws see a cell of K after N draws with
probability 1 - (1 - 1/K)^N only (the coupon collector). `Grid` is a drop-in with random access:

    one axis      every item once in n draws
    two axes      every item of the longer once in a block of as many draws, every pair once in n1 n2 draws
    three axes    rows (a, a+s, 2a+s) mod k, k odd, s the block: every item once in a block of k draws, every
                  pair once in k^2 draws (an orthogonal array of strength 2: Bose 1938, Hedayat et al. 1999)
    more axes     (a, a+s, 2a+s, 3a+s, ...) mod k, k prime and above the number of axes

k is the smallest that fits the longest axis. A level that a shorter axis does not have is filled from a deck
of its items that is shuffled anew for every pass, so that counts of its items never differ by more than 2.
Items, rows of a block and blocks are put in an order of their own by the seed. Triples stay at N / K.
"""

import math
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from schemas.ids import seed_for


class Grid(NamedTuple):
    """Sizes of the axes, and a seed that decides the order in which cells come."""

    sizes: tuple[int, ...]
    seed: int

    def cell(self, index: int) -> tuple[int, ...]:
        """The places on the axes of draw number `index`, 0 or more."""
        if not self.sizes:
            return ()
        if len(self.sizes) <= 2:
            return _paired(self, index)
        k = modulus(self.sizes)
        block, row = divmod(index, k)
        return tuple(int(place) for place in _block(self, block)[row])


def random_cell(sizes: Sequence[int], seed: int, index: int) -> tuple[int, ...]:
    """Independent even draws, as most papers do."""
    chance = random.Random(seed_for("cell", seed, index))
    return tuple(chance.randrange(size) for size in sizes)


def modulus(sizes: Sequence[int]) -> int:
    """Draws in a block of a grid of three axes or more."""
    k = max(*sizes, len(sizes))
    if len(sizes) == 3:
        return k if k % 2 else k + 1
    while k <= len(sizes) or any(k % divisor == 0 for divisor in range(2, math.isqrt(k) + 1)):
        k += 1
    return k


def _paired(grid: Grid, index: int) -> tuple[int, ...]:
    """One axis, or two: a block has every item of the longer one; each block moves the shorter one on."""
    if len(grid.sizes) == 1:
        cycle, row = divmod(index, grid.sizes[0])
        return (_shuffled(grid.seed, "items", cycle, grid.sizes[0])[row],)
    first_is_longer = grid.sizes[0] >= grid.sizes[1]
    n, m = max(grid.sizes), min(grid.sizes)
    block, row = divmod(index, n)
    cycle, number = divmod(block, m)
    level = _spread(grid.seed, block, n, m)[row]
    shift = _shuffled(grid.seed, "shifts", cycle, m)[number]
    longer = _shuffled(grid.seed, "longer", 0, n)[level]
    shorter = _shuffled(grid.seed, "shorter", 0, m)[(level + shift) % m]
    return (longer, shorter) if first_is_longer else (shorter, longer)


@lru_cache(maxsize=64)
def _spread(seed: int, block: int, n: int, m: int) -> list[int]:
    """The levels of [0, n) in an order in which every remainder by m comes once before any comes twice."""
    rank = _shuffled(seed, "rows", block, n)
    before: dict[int, int] = {}
    keys = []
    for level in sorted(range(n), key=rank.__getitem__):
        before[level % m] = before.get(level % m, -1) + 1
        keys.append((before[level % m], rank[level], level))
    return [level for _, _, level in sorted(keys)]


@lru_cache(maxsize=64)  # neighbours are drawn one after the other
def _block(grid: Grid, block: int) -> np.ndarray:
    """All rows of a block: (k, axes) places."""
    k = modulus(grid.sizes)
    cycle, number = divmod(block, k)
    shift = _shuffled(grid.seed, "blocks", cycle, k)[number]
    rows = np.array(_shuffled(grid.seed, "rows", block, k))
    columns = [rows] + [(factor * rows + shift) % k for factor in range(1, len(grid.sizes))]
    return np.stack([_filled(grid, axis, block, levels) for axis, levels in enumerate(columns)], axis=1)


def _filled(grid: Grid, axis: int, block: int, levels: np.ndarray) -> np.ndarray:
    """Places of an axis for levels of [0, k): its own, or the next of the deck where it has no such level."""
    size, k = grid.sizes[axis], len(levels)
    places = np.array(_shuffled(grid.seed, f"axis{axis}", 0, size) + (k - size) * [0])[levels]
    free = np.flatnonzero(levels >= size)
    first = block * (k - size)
    for number, row in enumerate(free, first):
        pass_number, card = divmod(number, size)
        places[row] = _shuffled(grid.seed, f"deck{axis}", pass_number, size)[card]
    return places


@lru_cache(maxsize=512)
def _shuffled(seed: int, name: str, number: int, size: int) -> list[int]:
    """Places 0 to size - 1 in an order of their own; Python promises `random()`, but not `shuffle`."""
    chance = random.Random(seed_for("order", seed, name, number))
    keys = [chance.random() for _ in range(size)]
    return sorted(range(size), key=keys.__getitem__)
