"""Nearest rows by cosine, exact, and the same to the last bit whatever the blocks, threads or order.

A cosine is defined here as the inner product of two unit rows whose coordinates are rounded to multiples of
2^-26 (1.5e-8). Partial sums are then whole multiples of 2^-52 below 2^53 of them (Cauchy-Schwarz), so
float64 adds them without rounding: every order of summation gives one result, within 4e-7 of the real one.
Float32 matrix products only propose: their error is at most d 2^-24 (Higham 2002, section 3.1), so whatever
comes within twice that of a row's maximum is computed again exactly, and equal cosines go to the lowest
rank. Memory: BLOCK x COLUMNS floats beside the rows.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tasks.cosine_kernel import reached_by_column, reached_by_row
from tasks.vectors import Rows

BLOCK, COLUMNS = 1024, 4096  # rows and columns of a float32 product that is held at a time
CROWD = 8  # contenders of a row, on average, from which one exact matrix product is cheaper
_PAIRS = 65_536  # pairs computed exactly at a time: 0.4 GB at d = 384
_SCALE = 2.0**26


class Best(NamedTuple):
    """The most similar row found so far of each rank; the cosine is -inf and the other rank -1 for none."""

    cosine: np.ndarray  # (n,) float64
    rank: np.ndarray  # (n,) int64

    @classmethod
    def of(cls, n: int) -> "Best":
        """Nothing found yet for ranks 0 to n - 1."""
        return cls(np.full(n, -np.inf), np.full(n, -1, dtype=np.int64))

    def offer(self, ranks: np.ndarray, cosines: np.ndarray, others: np.ndarray) -> None:
        """Remember what is more similar than what is known, or as similar and of lower rank."""
        order = np.lexsort((others, -cosines, ranks))
        ranks, cosines, others = ranks[order], cosines[order], others[order]
        first = np.append(True, ranks[1:] != ranks[:-1])[: len(ranks)]
        ranks, cosines, others = ranks[first], cosines[first], others[first]
        known, holder = self.cosine[ranks], self.rank[ranks]
        better = (cosines > known) | ((cosines == known) & (others < holder))
        self.cosine[ranks[better]], self.rank[ranks[better]] = cosines[better], others[better]


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of every row of (n, d) with every row of (m, d) unit float32 rows, (n, m) float64, exact."""
    return _fixed(a) @ _fixed(b).T


def pair_cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each row of (n, d) with the same row of (n, d), (n,) float64, exact."""
    found = [
        np.einsum("ij,ij->i", _fixed(a[i : i + _PAIRS]), _fixed(b[i : i + _PAIRS]))
        for i in range(0, len(a), _PAIRS)
    ]
    return np.concatenate([np.empty(0), *found])


def meet(a: Rows, b: Rows, of_a: Best | None, of_b: Best | None, before: bool = False) -> None:
    """Compare all of a with all of b, never a row with itself, and remember the nearest of each.

    Args:
        a: rows.
        b: rows.
        of_a: where to remember what is nearest to rows of a; None for nowhere.
        of_b: the same for rows of b.
        before: compare a row of b only with rows of a of lower rank.
    """
    for left, right in _tiles(a, b):
        product = left.vectors @ right.vectors.T
        _mask(product, left.ranks, right.ranks, before)
        if of_a is not None:
            _remember(product, left, right, of_a, 0)
        if of_b is not None:
            _remember(product, right, left, of_b, 1)


def _fixed(vectors: np.ndarray) -> np.ndarray:
    return np.rint(vectors.astype(np.float64) * _SCALE) / _SCALE


def _tiles(a: Rows, b: Rows) -> Iterator[tuple[Rows, Rows]]:
    for i in range(0, len(a.ranks), COLUMNS):
        left = a.at(slice(i, i + COLUMNS))
        for j in range(0, len(b.ranks), BLOCK):
            yield left, b.at(slice(j, j + BLOCK))


def _mask(product: np.ndarray, a: np.ndarray, b: np.ndarray, before: bool) -> None:
    if before and a[-1] >= b[0]:
        product[a[:, None] >= b] = -np.inf
    elif not before and a[-1] >= b[0] and b[-1] >= a[0]:
        _, at_a, at_b = np.intersect1d(a, b, assume_unique=True, return_indices=True)
        product[at_a, at_b] = -np.inf


def _remember(product: np.ndarray, rows: Rows, others: Rows, best: Best, axis: int) -> None:
    """Offer each row its nearest other; rows lie along the axis of the product, others ascend in rank."""
    slack = (rows.vectors.shape[1] + 8) * 2.0**-24
    known = best.cosine[rows.ranks]
    top = product.max(axis=1 - axis)
    live = (top >= known - slack) & (top > -np.inf)
    least = np.maximum(top - 2 * slack, known - slack).astype(np.float32)
    least = np.where(live, np.nextafter(least, np.float32(-2)), np.float32(np.inf))
    at = np.empty((2, CROWD * max(int(live.sum()), 64)), dtype=np.int32)
    found = (reached_by_column if axis else reached_by_row)(product, least, at[0], at[1])
    if found > at.shape[1]:
        row, other, exact = _crowded(product if axis == 0 else product.T, rows, others, np.flatnonzero(live))
    else:
        row, other = at[axis, :found], at[1 - axis, :found]
        exact = pair_cosines(rows.vectors[row], others.vectors[other])
    best.offer(rows.ranks[row], exact, others.ranks[other])


def _crowded(
    product: np.ndarray, rows: Rows, others: Rows, live: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same by an exact product of the rows that are live: the row, the nearest other, the cosine."""
    exact = cosines(rows.vectors[live], others.vectors)
    exact[product[live] == -np.inf] = -np.inf
    other = exact.argmax(axis=1)  # the first of equals, that is of lowest rank
    return live, other, exact[np.arange(len(live)), other]
