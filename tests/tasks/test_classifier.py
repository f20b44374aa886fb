import json
import random

import numpy as np
import pytest
from given import ask, row
from labelled import MADE, OPINIONS, feelings, plant, write

from schemas.classification import Classification
from schemas.errors import BadInput
from tasks import classifier as stage
from tasks.choice import choose_release
from tasks.encoder import load_encoder
from tasks.labelled_files import key_of
from tasks.labelled_sets import content_of, gather
from tasks.logistic import load, predict
from tasks.question import classifier_question
from tasks.yardsticks import compare
from warehouse.run import begin


@pytest.fixture
def root(tmp_path):
    return tmp_path / "warehouse"


@pytest.fixture
def encoder(monkeypatch):
    encoder = feelings()
    monkeypatch.setattr(stage, "load_encoder", lambda name: encoder)
    return encoder


def classified(root, data, name="rel", options=Classification()):  # noqa: B008
    """Run the stage on a planted release and commit it; the run."""
    run = begin(root, *classifier_question(name, content_of([data], options), options))
    run.commit(stage.classify.fn(run, choose_release(root, name), [data], options))
    return run


def metrics(root, run):
    rows = ask(root, f"SELECT metric, value, n, low, high FROM metric WHERE run_id = '{run.run_id}'")
    return {name: rest for name, *rest in rows}


def test_a_checkpoint_its_files_and_its_metrics_are_written(root, encoder, tmp_path):
    plant(root, MADE)
    run = classified(root, write(tmp_path / "data.jsonl", [*OPINIONS, ("Blank label.", None)]))
    ((checkpoint_id, release_id, base, method, path, n, trained, steps, loss),) = ask(
        root,
        "SELECT checkpoint_id, release_id, base_model, method, path, n_parameters, n_trainable, steps, train_loss FROM checkpoint",
    )
    assert (release_id, base, method, path) == (
        "rel",
        "minilm",
        "logistic_regression",
        f"models/{checkpoint_id}",
    )
    assert n == trained == 2 * 4 + 2 and steps > 0 and 0 < loss < 0.693
    files = {file.name for file in (root / path).iterdir()}
    assert files == {"classifier.safetensors", "classifier.json", "README.md"}
    told = json.loads((root / path / "classifier.json").read_text())
    assert told["labels"] == ["negative", "positive"] and told["encoder"] == "feelings@1/fake/float32"
    found = metrics(root, run)
    assert found["classifier_accuracy"][0] > 0.95 and found["classifier_accuracy_ceiling"][0] > 0.95
    assert found["classifier_rows_rejected"][0] == 1
    assert ask(root, "SELECT DISTINCT scope, scope_id, version, encoder FROM metric") == [
        ("checkpoint", checkpoint_id, "1", "feelings@1/fake/float32")
    ]
    ((line, reason),) = ask(root, "SELECT line, reason FROM reject")
    assert line == len(OPINIONS) + 1 and reason.startswith("label: null")
    assert "accuracy" in (root / path / "README.md").read_text()


def test_the_saved_classifier_predicts_what_was_measured(root, encoder, tmp_path):
    plant(root, MADE)
    data = write(tmp_path / "data.jsonl", OPINIONS)
    run = classified(root, data)
    ((path,),) = ask(root, "SELECT path FROM checkpoint")
    test = gather(root, "rel", [data], Classification()).test
    from tasks.encoder import encode

    guessed = predict(load(root / path), encode(test["text"].to_list(), encoder).unit)
    right = sum(a == b for a, b in zip(guessed, test["label"], strict=True))
    assert metrics(root, run)["classifier_accuracy"][:2] == [right / test.height, test.height]


def test_embeddings_that_the_warehouse_has_are_not_computed_again(root, encoder, tmp_path):
    stored = [[1.0, 0.0, 0.0, 0.0] if label == "positive" else [0.0, 1.0, 0.0, 0.0] for _, label, _ in MADE]
    plant(root, MADE, vectors={"feelings@1/fake/float32": stored, "another": stored})
    data = write(tmp_path / "data.jsonl", OPINIONS)
    classified(root, data)
    assert set(encoder.model.asked) == {text for text, _ in OPINIONS}
    sets = gather(root, "rel", [data], Classification())
    run = begin(root, "classifier", "again", "", {})
    vectors = stage.vectors_of(run, "rel", sets, encoder)
    assert vectors.made.tolist() == [
        [1.0, 0.0, 0.0, 0.0] if label == "positive" else [0.0, 1.0, 0.0, 0.0] for label in sets.made["label"]
    ]


def test_embeddings_of_another_encoder_are_not_used(root, encoder, tmp_path):
    plant(root, MADE, vectors={"another": [[9.0, 9.0]] * len(MADE)})
    classified(root, write(tmp_path / "data.jsonl", OPINIONS))
    assert set(encoder.model.asked) == {text for text, *_ in (*OPINIONS, *MADE)}


