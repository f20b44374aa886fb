"""Which rows stay when no two that stay may be too similar, and the nearest of each: one pass in rank order.

Greedy by rank, as in the filter `minhash`: a row falls if and only if one that stays and comes before it
reaches the threshold. So the far end of a chain stays, which removal against removed rows would lose. Rows
of earlier runs come first and always stay; they are read page by page. Neighbours are rows that stay,
always. Exact up to as many comparisons as 100,000 rows make among themselves; beyond that in cells
(`tasks.cosine_cells`), and the share of rows whose nearest was found is measured on a hash sample against
an exact search.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tasks.cosine_cells import Cells, Shelves, fitted, one_cell
from tasks.cosine_search import BLOCK, COLUMNS, Best, cosines, meet
from tasks.intervals import Estimate, share
from tasks.vectors import Rows

EXACT_PAIRS = 100_000**2 // 2
ROUNDING = 2.0**-20  # so much below the threshold reaches it: a row's cosine with itself may be 1 - 4e-7
AUDITED = 512  # rows by which recall is measured
_BESIDE_CELLS = 2048  # rows of one block when there are cells

Pages = Callable[[], Iterator[Rows]]


class Led(NamedTuple):
    """The outcome; ranks count the m earlier rows first, then the n new ones."""

    kept: np.ndarray  # (n,) bool
    prior: Best  # of new rows: the nearest that stays and comes before
    every: Best  # of all rows that stay: the nearest that stays; of earlier ones only what beats their floor
    recall: Estimate | None  # share of new rows with the true prior; None for an exact search


def lead(
    vectors: np.ndarray,
    hashed: np.ndarray,
    floor: np.ndarray,
    earlier: Pages,
    threshold: float | None,
    exact_pairs: int | None = None,
    done: Callable[[int], None] = lambda rows: None,
) -> Led:
    """Decide rows in order.

    Args:
        vectors: (n, d) float32 unit rows, best first.
        hashed: (n,) their places in an order that depends on nothing but their ids.
        floor: (m,) cosine of each earlier row to its nearest so far, -inf for none.
        earlier: gives the earlier rows, ranks 0 to m - 1 ascending within a page; asked once or twice.
        threshold: cosine from which a row repeats another; None lets all stay.
        exact_pairs: comparisons up to which the search is exact; None for EXACT_PAIRS.
        done: told how many rows were decided.
    """
    m, n = len(floor), len(vectors)
    new = Rows(vectors, m + np.arange(n))
    led = Led(np.ones(n, dtype=bool), Best.of(m + n), Best.of(m + n), None)
    led.every.cosine[:m] = floor
    pairs, limit = n * m + n * n // 2, EXACT_PAIRS if exact_pairs is None else exact_pairs
    cells = one_cell(vectors.shape[1]) if pairs <= limit else fitted(new, hashed, m + n)
    homes = cells.homes(vectors)
    shelves = Shelves(cells, homes, vectors.shape[1])
    shelves.put(new, homes)
    asked = new.at(np.sort(hashed[:AUDITED])) if len(cells.codebook) > 1 else None
    truth = _after_earlier(led, shelves, earlier, asked)
    shelves.clear()
    _in_turn(led, shelves, cells, new, homes, threshold, done)
    if not led.kept.all():
        _mend(led, shelves, earlier, new, floor)
    return led if asked is None else led._replace(recall=_recall(led, new, asked, truth))


def _after_earlier(led: Led, shelves: Shelves, earlier: Pages, asked: Rows | None) -> Best:
    """Compare all new rows with the earlier ones; the exact nearest of the asked rows among these."""
    truth = Best.of(len(led.prior.rank))
    for page in earlier():
        shelves.met_by(page, led.prior, led.every)
        if asked is not None:
            meet(page, asked, None, truth)
    return truth


def _in_turn(
    led: Led,
    shelves: Shelves,
    cells: Cells,
    new: Rows,
    homes: np.ndarray,
    threshold: float | None,
    done: Callable[[int], None],
) -> None:
    """Decide the new rows block by block, against what stays of the blocks before."""
    step = BLOCK if len(cells.codebook) == 1 else _BESIDE_CELLS
    for start in range(0, len(new.ranks), step):
        rows, these = new.at(slice(start, start + step)), homes[start : start + step]
        shelves.met_by(rows, led.every, led.prior)
        stay = _decided(led, rows, threshold)
        led.kept[start : start + step] = stay
        shelves.put(rows.at(stay), these[stay])
        done(len(stay))
    stayed = new.ranks[led.kept]
    led.every.offer(stayed, led.prior.cosine[stayed], led.prior.rank[stayed])


def _decided(led: Led, rows: Rows, threshold: float | None) -> np.ndarray:
    """Which rows of a block stay, (b,) bool; their neighbours within the block are remembered."""
    inside = cosines(rows.vectors, rows.vectors)
    before = np.triu(np.ones(inside.shape, dtype=bool), 1)  # `inside` is symmetric
    stay = np.ones(len(inside), dtype=bool)
    if threshold is not None:
        stay = led.prior.cosine[rows.ranks] < threshold - ROUNDING
        near = (inside >= threshold - ROUNDING) & before
        for row in np.flatnonzero(near.any(axis=1)):
            if stay[row]:
                stay &= ~near[row]
    others = np.where(stay, inside, -np.inf)
    np.fill_diagonal(others, -np.inf)
    _offer_first(led.every, rows, others, stay)
    others[before] = -np.inf
    _offer_first(led.prior, rows, others, np.ones(len(stay), dtype=bool))
    return stay


def _offer_first(best: Best, rows: Rows, others: np.ndarray, which: np.ndarray) -> None:
    """Offer each of these rows its most similar column, the first of equals."""
    at = others.argmax(axis=1)
    found = others[np.arange(len(at)), at]
    which = which & (found > -np.inf)
    best.offer(rows.ranks[which], found[which], rows.ranks[at[which]])


def _mend(led: Led, shelves: Shelves, earlier: Pages, new: Rows, floor: np.ndarray) -> None:
    """Look again for rows whose nearest fell after it was found; what lies on the shelves stays."""
    m, every = len(floor), led.every
    fell = np.concatenate([np.zeros(m, dtype=bool), ~led.kept, [False]])  # the last for rank -1
    stale = fell[every.rank]
    first = stale[:m]
    every.cosine[:m][first], every.rank[:m][first] = floor[first], -1
    again = new.ranks[stale[m:]]
    every.cosine[again], every.rank[again] = led.prior.cosine[again], led.prior.rank[again]
    shelves.met_by(new.at(again - m), None, every)
    for page in earlier() if first.any() else ():
        shelves.met_by(page.at(np.flatnonzero(first[page.ranks])), None, every)


def _recall(led: Led, new: Rows, asked: Rows, truth: Best) -> Estimate:
    """The share of the asked rows whose nearest before them was found, or one as near."""
    stayed = new.at(np.flatnonzero(led.kept)) if not led.kept.all() else new
    for start in range(0, len(stayed.ranks), COLUMNS):
        meet(stayed.at(slice(start, start + COLUMNS)), asked, None, truth, before=True)
    hits = led.prior.cosine[asked.ranks] == truth.cosine[asked.ranks]
    return share(int(hits.sum()), len(hits))
