"""How well predicted labels agree with true ones: accuracy, and precision, recall and F1 of each label.

F1 = 2 TP / (2 TP + FP + FN), in [0, 1]. Macro-F1: its plain mean over the labels that occur among the true
ones (van Rijsbergen 1979; as scikit-learn with these labels). 95% intervals: Wilson for shares; for F1 the
percentile bootstrap over rows (Efron 1979), 1,000 draws: rows of one cell of the confusion matrix are alike,
so a draw of rows is a multinomial draw of cells, and the order of the rows cannot matter.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np

from schemas.ids import seed_for
from tasks.intervals import Estimate, share

DRAWS = 1_000
BLOCK = 50  # draws held in memory at once


class LabelScore(NamedTuple):
    """Scores of one label. Precision is unknown when nothing was predicted so, recall when nothing is so."""

    precision: Estimate
    recall: Estimate
    f1: Estimate


class Scores(NamedTuple):
    """Scores over n rows; `labels` holds every label that is true or predicted somewhere."""

    accuracy: Estimate
    macro_f1: Estimate
    labels: dict[str, LabelScore]


def scores(truth: list[str], predicted: list[str], seed: int = 0) -> Scores:
    """Scores of n predicted labels against the true ones, with intervals.

    Unknown (None) throughout for n = 0.
    """
    n = len(truth)
    counts, at, names = _confusion(truth, predicted)
    drawn = _draws(counts, at, len(names), seed)
    hits, true, guessed = (row[0] for row in _margins(counts[None], at, len(names)))
    f1, macro = _f1(hits[None], true[None], guessed[None])
    labels = {
        name: LabelScore(
            share(int(hits[i]), int(guessed[i])),
            share(int(hits[i]), int(true[i])),
            _between(f1[0, i] if true[i] else None, drawn[:, i], int(true[i])),
        )
        for i, name in enumerate(names)
    }
    return Scores(share(int(hits.sum()), n), _between(macro[0] if n else None, drawn[:, -1], n), labels)


def point_scores(truth: list[str], predicted: list[str]) -> tuple[float, float]:
    """Accuracy and macro-F1 of n > 0 rows, without intervals."""
    counts, at, names = _confusion(truth, predicted)
    hits, true, guessed = _margins(counts[None], at, len(names))
    return float(hits.sum() / counts.sum()), float(_f1(hits, true, guessed)[1][0])


def _confusion(truth: list[str], predicted: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Counts of the cells that occur, (cells,), their (true, guessed) places, (cells, 2), and the labels."""
    cells = Counter(zip(truth, predicted, strict=True))
    names = sorted({name for cell in cells for name in cell})
    place = {name: i for i, name in enumerate(names)}
    at = [[place[name] for name in cell] for cell in sorted(cells)]
    counts = np.array([cells[cell] for cell in sorted(cells)], dtype=np.int64)
    return counts, np.array(at, dtype=np.int64).reshape(-1, 2), names


def _draws(counts: np.ndarray, at: np.ndarray, k: int, seed: int) -> np.ndarray:
    """(DRAWS, k + 1): F1 of each label, NaN where the draw has none, and macro-F1."""
    n = int(counts.sum())
    if n == 0:
        return np.full((DRAWS, k + 1), np.nan)
    rng = np.random.default_rng(seed_for("label scores", seed))
    blocks = []
    for _ in range(DRAWS // BLOCK):
        f1, macro = _f1(*_margins(rng.multinomial(n, counts / n, size=BLOCK), at, k))
        blocks.append(np.column_stack([f1, macro]))
    return np.concatenate(blocks)


def _margins(cells: np.ndarray, at: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hits, true rows and guessed rows of each label, (draws, k) each, from (draws, cells) counts."""
    hits, true, guessed = (np.zeros((len(cells), k), dtype=np.int64) for _ in range(3))
    same = at[:, 0] == at[:, 1]
    hits[:, at[same, 0]] = cells[:, same]
    np.add.at(true, (slice(None), at[:, 0]), cells)
    np.add.at(guessed, (slice(None), at[:, 1]), cells)
    return hits, true, guessed


def _f1(hits: np.ndarray, true: np.ndarray, guessed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F1, (draws, k), NaN for a label that no row truly has, and its mean over the others, (draws,)."""
    f1 = np.where(true > 0, 2 * hits / np.maximum(true + guessed, 1), np.nan)
    known = np.maximum((true > 0).sum(axis=1), 1)
    return f1, np.nansum(f1, axis=1) / known


def _between(value: float | None, drawn: np.ndarray, n: int) -> Estimate:
    """A value within the middle 95% of what was drawn; without an interval when no draw differs."""
    if value is None:
        return Estimate(None, n)
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    if np.nanmax(drawn) - np.nanmin(drawn) < 1e-9:  # all right or all wrong: the bootstrap cannot doubt it
        return Estimate(float(value), n)
    return Estimate(float(value), n, min(float(low), float(value)), max(float(high), float(value)))