def test_a_resumed_run_finds_what_was_made(root, encoder, tmp_path):
    plant(root, MADE)
    data = write(tmp_path / "data.jsonl", OPINIONS)
    options = Classification()
    run = begin(root, *classifier_question("rel", content_of([data], options), options))
    first = stage.classify.fn(run, choose_release(root, "rel"), [data], options)
    n = len(encoder.model.asked)
    again = begin(root, *classifier_question("rel", content_of([data], options), options))
    assert stage.classify.fn(again, choose_release(root, "rel"), [data], options) == first
    assert len(encoder.model.asked) == n


def test_files_that_change_meanwhile_are_refused(root, encoder, tmp_path):
    plant(root, MADE)
    data, options = write(tmp_path / "data.jsonl", OPINIONS), Classification()
    run = begin(root, *classifier_question("rel", content_of([data], options), options))
    write(tmp_path / "data.jsonl", OPINIONS[1:])
    with pytest.raises(BadInput, match="files changed"):
        stage.classify.fn(run, choose_release(root, "rel"), [data], options)


def test_neither_the_order_of_the_file_nor_that_of_the_release_changes_anything(tmp_path, encoder):
    found = []
    for seed in (1, 2):
        order = random.Random(seed)
        root, data = tmp_path / f"w{seed}", tmp_path / f"data{seed}.jsonl"
        plant(root, order.sample(MADE, len(MADE)))
        run = classified(root, write(data, order.sample(OPINIONS, len(OPINIONS))))
        ((path,),) = ask(root, "SELECT path FROM checkpoint")
        found.append((metrics(root, run), (root / path / "classifier.safetensors").read_bytes()))
    assert found[0] == found[1]


def test_wrong_labels_of_the_release_show_in_the_agreement(root, encoder, tmp_path):
    """Of every five texts of the release one has the label that it was not written for."""
    other = {"positive": "negative", "negative": "positive"}
    plant(root, [(t, other[x] if i % 5 == 0 else x, split) for i, (t, x, split) in enumerate(MADE)])
    found = metrics(root, classified(root, write(tmp_path / "data.jsonl", OPINIONS)))
    assert found["label_agreement"][0] == pytest.approx(0.8, abs=0.04)
    assert found["label_agreement"][1] == len(MADE)


def test_two_questions_about_one_release_stand_side_by_side(root, encoder, tmp_path):
    plant(root, MADE)
    data = write(tmp_path / "data.jsonl", OPINIONS)
    first, second = classified(root, data), classified(root, data, options=Classification(c=0.1))
    assert first.run_id != second.run_id
    assert ask(root, "SELECT count(*), count(DISTINCT checkpoint_id) FROM checkpoint") == [(2, 2)]


def test_metrics_are_rows_of_the_table_even_when_the_first_is_unknown():
    from tasks.intervals import Estimate

    frame = stage.metric_rows({"a": Estimate(None, 0), "b": Estimate(0.5, 2, 0.1, 0.9)}, "r", "c", "e")
    about = {"run_id": "r", "scope": "checkpoint", "scope_id": "c", "version": "1", "encoder": "e"}
    expected = row("metric", **about, metric="b", value=0.5, n=2, low=0.1, high=0.9)
    assert frame[1].select(expected.columns).rows() == expected.rows()


def public_topics(public_data):
    """Real texts of four kinds, 48 each, cut to 200 characters: the file that a text came from is its label."""
    fables = json.loads(public_data("fables/aesop4children.json").read_text())
    fables = fables if isinstance(fables, list) else next(iter(fables.values()))
    roles = json.loads(
        public_data("gpteacher/Roleplay_roleplay-simple-deduped-roleplay-instruct.json").read_text()
    )
    maths = public_data("gsm8k/test.jsonl").read_text().splitlines()[:48]
    stories = (
        public_data("tinystories/valid_first_10k_lines.txt").read_text()[:100_000].split("<|endoftext|>")
    )
    kinds = {
        "fable": [str(each.get("fable") or each.get("text") or each) for each in fables],
        "roleplay": [each["instruction"] for each in roles],
        "maths": [json.loads(line)["question"] for line in maths],
        "story": [each.strip() for each in stories],
    }
    return [(text[:200], kind) for kind, texts in kinds.items() for text in texts[:48]]


def test_real_texts_of_four_sources_reach_a_high_ceiling_and_a_control_at_chance(root, tmp_path, public_data):
    """There is no labelled set of opinions among the public data: the source of a text is its label."""
    rows = sorted(public_topics(public_data), key=lambda each: key_of(each[0]))
    assert len(rows) == 192
    plant(root, [(text, kind, "train" if i % 8 else "heldout") for i, (text, kind) in enumerate(rows[::2])])
    data = write(tmp_path / "data.jsonl", rows[1::2])
    sets = gather(root, "rel", [data], Classification())
    run = begin(root, "classifier", "rel", "", {})
    found = compare(sets, stage.vectors_of(run, "rel", sets, load_encoder())).metrics
    assert found["classifier_accuracy"].value > 0.85 and found["classifier_accuracy_ceiling"].value > 0.85
    assert found["classifier_accuracy_majority"].value < 0.45
    control = found["classifier_accuracy_shuffled"]
    assert control.low < 0.3 and control.high < 0.4
    assert np.isfinite(found["label_agreement"].value) and found["label_agreement"].value > 0.8
