"""Topics: into how many cells of a frozen codebook the vectors fall, and how far they moved from a reference.

The only statistics of ours that see a collapse to one topic, which Vendi and NovelSum can score as an
increase. Cells must not be fitted anew for each run, or runs cannot be compared. Two codebooks, each a
function of its arguments alone: `directions`, random unit vectors that depend on (k, d) only, so effective
clusters can be compared between any two sets of one encoder; and `spherical_k_means` of the reference
(Dhillon & Modha 2001) for the divergence from it, which sees a collapse about twice as sharply and needs
the reference anyway. Jensen-Shannon divergence in bits: Lin 1991.
"""

import math

import numpy as np
from scipy.sparse import csr_array

from schemas.ids import seed_for
from tasks.intervals import Estimate, Z, around
from tasks.spread import BLOCK, unit

K = 64  # cells
ITERATIONS = 20
RESAMPLES = 200


def directions(d: int, k: int = K) -> np.ndarray:
    """The frozen codebook of k random unit directions, (k, d) float64; the same for ever.

    From numpy's legacy generator: its streams are promised never to change (NEP 19).
    """
    chance = np.random.RandomState(seed_for("codebook", k, d) % 2**32)
    return unit(chance.standard_normal((k, d)))


def spherical_k_means(reference: np.ndarray, k: int = K) -> np.ndarray:
    """A codebook fitted to (n, d) reference rows by cosine, (k', d) float64; k' = min(k, n // 20), 1 or more.

    Depends on the rows, not on their order. Begins with rows far from each other (k-means++ without chance).
    """
    rows = unit(reference)
    rows = rows[np.lexsort(rows.T[:8])]
    codebook = _far_apart(rows, max(1, min(k, len(rows) // 20)))
    for _ in range(ITERATIONS):
        cells = (rows @ codebook.T).argmax(axis=1)
        members = csr_array((np.ones(len(rows)), (cells, np.arange(len(rows)))), (len(codebook), len(rows)))
        sums = members @ rows
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        codebook = np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1), codebook)
    return codebook


def assign(vectors: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """The cell of each row of (n, d): the codebook entry of largest cosine, (n,) int64."""
    blocks = [unit(vectors[i : i + BLOCK]) @ codebook.T for i in range(0, len(vectors), BLOCK)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *(block.argmax(axis=1) for block in blocks)])


def cell_counts(vectors: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """How many rows fall into each cell, (k,) int64; counts of disjoint sets add."""
    return np.bincount(assign(vectors, codebook), minlength=len(codebook))


def entropy(counts: np.ndarray) -> float | None:
    """Entropy of counts in bits, -sum p log2 p. Range: 0 to log2 k; None for fewer than 2 rows."""
    total = counts.sum()
    if total < 2:
        return None
    p = counts[counts > 0] / total
    return max(0.0, -float(np.sum(p * np.log2(p))))


def effective_clusters(counts: np.ndarray) -> float | None:
    """2^H / k, the share of cells that are in use, evenly weighted.

    Range: 1/k to 1; None for fewer than 2 rows.
    """
    bits = entropy(counts)
    return None if bits is None else 2**bits / len(counts)


def js_divergence(counts: np.ndarray, reference: np.ndarray) -> float | None:
    """Jensen-Shannon divergence of two (k,) counts in bits, null bias taken off.

    Range: slightly below 0 to 1.

    Two draws from one distribution diverge by (k - 1)(1/n + 1/n_ref) / (8 ln 2) on average, k counting the
    cells that either fills: that is subtracted, so equal distributions give 0 in the mean. None for n < 2
    of either.
    """
    n, m = counts.sum(), reference.sum()
    if n < 2 or m < 2:
        return None
    p, q = counts / n, reference / m
    middle = (p + q) / 2
    filled = int(np.sum(middle > 0))
    bias = (filled - 1) * (1 / n + 1 / m) / (8 * math.log(2))
    return float((_kl(p, middle) + _kl(q, middle)) / 2 - bias)


def effective_clusters_estimate(counts: np.ndarray) -> Estimate:
    """`effective_clusters` with its interval: the standard error of H is that of the mean surprise."""
    n, value = int(counts.sum()), effective_clusters(counts)
    if value is None:
        return Estimate(None, n)
    p = counts[counts > 0] / n
    spread = math.sqrt(max(0.0, float(np.sum(p * np.log2(p) ** 2) - np.sum(p * np.log2(p)) ** 2)) / n)
    return Estimate(
        value, n, max(1 / len(counts), value * 2 ** (-Z * spread)), min(1.0, value * 2 ** (Z * spread))
    )


def js_estimate(counts: np.ndarray, reference: np.ndarray) -> Estimate:
    """`js_divergence` with its interval: the deviation over 200 seeded resamples of both counts."""
    n, value = int(counts.sum()), js_divergence(counts, reference)
    if value is None:
        return Estimate(None, n)
    chance = np.random.default_rng(seed_for("bootstrap", "cluster_js", counts.tolist(), reference.tolist()))
    a, b = (chance.multinomial(c.sum(), c / c.sum(), RESAMPLES) for c in (counts, reference))
    again = [js_divergence(x, y) for x, y in zip(a, b, strict=True)]
    return around(value, float(np.std(again, ddof=1)), n, (-math.inf, 1.0))


def _far_apart(rows: np.ndarray, k: int) -> np.ndarray:
    """K rows, each the farthest from those before it; the first is the nearest to the mean."""
    chosen = [int((rows @ rows.mean(axis=0)).argmax())]
    nearest = rows @ rows[chosen[0]]
    while len(chosen) < k:
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, rows @ rows[chosen[-1]])
    return rows[chosen]


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    kept = p > 0
    return float(np.sum(p[kept] * np.log2(p[kept] / q[kept])))
