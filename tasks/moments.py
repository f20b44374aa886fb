"""The sums of a set of unit vectors as a row of `moment`, and back: what a run adds to a warehouse.

n, sum x and the upper triangle of sum x x^T in float64 are all that Vendi scores and mean cosines need
(tasks/spread.py). Sums of disjoint sets add: the statistics of all runs together follow from one row of each,
and a withdrawn run takes its row with it. At d = 384 a row is 594 kB, whatever the number of texts.
"""

from functools import reduce
from operator import add

import numpy as np
import polars as pl

from tasks.spread import Moments
from warehouse.parts import polars_schema


def to_row(run_id: str, recipe: str, encoder: str, sums: Moments) -> pl.DataFrame:
    """One row of `moment`."""
    upper = np.triu_indices(len(sums.first))
    row = {
        "run_id": run_id,
        "recipe": recipe,
        "encoder": encoder,
        "n": sums.n,
        "total": sums.first,
        "outer": sums.second[upper],
    }
    return pl.DataFrame([row], schema=polars_schema("moment"))


def summed(rows: pl.DataFrame) -> Moments | None:
    """The sums over all rows of a frame of `moment`, of one encoder; None without rows.

    Added in the order of (run_id, recipe), so that the order of rows changes not a bit.
    """
    rows = rows.sort("run_id", "recipe")
    each = [_of(n, np.array(total), np.array(outer)) for n, total, outer in _columns(rows)]
    return reduce(add, each) if each else None


def difference(one: Moments, other: Moments) -> float:
    """Largest difference of two sums over the same set, relative to their largest entry.

    Range: 0 and up, infinity when n or d differ. Rounding leaves about 1e-15; more is a drift.
    """
    if one.n != other.n or one.second.shape != other.second.shape:
        return float("inf")
    most = max(float(np.abs(one.second).max(initial=0)), 1e-300)
    return float(np.abs(one.second - other.second).max(initial=0)) / most


def _columns(rows: pl.DataFrame) -> zip:
    return zip(rows["n"], rows["total"].to_list(), rows["outer"].to_list(), strict=True)


def _of(n: int, first: np.ndarray, triangle: np.ndarray) -> Moments:
    second = np.zeros((len(first), len(first)))
    second[np.triu_indices(len(first))] = triangle
    return Moments(n, first, second + np.triu(second, 1).T)
