"""Multinomial logistic regression on unit vectors: fit, predict, and a file of it without any pickle.

Minimises 0.5 |w|^2 + C sum_i s_i nll_i by L-BFGS (scikit-learn), s_i = n / (k n_label) (class weight
"balanced"), so that a rare label counts as much as a common one. C is given, not searched for: one value for
every fit keeps control and ceiling comparable. One core and sorted rows: the same weights on one kind of
machine, whatever the order of the rows in their files.
"""

import json
import logging
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from schemas.errors import SeedloomError
from warehouse.files import sha256_of, write_durably

MAX_STEPS = 1_000
WEIGHTS = "classifier.safetensors"
SETTINGS = "classifier.json"

logger = logging.getLogger("seedloom.classifier")


class Classifier(NamedTuple):
    """A linear model over k labels and d dimensions: label argmax(vectors @ weights.T + bias)."""

    labels: tuple[str, ...]  # k, sorted
    weights: np.ndarray  # (k, d) float64
    bias: np.ndarray  # (k,) float64
    steps: int = 0  # of L-BFGS

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return self.weights.size + self.bias.size


def fit(vectors: np.ndarray, labels: list[str], c: float = 1.0) -> Classifier:
    """Fit on (n, d) vectors and their n labels, of which two or more differ."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    model = LogisticRegression(C=c, class_weight="balanced", max_iter=MAX_STEPS)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said below, in one line
        model.fit(np.asarray(vectors, dtype=np.float64), np.array(labels))
    steps = int(np.max(model.n_iter_))
    if steps >= MAX_STEPS:
        logger.warning("logistic regression did not converge in %d steps; a smaller C helps", MAX_STEPS)
    weights, bias = model.coef_, model.intercept_
    if len(bias) == 1:  # two labels: scikit-learn keeps the log odds of the second
        weights, bias = np.vstack([-weights, weights]) / 2, np.array([-bias[0], bias[0]]) / 2
    return Classifier(tuple(str(label) for label in model.classes_), weights, bias, steps)


def log_probabilities(model: Classifier, vectors: np.ndarray) -> np.ndarray:
    """Log probabilities, (n, k), of (n, d) vectors; each row sums to 1 after exp."""
    from scipy.special import log_softmax
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return log_softmax(np.asarray(vectors, dtype=np.float64) @ model.weights.T + model.bias, axis=1)


def predict(model: Classifier, vectors: np.ndarray) -> list[str]:
    """The likeliest label of each of (n, d) vectors."""
    return [model.labels[i] for i in np.argmax(log_probabilities(model, vectors), axis=1)]


def loss(model: Classifier, vectors: np.ndarray, labels: list[str]) -> float:
    """Mean negative log-likelihood of the labels, nats per row, in [0, inf)."""
    place = {label: i for i, label in enumerate(model.labels)}
    columns = np.array([place[label] for label in labels])
    return float(-np.mean(log_probabilities(model, vectors)[np.arange(len(columns)), columns]))


def save(model: Classifier, folder: Path, facts: dict[str, Any]) -> str:
    """Write weights (safetensors) and labels with facts (JSON); the SHA-256 of the weights."""
    from safetensors.numpy import save as serialised

    # safetensors writes the bytes as they lie: one in column order, as L-BFGS leaves it, comes back scrambled
    arrays = {"weights": np.ascontiguousarray(model.weights), "bias": np.ascontiguousarray(model.bias)}
    write_durably(folder / WEIGHTS, serialised(arrays))
    sha256 = sha256_of(folder / WEIGHTS)
    told = {"labels": model.labels, "steps": model.steps, "sha256": sha256, **facts}
    write_durably(folder / SETTINGS, (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode())
    return sha256


def load(folder: Path) -> Classifier:
    """The classifier that `save` wrote.

    Raises:
        SeedloomError: the weights are not those that were trained.
    """
    from safetensors.numpy import load_file

    told = json.loads((folder / SETTINGS).read_bytes())
    if sha256_of(folder / WEIGHTS) != told["sha256"]:
        raise SeedloomError(f"the weights in {folder} are not those that were trained; train again")
    arrays = load_file(folder / WEIGHTS)
    return Classifier(tuple(told["labels"]), arrays["weights"], arrays["bias"], told["steps"])
