"""docs/statistics.md names what a classifier measures; what a run measures: tests/tasks/test_measurement.py."""

import re
from pathlib import Path

import numpy as np
from labelled import sets

from tasks.yardsticks import Vectors, compare

PAGE = (Path(__file__).parents[1] / "docs" / "statistics.md").read_text("utf-8")


def rows(tag, n=20):
    return [(f"{label} {tag} {i}", label) for label in "ab" for i in range(n)]


def vectors_of(side):
    places = np.array([[1.0, 0.0] if text[0] == "a" else [-1.0, 0.0] for text in side["text"]])
    return places + np.random.default_rng(0).normal(0, 0.1, places.shape)


def test_every_metric_of_a_classifier_is_on_the_page_and_no_other():
    made = [
        (text, label, "heldout" if i % 5 == 0 else "train") for i, (text, label) in enumerate(rows("made"))
    ]
    given = sets(made, rows("real"), rows("test"))
    found = compare(given, Vectors(*map(vectors_of, (given.made, given.train, given.test)))).metrics
    measured = {re.sub(r":.*", ":<label>", metric) for metric in found}
    section = PAGE.partition("## Classifiers")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`((?:classifier|label)_[a-z0-9_]+(?::<label>)?)`", section))
    assert listed == measured
