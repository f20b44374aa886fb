"""Greedy choice of good and different rows: quality x novelty within strata that take turns.

Novelty of a row is 1 - its largest cosine to anything taken so far, 0 to 2 (2 before anything is taken); a
row nearer than t to what was taken is never taken. Within a stratum the row with the largest product comes
next. With equal qualities that is the farthest point (Gonzalez 1985: the radius is at most twice the
smallest possible), as deita keeps by similarity to the kept (Liu et al. 2024). Exact though lazy (Minoux
1978): novelty can only fall, so a product computed long ago is an upper bound. Each stratum looks at a pool
of its best; all of its rows are looked at, in one matrix product, only when the best of the pool falls to
what lies outside of it. Cosines are those of `tasks.cosine_search`, equal products go to the row that comes
first: the choice depends on nothing but the rows. Cost: n x taken cosines at most, fewer as rows come
nearer than t or strata are done.
"""

import heapq
from collections.abc import Callable, Sequence

import numpy as np

from tasks.cosine_search import cosines

POOL = 256  # rows of a stratum that are looked at each time
ROUNDING = 2.0**-20  # as in `tasks.cosine_leaders`: a cosine this much above t is t
_CELLS = 1 << 23  # cosines held at a time


def in_turns(
    tie: Sequence[int], next_of: Callable[[int], int | None], cost: np.ndarray, rows: int, budget: float
) -> list[int]:
    """Places in the order in which strata take turns: next is always a stratum that has used least so far.

    So strata end with equal shares, and what a small one leaves goes to the others in equal shares.

    Args:
        tie: for each stratum a number: of those that used as much the lowest comes first.
        next_of: the place that a stratum would take next, None when it has no more; asked again only after
            it took that place.
        cost: (n,) what the row at each place uses up.
        rows: most rows to take.
        budget: most cost to take; a stratum whose next row is dearer than what is left is done.
    """
    turns = [(0.0, first, stratum) for stratum, first in enumerate(tie)]
    heapq.heapify(turns)
    taken: list[int] = []
    while turns and len(taken) < rows:
        used, first, stratum = heapq.heappop(turns)
        place = next_of(stratum)
        if place is None or cost[place] > budget:
            continue
        budget -= cost[place]
        taken.append(place)
        heapq.heappush(turns, (used + cost[place], first, stratum))
    return taken


class Stratum:
    """The rows of one stratum that may still be taken."""

    def __init__(self, places: np.ndarray) -> None:
        """Nothing is known of them yet."""
        self.open = np.asarray(places, dtype=np.int64)  # (n,), ascending
        self.near = np.full(len(places), -1.0)  # largest cosine to what was taken, as far as looked at
        self.seen = 0  # how many taken rows that is
        self.pool = self.open[:0]
        self.pool_near = np.empty(0)
        self.pool_seen = 0
        self.outside = np.inf  # no row outside of the pool has a larger product; at first all may


class Diverse:
    """What each stratum would take next, by quality and novelty; `in_turns` asks."""

    def __init__(
        self, vectors: np.ndarray, quality: np.ndarray, strata: Sequence[np.ndarray], most: float
    ) -> None:
        """Nothing is taken yet.

        Args:
            vectors: (n, d) float32 unit rows, those that win ties first.
            quality: (n,) 0 or more.
            strata: for each stratum the places of its rows, ascending.
            most: cosine to what was taken that a row may have.
        """
        self._vectors, self._quality, self._most = vectors, quality, most + ROUNDING
        self._strata = [Stratum(places) for places in strata]
        self._taken: list[int] = []

    def next_of(self, stratum: int) -> int | None:
        """Take and name the best row of a stratum; None when none is left that is different enough."""
        s = self._strata[stratum]
        s.pool_near = self._looked(s.pool, s.pool_near, s.pool_seen)
        s.pool_seen = len(self._taken)
        best = self._best(s)
        if best is None or best[0] <= s.outside:
            self._refresh(s)
            best = self._best(s)
        if best is None:
            return None
        self._taken.append(best[1])
        s.pool_near[s.pool == best[1]] = 2.0  # nearer than any other
        return best[1]

    def _best(self, s: Stratum) -> tuple[float, int] | None:
        """Product and place of the best row of a pool."""
        product = np.where(s.pool_near > self._most, -np.inf, self._quality[s.pool] * (1 - s.pool_near))
        if not len(product) or product.max() == -np.inf:
            return None
        return float(product.max()), int(s.pool[product == product.max()].min())

    def _refresh(self, s: Stratum) -> None:
        """Look at all rows of a stratum, forget those that are too near, choose the pool anew."""
        s.near = self._looked(s.open, s.near, s.seen)
        left = (s.near <= self._most) & ~np.isin(s.open, self._taken[s.seen :])
        s.open, s.near, s.seen = s.open[left], s.near[left], len(self._taken)
        product = self._quality[s.open] * (1 - s.near)
        order = np.argsort(-product, kind="stable")
        s.pool, s.pool_near, s.pool_seen = s.open[order[:POOL]], s.near[order[:POOL]], s.seen
        s.outside = float(product[order[POOL]]) if len(order) > POOL else -np.inf

    def _looked(self, places: np.ndarray, near: np.ndarray, seen: int) -> np.ndarray:
        """The largest cosine of rows to what was taken, given that to the first `seen` of these."""
        new = self._vectors[self._taken[seen:]]
        step = max(1, _CELLS // max(1, len(new)))
        for start in range(0, len(places) if len(new) else 0, step):
            rows = slice(start, start + step)
            near[rows] = np.maximum(near[rows], cosines(self._vectors[places[rows]], new).max(axis=1))
        return near
