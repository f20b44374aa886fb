"""Known answers on texts whose vectors are planted: label A lies at x = 1, label B at x = -1."""

import math

import numpy as np
import pytest
from labelled import sets

from tasks import yardsticks
from tasks.intervals import share
from tasks.yardsticks import Vectors, compare

rng = np.random.default_rng(0)


def near(rows, apart=1.0):
    """(n, 2) vectors by the first letter of each text, whatever its label says."""
    places = {"a": apart, "b": -apart, "c": 0.0}
    noise = np.random.default_rng(len(rows)).normal(0, 0.2, (len(rows), 2))
    return noise + [[places[text[0]], 5.0 if text[0] == "c" else 0.0] for text in rows]


def texts(letter, n, tag):
    return [f"{letter} {tag} {i}" for i in range(n)]


def rows(numbers, tag, wrong=0.0):
    """(text, label); a share of each letter has the label of the next."""
    found = []
    for letter, n in numbers.items():
        other = {"a": "b", "b": "a", "c": "a"}[letter]
        found += [(t, other if i < wrong * n else letter) for i, t in enumerate(texts(letter, n, tag))]
    return found


def compared(made, train, test, apart=1.0, heldout=0.2, **more):
    split = [
        (t, label, "heldout" if i % round(1 / heldout) == 0 else "train") for i, (t, label) in enumerate(made)
    ]
    given = sets(split, train, test, **more)
    vectors = Vectors(
        *(near(side["text"].to_list(), apart) for side in (given.made, given.train, given.test))
    )
    return given, compare(given, vectors)


@pytest.fixture(scope="module")
def separable():
    return compared(
        rows({"a": 60, "b": 60}, "made"), rows({"a": 40, "b": 20}, "real"), rows({"a": 70, "b": 30}, "t")
    )


def test_what_is_apart_is_classified_rightly_everywhere(separable):
    _, found = separable
    for name in ("", "_ceiling", "_heldout"):
        assert found.metrics[f"classifier_accuracy{name}"].value > 0.98
        assert found.metrics[f"classifier_macro_f1{name}"].value > 0.98
    assert found.metrics["label_f1:a"].value > 0.98 and found.metrics["label_agreement"].value > 0.98
    assert found.loss < math.log(2)


def test_the_majority_baseline_is_the_share_of_the_largest_label_of_the_test(separable):
    _, found = separable
    assert found.metrics["classifier_accuracy_majority"] == share(70, 100)
    assert found.metrics["classifier_macro_f1_majority"].value == pytest.approx((140 / 170) / 2)


def test_the_control_is_at_chance_though_the_labels_are_apart(separable):
    _, found = separable
    control = found.metrics["classifier_accuracy_shuffled"]
    assert control.low < 0.5 < control.high < 0.9 and control.n == yardsticks.SHUFFLES


def test_the_control_would_show_a_leak(monkeypatch):
    """Labels that are not really shuffled: the control is far from chance, so it can fail."""
    monkeypatch.setattr(yardsticks, "_permuted", lambda labels, seed, i: labels)
    given = sets([(t, x, "train") for t, x in rows({"a": 20, "b": 20}, "m")], rows({"a": 5, "b": 5}, "r"), [])
    chosen = np.array([[1.0] if t[0] == "a" else [-1.0] for t in given.made["text"]])
    found = yardsticks._shuffled(
        chosen, given.made["label"].to_list(), np.array([[1.0], [-1.0]]), ["a", "b"], 1.0, 0
    )
    assert found["classifier_accuracy_shuffled"].low > 0.9


def test_label_agreement_is_the_share_of_labels_that_were_obeyed():
    made = rows({"a": 100, "b": 100}, "made", wrong=0.2)
    given, found = compared(made, rows({"a": 40, "b": 40}, "real"), rows({"a": 30, "b": 30}, "t"))
    agreement = found.metrics["label_agreement"]
    assert agreement.value == pytest.approx(0.8, abs=0.01) and agreement.n == 200
    assert agreement.low < 0.8 < agreement.high
    assert found.metrics["label_agreement:a"].value == pytest.approx(0.8, abs=0.02)
    assert given.made.filter(label="a").height == found.metrics["label_agreement:a"].n == 100


