"""An index for more vectors than can all be compared: cells of a codebook, of which a few are looked into.

Spherical k-means (Dhillon & Modha 2001) gives about sqrt(n) cells; a row is compared with the rows of the
cells whose centres are nearest to it, as in an inverted file (Sivic & Zisserman 2003). Coordinates are
rounded to 1/4000 here, so that float32 products and the sums of k-means are sums of whole numbers below
2^24: cells are the same to the last bit on every machine and with any number of threads. How many cells are
looked into is read from the data: so many that the exact nearest row of 99.5% of a hash sample is found.
One cell makes the search exact.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tasks.cosine_search import BLOCK, COLUMNS, Best, meet
from tasks.vectors import Rows

ITERATIONS = 8
FITTED = 16_384  # rows that a codebook is fitted to
MOST_CELLS = 2048
PILOT = 512  # rows by which the number of cells to look into is chosen
COVER = 0.995
_SCALE = 4000.0


class Cells(NamedTuple):
    """A codebook and how many of its cells a row is compared with."""

    codebook: np.ndarray  # (k, d) float32 whole numbers
    looked: int

    def homes(self, vectors: np.ndarray) -> np.ndarray:
        """The cell of each row of (n, d), (n,) int64."""
        if len(self.codebook) == 1:
            return np.zeros(len(vectors), dtype=np.int64)
        return np.concatenate(
            [np.zeros(0, dtype=np.int64), *(s.argmax(axis=1) for s in self._scores(vectors))]
        )

    def visits(self, vectors: np.ndarray) -> np.ndarray:
        """The cells that each row of (n, d) looks into, (n, looked) int64, in no order."""
        k = len(self.codebook)
        if self.looked >= k:
            return np.broadcast_to(np.arange(k), (len(vectors), k))
        found = [
            np.argpartition(-s, self.looked - 1, axis=1)[:, : self.looked] for s in self._scores(vectors)
        ]
        return np.concatenate([np.zeros((0, self.looked), dtype=np.int64), *found])

    def _scores(self, vectors: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(vectors), COLUMNS):
            yield _whole(vectors[start : start + COLUMNS]) @ self.codebook.T


class Shelves:
    """Rows laid out by cell, those of a cell in the order in which they were put there."""

    def __init__(self, cells: Cells, homes: np.ndarray, d: int) -> None:
        """Room for one row of each of the (n,) homes."""
        sizes = np.bincount(homes, minlength=len(cells.codebook))
        self._cells = cells
        self._start = np.cumsum(sizes) - sizes
        self._size = np.zeros_like(sizes)
        self._rows = Rows(np.empty((len(homes), d), dtype=np.float32), np.empty(len(homes), dtype=np.int64))

    def put(self, rows: Rows, homes: np.ndarray) -> None:
        """Add rows to their cells; ranks ascend from call to call."""
        order = np.argsort(homes, kind="stable")
        cells, first, counts = np.unique(homes[order], return_index=True, return_counts=True)
        for cell, at, count in zip(cells.tolist(), first.tolist(), counts.tolist(), strict=True):
            these, to = order[at : at + count], self._start[cell] + self._size[cell]
            self._rows.vectors[to : to + count] = rows.vectors[these]
            self._rows.ranks[to : to + count] = rows.ranks[these]
            self._size[cell] += count

    def clear(self) -> None:
        """Take everything off again."""
        self._size[:] = 0

    def met_by(self, rows: Rows, of_shelved: Best | None, of_rows: Best | None, before: bool = False) -> None:
        """Compare rows with what lies in the cells that each of them looks into; see `meet`."""
        if not len(rows.ranks):
            return
        visits = self._cells.visits(rows.vectors)
        order = np.argsort(visits, axis=None, kind="stable")
        visitor, cell = order // visits.shape[1], visits.reshape(-1)[order]
        cells, first = np.unique(cell, return_index=True)
        for each, these in zip(cells.tolist(), np.split(visitor, first[1:]), strict=True):
            if self._size[each]:
                inside = slice(self._start[each], self._start[each] + self._size[each])
                meet(self._rows.at(inside), rows.at(these), of_shelved, of_rows, before)


def one_cell(d: int) -> Cells:
    """The codebook that makes every search exact."""
    return Cells(np.zeros((1, d), dtype=np.float32), 1)


def fitted(rows: Rows, hashed: np.ndarray, total: int) -> Cells:
    """Cells for a set.

    Args:
        rows: (n, d) rows to fit to.
        hashed: (n,) their places, in an order that depends on nothing but their ids.
        total: rows that will be compared in all, which decides how many cells there are.
    """
    some = _whole(rows.vectors[hashed[:FITTED]])
    k = max(1, min(MOST_CELLS, int(total**0.5), len(some) // 8))
    codebook = some[:k]
    for _ in range(ITERATIONS):
        codebook = _moved(codebook, some)
    cells = Cells(codebook, k)
    return cells._replace(looked=_looked(cells, rows, hashed[-PILOT:]))


def _looked(cells: Cells, rows: Rows, pilot: np.ndarray) -> int:
    """Cells to look into so that the nearest of nearly all pilot rows is met; a quarter of them at most."""
    best = Best.of(int(rows.ranks[-1]) + 1)
    asked = rows.at(np.sort(pilot))
    for start in range(0, len(rows.ranks), COLUMNS):
        meet(rows.at(slice(start, start + COLUMNS)), asked, None, best)
    nearest = np.searchsorted(rows.ranks, best.rank[asked.ranks])
    scores = _whole(asked.vectors) @ cells.codebook.T
    home = cells.homes(rows.vectors[nearest])
    better = (scores > scores[np.arange(len(home)), home][:, None]).sum(axis=1)
    needed = int(np.quantile(better, COVER, method="higher")) + 1
    return max(1, min(needed, len(cells.codebook) // 4))


def _moved(codebook: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """One round of k-means; an empty cell stays where it is."""
    homes = np.concatenate(
        [(rows[i : i + BLOCK] @ codebook.T).argmax(axis=1) for i in range(0, len(rows), BLOCK)]
    )
    order = np.argsort(homes, kind="stable")
    cells, first = np.unique(homes[order], return_index=True)
    sums = np.add.reduceat(rows[order].astype(np.float64), first, axis=0)  # whole numbers: no rounding
    lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums))
    moved = codebook.copy()
    kept = lengths > 0
    moved[cells[kept]] = np.rint(sums[kept] / lengths[kept, None] * _SCALE)
    return moved


def _whole(vectors: np.ndarray) -> np.ndarray:
    return np.rint(vectors * np.float32(_SCALE))
