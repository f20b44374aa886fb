"""95% intervals of estimates, in closed form wherever there is one.

Shares: Wilson 1927. Medians: order statistics of the binomial. Sums over sums: the linearised ratio of
cluster sampling, one text being one cluster. Statistics of counts of words, which no independence formula
fits: the delete-a-group jackknife (Kott 2001) over 20 groups of whole texts. An interval tells the noise of
drawing these texts and not others; it knows nothing of a bias that depends on the number of texts.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

GROUPS = 20
Z = 1.959963984540054  # 97.5% point of the normal distribution
T_GROUPS = 2.093024054408263  # the same of Student's t with GROUPS - 1 degrees of freedom


class Estimate(NamedTuple):
    """A value with the number of observations behind it and its 95% interval; None is "cannot be known"."""

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None


def around(
    value: float | None, se: float, n: int, within: tuple[float, float] = (-math.inf, math.inf), z: float = Z
) -> Estimate:
    """The normal interval value -/+ z se, cut to the range the statistic can take."""
    if value is None or not math.isfinite(value):
        return Estimate(None, n)
    if not math.isfinite(se):
        return Estimate(value, n)
    return Estimate(value, n, max(within[0], value - z * se), min(within[1], value + z * se))


def share(hits: int, n: int) -> Estimate:
    """A share of n independent rows, in [0, 1], with Wilson's interval; unknown for n = 0."""
    if n < 1:
        return Estimate(None, n)
    p, shrink = hits / n, 1 + Z * Z / n
    middle = (p + Z * Z / (2 * n)) / shrink
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / shrink
    return Estimate(p, n, max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half)))


def mean(values: np.ndarray) -> Estimate:
    """The mean of (n,) values with its normal interval; unknown for n < 2."""
    n = len(values)
    if n < 2:
        return Estimate(None, n)
    return around(float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(n), n)


def ratio(parts: np.ndarray, wholes: np.ndarray) -> Estimate:
    """sum(parts) / sum(wholes) over (n,) texts, in [0, 1], interval by linearisation; unknown for n < 2."""
    n, whole = len(wholes), float(np.sum(wholes))
    if n < 2 or whole == 0:
        return Estimate(None, n)
    value = float(np.sum(parts)) / whole
    residuals = np.asarray(parts, dtype=np.float64) - value * np.asarray(wholes, dtype=np.float64)
    return around(value, float(np.std(residuals, ddof=1)) * math.sqrt(n) / whole, n, (0.0, 1.0))


def ratio_of_sums(n: int, part: int, whole: int, squares: tuple[int, int, int]) -> Estimate:
    """`ratio` from sums over n texts, which add over sets: sum p, sum w, (sum p^2, sum p w, sum w^2).

    Sums of whole numbers give the very interval of the rows; in [0, 1], unknown for n < 2.
    """
    if n < 2 or whole == 0:
        return Estimate(None, n)
    value, (pp, pw, ww) = part / whole, squares
    # The residuals p - v w have mean 0, so that their squares are the variance.
    scatter = max(0.0, pp - 2 * value * pw + value * value * ww)
    return around(value, math.sqrt(scatter / (n - 1) * n) / whole, n, (0.0, 1.0))


def median_of_counts(values: np.ndarray, counts: np.ndarray) -> Estimate:
    """`median` of values that come `counts` times, (k,) each. Range: that of the values; unknown if n < 2."""
    order = np.argsort(values)
    values, ends = np.asarray(values, dtype=np.float64)[order], np.cumsum(np.asarray(counts)[order])
    n = int(ends[-1]) if len(ends) else 0
    if n < 2:
        return Estimate(None, n)

    def at(place: int) -> float:
        return float(values[np.searchsorted(ends, place, side="right")])

    half = Z * math.sqrt(n) / 2
    low, high = max(0, math.floor(n / 2 - half)), min(n - 1, math.ceil(n / 2 + half))
    return Estimate((at((n - 1) // 2) + at(n // 2)) / 2, n, at(low), at(high))


def median(values: np.ndarray) -> Estimate:
    """The median of (n,) values; the interval is a pair of order statistics; unknown for n < 2."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if n < 2:
        return Estimate(None, n)
    half = Z * math.sqrt(n) / 2
    low, high = max(0, math.floor(n / 2 - half)), min(n - 1, math.ceil(n / 2 + half))
    return Estimate(float(np.median(ordered)), n, float(ordered[low]), float(ordered[high]))


def jackknife(
    types: np.ndarray,
    groups: np.ndarray,
    statistic: Callable[[np.ndarray], float | None],
    n: int,
    within: tuple[float, float] = (0.0, 1.0),
) -> Estimate:
    """A statistic of type counts, and its interval from leaving out one group of texts at a time.

    Args:
        types: (N,) int, the type of each occurrence.
        groups: (N,) int in 0..GROUPS - 1, the group of the text that the occurrence stands in.
        statistic: from (V,) counts to a number.
        n: observations to report.
        within: the range of the statistic.
    """
    counts = np.bincount(types) if len(types) else np.zeros(0, dtype=np.int64)
    value = statistic(counts)
    if value is None:
        return Estimate(None, n)
    order = np.argsort(groups.astype(np.uint8), kind="stable")
    edges = np.searchsorted(groups[order], np.arange(GROUPS + 1))
    sorted_types = types[order]
    left_out = [
        statistic(counts - np.bincount(sorted_types[start:stop], minlength=len(counts)))
        for start, stop in zip(edges[:-1], edges[1:], strict=True)
    ]
    known = np.array([v for v in left_out if v is not None], dtype=np.float64)
    if len(known) < GROUPS or (np.diff(edges) == 0).any():
        return Estimate(value, n)
    se = math.sqrt((GROUPS - 1) / GROUPS * float(np.sum((known - known.mean()) ** 2)))
    return around(value, se, n, within, T_GROUPS)
