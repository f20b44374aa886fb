import json

import numpy as np
import pytest

from schemas.errors import SeedloomError
from tasks.logistic import SETTINGS, WEIGHTS, Classifier, fit, load, log_probabilities, loss, predict, save


def clumps(k, n=40, d=5, spread=0.3, seed=0):
    """Points around k directions, and their labels."""
    rng = np.random.default_rng(seed)
    labels = [f"l{i % k}" for i in range(n * k)]
    return np.array([np.eye(d)[int(each[1:])] for each in labels]) + spread * rng.normal(
        size=(n * k, d)
    ), labels


@pytest.mark.parametrize("k", [2, 3, 5])
def test_what_is_apart_is_told_apart(k):
    vectors, labels = clumps(k)
    model = fit(vectors, labels)
    assert model.weights.shape == (k, 5) and model.bias.shape == (k,) and model.steps > 0
    assert model.n_parameters == k * 6
    assert np.mean(np.array(predict(model, clumps(k, seed=1)[0])) == clumps(k, seed=1)[1]) > 0.9


@pytest.mark.parametrize("k", [2, 3])
def test_probabilities_and_loss_are_those_of_scikit_learn(k):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    vectors, labels = clumps(k, spread=0.8)
    peer = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000).fit(vectors, labels)
    model = fit(vectors, labels)
    assert np.allclose(np.exp(log_probabilities(model, vectors)), peer.predict_proba(vectors), atol=1e-6)
    assert predict(model, vectors) == peer.predict(vectors).tolist()
    assert loss(model, vectors, labels) == pytest.approx(
        log_loss(labels, peer.predict_proba(vectors)), abs=1e-6
    )


def test_a_rare_label_counts_as_much_as_a_common_one():
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(0, 1, (950, 1)), rng.normal(1.5, 1, (50, 1))])
    found = predict(fit(vectors, ["common"] * 950 + ["rare"] * 50), vectors)
    assert found[950:].count("rare") > 30


def test_a_smaller_c_gives_smaller_weights():
    vectors, labels = clumps(2)
    assert (
        np.abs(fit(vectors, labels, 0.01).weights).max()
        < np.abs(fit(vectors, labels, 10.0).weights).max() / 2
    )


def test_the_same_rows_give_the_same_bits():
    vectors, labels = clumps(3, n=300, d=64, spread=1.0)
    first, second = fit(vectors, labels), fit(vectors, labels)
    assert np.array_equal(first.weights, second.weights) and np.array_equal(first.bias, second.bias)


def test_what_is_saved_is_loaded_and_holds_no_pickle(tmp_path):
    vectors, labels = clumps(3)
    model = fit(vectors, labels)
    sha256 = save(model, tmp_path, {"encoder": "e"})
    again = load(tmp_path)
    assert again.labels == model.labels and np.array_equal(again.weights, model.weights)
    assert predict(again, vectors) == predict(model, vectors)
    told = json.loads((tmp_path / SETTINGS).read_text())
    assert told["sha256"] == sha256 and told["encoder"] == "e" and told["labels"] == ["l0", "l1", "l2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([WEIGHTS, SETTINGS])
    assert (tmp_path / WEIGHTS).read_bytes()[8:9] == b"{", "a safetensors header"


def test_weights_that_were_altered_are_refused(tmp_path):
    save(Classifier(("a", "b"), np.eye(2), np.zeros(2)), tmp_path, {})
    damaged = bytearray((tmp_path / WEIGHTS).read_bytes())
    damaged[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(damaged)
    with pytest.raises(SeedloomError, match="not those that were trained"):
        load(tmp_path)


def test_a_fit_that_does_not_converge_is_said(monkeypatch, caplog):
    monkeypatch.setattr("tasks.logistic.MAX_STEPS", 2)
    fit(*clumps(3, spread=1.0))
    assert "did not converge in 2 steps" in caplog.text
