"""The choice of near-duplicates to keep, on numbers: from sketches to candidates to exact similarities.

Sketches say which samples could have a near-duplicate (`tasks.bands`). Only their texts are read, their
shingle sets lie in a scratch file when they are many (`tasks.shingle_store`), and the greedy choice
(`tasks.leader_kernel`) goes through them by precedence, with as many sets at a time as the budget allows.
"""

from collections.abc import Callable, Iterable
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from schemas.errors import BadInput, SeedloomError
from tasks.ahead import ahead
from tasks.bands import buckets, partnered
from tasks.shingle_store import ShingleStore
from tasks.shingles import shingle_sets

CAP = 256  # kept texts that one text is compared with through one band: bounds the cost of boilerplate
SLACK = 0.12  # three standard errors of a signature's estimate at 0.7
BUDGET = 24_000_000  # shingles in memory, 192 MB


class Line(NamedTuple):
    """All samples in order of precedence: earlier ones, then those to judge."""

    sketch: np.ndarray  # (n, 128) uint8
    n_shingles: np.ndarray  # (n,) int32, 0 for a text without words
    n_earlier: int


class Decision(NamedTuple):
    """What was decided on the n samples of a line."""

    kept: np.ndarray  # (n,) bool
    score: np.ndarray  # (n,) float64, nan when no similarity was computed
    witness: np.ndarray  # (n,) int32, place of the most similar kept one before it, or -1
    full_bands: np.ndarray  # (n,) int32, bands in which kept texts were left out for lack of room


Texts = Callable[[np.ndarray], Iterable[tuple[pl.Series, np.ndarray]]]


def judge(
    line: Line, texts: Texts, threshold: float, n: int, folder: Path, cap: int = CAP, budget: int = BUDGET
) -> Decision:
    """Which samples are near-duplicates of a better one that is kept.

    Args:
        line: the samples.
        texts: gives texts of the wanted places, (n,) bool, some at a time, each with its place; asked once.
        threshold: Jaccard similarity, above 0 and at most 1.
        n: words per shingle, as in the signatures.
        folder: where a scratch file may lie.
        cap: kept texts that one text is compared with through one band.
        budget: shingles held in memory.

    Raises:
        BadInput: for a threshold outside of (0, 1].
        SeedloomError: when a text is missing or is not the one that was signed.
    """
    if not 0 < threshold <= 1:
        raise BadInput(f"threshold {threshold!r} of the filter minhash is outside of (0, 1]")
    least = max(0, ceil((threshold - SLACK) * 128))
    rows = np.flatnonzero(line.n_shingles).astype(np.uint32)
    found = partnered(line.sketch, rows, line.n_earlier, least, cap)
    places = np.flatnonzero(found)
    with ShingleStore(line.n_shingles[places], budget, folder) as store:
        _fill(store, found, texts, n)
        return _spread(places, len(found), _lead(line, places, store, least, threshold, cap, budget))


def _fill(store: ShingleStore, found: np.ndarray, texts: Texts, n: int) -> None:
    """Put the shingle sets of the rows that were found into the store."""
    number = np.cumsum(found) - 1

    def put(some: tuple[pl.Series, np.ndarray]) -> None:
        page, places = some
        rows = number[places]
        bounds, hashes = shingle_sets(page, n)
        if not np.array_equal(np.diff(bounds), store.sizes[rows]):
            raise SeedloomError("a text is not the one that was signed: its number of shingles differs")
        store.put(rows, hashes)

    for _ in ahead(put, texts(found) if found.any() else []):
        pass
    if store.missing:
        raise SeedloomError(f"the texts of {store.missing} signed samples are missing")


def _lead(
    line: Line, places: np.ndarray, store: ShingleStore, least: int, threshold: float, cap: int, budget: int
) -> Decision:
    """The decision on the rows that have a partner, as many at a time as the budget allows."""
    from tasks import leader_kernel as kernel

    sketch = line.sketch[places]
    groups, words = buckets(sketch, cap), sketch.view(np.uint64)
    n_earlier = int(np.searchsorted(places, line.n_earlier))
    progress = kernel.begin(len(places), groups)
    start = 0
    while start < len(places):
        needed = np.zeros(len(places), bool)
        stop = kernel.reach(start, words, groups, progress, store.sizes, least, budget, needed)
        needed[start:stop] = True
        starts, hashes = store.load(np.flatnonzero(needed))
        sets = kernel.Sets(starts, store.sizes, hashes)
        kernel.lead(start, stop, n_earlier, words, groups, sets, least, threshold, progress)
        del starts, hashes, sets  # before the next ones are read
        start = stop
    return Decision(*progress[:4])


def _spread(places: np.ndarray, n: int, few: Decision) -> Decision:
    """The same decision on all rows: those without a partner are kept."""
    every = Decision(np.ones(n, bool), np.full(n, np.nan), np.full(n, -1, np.int32), np.zeros(n, np.int32))
    for target, source in zip(every, few, strict=True):
        target[places] = source
    named = every.witness >= 0
    every.witness[named] = places[every.witness[named]]
    return every
