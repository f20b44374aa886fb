"""A classifier trained on a release, and the yardsticks beside which its scores are read.

On the same real test rows: `majority`, always the commonest label of the test, which no constant answer
beats; `shuffled`, the mean of 20 fits on the release with its labels permuted, near chance unless something
leaks; `ceiling`, the same fit on real rows. A label that the release lacks counts as wrong.
`label_agreement`: share of the release's texts to which the classifier of the real rows gives the label that
was asked for; its own errors count in, so it is read beside the ceiling. All in [0, 1].
"""

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import polars as pl

from schemas.ids import seed_for
from tasks.intervals import GROUPS, T_GROUPS, Estimate, around, share
from tasks.label_scores import Scores, point_scores, scores
from tasks.labelled_sets import Sets
from tasks.logistic import Classifier, fit, loss, predict
from tasks.progress import Progress

SHUFFLES = GROUPS  # permutations of the control; as many as the t of the interval is for


class Vectors(NamedTuple):
    """Vectors of the rows of `Sets`, row by row; zeros where a text has none, so that the bias decides."""

    made: np.ndarray  # (n, d)
    train: np.ndarray
    test: np.ndarray


class Result(NamedTuple):
    """A classifier trained on the release, and what was measured, by name of the metric."""

    model: Classifier
    loss: float  # on its training rows, nats per row
    metrics: dict[str, Estimate]


def compare(sets: Sets, vectors: Vectors, c: float = 1.0, seed: int = 0) -> Result:
    """Train on the release, on permuted labels and on real rows, and score all of it; see the module."""
    fitted = sets.fitted
    chosen, labels = vectors.made[fitted["at"].to_numpy()], fitted["label"].to_list()
    model, ceiling = fit(chosen, labels, c), fit(vectors.train, sets.train["label"].to_list(), c)
    truth = sets.test["label"].to_list()
    main = scores(truth, predict(model, vectors.test), seed)
    constant = min(Counter(truth).items(), key=lambda item: (-item[1], item[0]))[0]
    metrics = {
        **_headlines("", main),
        **_headlines("_majority", scores(truth, [constant] * len(truth), seed)),
        **_shuffled(chosen, labels, vectors.test, truth, c, seed),
        **_headlines("_ceiling", scores(truth, predict(ceiling, vectors.test), seed)),
        **_heldout(sets, vectors, model, seed),
        **_each_label(main),
        **_agreement(sets, vectors, ceiling),
        **_counts(sets),
    }
    return Result(model, loss(model, chosen, labels), metrics)


def _headlines(which: str, found: Scores) -> dict[str, Estimate]:
    return {f"classifier_accuracy{which}": found.accuracy, f"classifier_macro_f1{which}": found.macro_f1}


def _each_label(found: Scores) -> dict[str, Estimate]:
    return {
        f"label_{name}:{label}": estimate
        for label, each in found.labels.items()
        for name, estimate in each._asdict().items()
    }


def _shuffled(
    vectors: np.ndarray, labels: list[str], test: np.ndarray, truth: list[str], c: float, seed: int
) -> dict[str, Estimate]:
    """The control: means over permutations; one alone swings far when the texts lie in few clumps."""
    progress = Progress("classifier: shuffles", SHUFFLES)
    values = np.zeros((SHUFFLES, 2))
    for i in range(SHUFFLES):
        values[i] = point_scores(truth, predict(fit(vectors, _permuted(labels, seed, i), c), test))
        progress.advance()
    errors = values.std(axis=0, ddof=1) / math.sqrt(SHUFFLES)
    names = ("classifier_accuracy_shuffled", "classifier_macro_f1_shuffled")
    return {
        name: around(float(value), float(error), SHUFFLES, (0.0, 1.0), T_GROUPS)
        for name, value, error in zip(names, values.mean(axis=0), errors, strict=True)
    }


def _permuted(labels: list[str], seed: int, i: int) -> list[str]:
    order = np.random.default_rng(seed_for("shuffled labels", seed, i)).permutation(len(labels))
    return [labels[place] for place in order]


def _heldout(sets: Sets, vectors: Vectors, model: Classifier, seed: int) -> dict[str, Estimate]:
    """On the held-out rows of the release itself: what is lost beyond it is lost between made and real."""
    mask = (sets.made["split"] != "train").to_numpy()
    truth = sets.made["label"].filter(pl.Series(mask)).to_list()
    return _headlines("_heldout", scores(truth, predict(model, vectors.made[mask]), seed))


def _agreement(sets: Sets, vectors: Vectors, ceiling: Classifier) -> dict[str, Estimate]:
    """Over rows whose text the classifier was not trained on; unknown for labels that it does not know."""
    known = pl.col("label").is_in(list(ceiling.labels))
    asked = sets.made.with_columns(given=pl.Series(predict(ceiling, vectors.made), dtype=pl.String))
    asked = asked.filter(~pl.col("key").is_in(sets.train["key"].implode()))
    counts = (
        asked.group_by("label")
        .agg(n=pl.len(), hits=(pl.col("label") == pl.col("given")).sum(), known=known.first())
        .sort("label")
        .to_dicts()
    )
    shared = [each for each in counts if each["known"]]
    total = share(sum(each["hits"] for each in shared), sum(each["n"] for each in shared))
    each = {
        f"label_agreement:{row['label']}": share(row["hits"], row["n"])
        if row["known"]
        else Estimate(None, row["n"])
        for row in counts
    }
    return {"label_agreement": total, **each}


def _counts(sets: Sets) -> dict[str, Estimate]:
    overlap = sets.made["overlap"]
    read = sets.train.height + sets.overlap_train + sets.test.height + sets.rejects.height
    unseen = int(sets.test["label"].is_in(sets.only_in_data).sum())
    numbers = {
        "classifier_rows_train": (sets.fitted.height, sets.made.height),
        "classifier_rows_ceiling": (sets.train.height, sets.train.height),
        "classifier_rows_test": (sets.test.height, sets.test.height),
        "classifier_rows_unseen": (unseen, sets.test.height),
        "classifier_rows_rejected": (sets.rejects.height, read),
        "classifier_overlap": (int(overlap.sum()), sets.made.height),
        "classifier_overlap_ceiling": (sets.overlap_train, sets.train.height + sets.overlap_train),
        "classifier_labels_only_in_data": (len(sets.only_in_data), sets.test["label"].n_unique()),
        "classifier_labels_only_in_release": (len(sets.only_in_release), sets.made["label"].n_unique()),
    }
    return {name: Estimate(float(value), n) for name, (value, n) in numbers.items()}