def test_agreement_is_not_judged_on_texts_the_judge_was_trained_on():
    real = rows({"a": 40, "b": 40}, "real")
    _, found = compared([*rows({"a": 30, "b": 30}, "made"), *real[:10]], real, rows({"a": 30, "b": 30}, "t"))
    assert found.metrics["label_agreement"].n == 60


def test_the_release_decides_the_classifier_and_the_real_rows_the_ceiling():
    made = [(text, "ab"["ba".index(label)]) for text, label in rows({"a": 60, "b": 60}, "made")]
    _, found = compared(made, rows({"a": 40, "b": 40}, "real"), rows({"a": 30, "b": 30}, "t"))
    assert found.metrics["classifier_accuracy"].value < 0.02
    assert found.metrics["classifier_accuracy_heldout"].value > 0.98, "it learned what it was told"
    assert found.metrics["classifier_accuracy_ceiling"].value > 0.98
    assert found.metrics["label_agreement"].value < 0.02


def test_a_label_that_the_release_lacks_counts_as_wrong_and_is_counted():
    _, found = compared(
        rows({"a": 60, "b": 60}, "made"),
        rows({"a": 20, "b": 20, "c": 20}, "real"),
        rows({"a": 40, "b": 40, "c": 20}, "t"),
    )
    metrics = found.metrics
    assert metrics["classifier_accuracy"].value == pytest.approx(0.8, abs=0.02)
    assert metrics["label_recall:c"].value == 0.0 and metrics["label_f1:c"].value == 0.0
    assert metrics["label_precision:c"].value is None
    assert metrics["classifier_rows_unseen"][:2] == (20.0, 100)
    assert metrics["classifier_labels_only_in_data"].value == 1.0
    assert metrics["classifier_accuracy_ceiling"].value > 0.98


def test_a_label_that_the_data_lacks_is_counted_and_its_agreement_is_unknown():
    _, found = compared(
        rows({"a": 50, "b": 50, "c": 30}, "made"),
        rows({"a": 20, "b": 20}, "real"),
        rows({"a": 30, "b": 30}, "t"),
    )
    assert found.metrics["classifier_labels_only_in_release"].value == 1.0
    assert found.metrics["label_agreement:c"] == (None, 30, None, None)
    assert found.metrics["label_agreement"].n == 100 and found.metrics["label_agreement"].value > 0.98


def test_texts_of_the_test_are_left_out_of_training_and_counted():
    test = rows({"a": 30, "b": 30}, "t")
    given, found = compared(
        [*rows({"a": 40, "b": 40}, "made"), *test[:20]], rows({"a": 20, "b": 20}, "real"), test
    )
    assert found.metrics["classifier_overlap"][:2] == (20.0, 100)
    assert found.metrics["classifier_rows_train"].value == given.fitted.height == 64
    assert not set(given.fitted["text"]) & {text for text, _ in test}


def test_counts_of_rows_and_rejects(separable):
    given, found = separable
    counts = {
        name: found.metrics[f"classifier_{name}"].value
        for name in ("rows_train", "rows_ceiling", "rows_test")
    }
    assert counts == {"rows_train": 96.0, "rows_ceiling": 60.0, "rows_test": 100.0}
    _, other = compared(
        rows({"a": 9, "b": 9}, "made"),
        rows({"a": 4, "b": 4}, "r"),
        rows({"a": 4, "b": 4}, "t"),
        rejects=3,
        overlap_train=2,
    )
    assert other.metrics["classifier_rows_rejected"][:2] == (3.0, 8 + 2 + 8 + 3)
    assert other.metrics["classifier_overlap_ceiling"][:2] == (2.0, 10)


def test_without_held_out_rows_their_score_is_unknown():
    given = sets(
        [(text, label, "train") for text, label in rows({"a": 9, "b": 9}, "m")],
        rows({"a": 4, "b": 4}, "r"), rows({"a": 4, "b": 4}, "t"),
    )  # fmt: skip
    sides = Vectors(*(near(side["text"].to_list()) for side in (given.made, given.train, given.test)))
    assert compare(given, sides).metrics["classifier_accuracy_heldout"] == (None, 0, None, None)
