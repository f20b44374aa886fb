import pytest
from given import row
from labelled import MADE, OPINIONS, plant, write

from flows import classifying
from flows.classifying import classifier_summary, run_classifier
from flows.console import Common
from schemas.classification import Classification
from schemas.errors import BadInput
from tasks.labelled_sets import content_of
from tasks.question import classifier_question
from warehouse.run import begin

NUMBERS = (
    "rows_train",
    "rows_ceiling",
    "rows_test",
    "rows_unseen",
    "rows_rejected",
    "overlap",
    "overlap_ceiling",
)
LABELS = ("labels_only_in_data", "labels_only_in_release")


@pytest.fixture
def common(tmp_path, monkeypatch):
    """A command on a planted warehouse, in which a flow that is started is an error."""
    monkeypatch.setattr(classifying, "started", lambda flow: pytest.fail("a flow was started"))
    plant(tmp_path / "w", MADE)
    return Common(root=tmp_path / "w")


@pytest.fixture
def data(tmp_path):
    return write(tmp_path / "data.jsonl", OPINIONS)


def commit(common, data, options=Classification()):  # noqa: B008
    run = begin(common.root, *classifier_question("rel", content_of([data], options), options))
    about = {"run_id": run.run_id, "scope": "checkpoint", "scope_id": "c", "version": "1", "encoder": "e"}
    scored = {
        f"classifier_{name}{end}": (0.75, 40, 0.6, 0.85)
        for name in ("accuracy", "macro_f1")
        for end in ("", "_majority", "_shuffled", "_ceiling", "_heldout")
    }
    scored |= {"label_f1:positive": (0.5, 20, 0.25, 0.75), "label_agreement": (None, 0, None, None)}
    scored |= {f"classifier_{name}": (float(i), 9, None, None) for i, name in enumerate((*NUMBERS, *LABELS))}
    made = {
        "checkpoint": row(
            "checkpoint", checkpoint_id="c", run_id=run.run_id, release_id="rel", base_model="minilm", method="m",
            settings="{}", path="models/c", n_parameters=1, n_trainable=1, steps=1, train_loss=1.0, sha256="d",
        ),
        "metric": row("metric", metric="x", n=1, **about).clear().vstack(_rows(scored, about)),
    }  # fmt: skip
    run.commit(run.once("classifier", [], {}, lambda: made))
    return run.run_id


def _rows(scored, about):
    import polars as pl

    return pl.concat(
        row("metric", metric=name, value=value, n=n, low=low, high=high, **about)
        for name, (value, n, low, high) in scored.items()
    )


def test_what_was_answered_is_found_without_starting_anything(common, data):
    run_id = commit(common, data)
    assert run_classifier(common, [data], "", Classification()) == run_id
    assert run_classifier(common, [data], "rel", Classification()) == run_id


def test_another_question_starts_the_flow(common, data, monkeypatch):
    commit(common, data)
    monkeypatch.setattr(classifying, "started", lambda flow: "started")
    assert run_classifier(common, [data], "", Classification(seed=1)) == "started"
    write(common.root.parent / "data.jsonl", OPINIONS[1:])
    assert run_classifier(common, [data], "", Classification()) == "started"


def test_a_file_that_is_not_there_starts_nothing(common):
    with pytest.raises(BadInput, match="no file 'nope.csv'"):
        run_classifier(common, ["nope.csv"], "", Classification())


def test_labels_that_do_not_match_start_nothing(common, tmp_path):
    strange = write(tmp_path / "strange.jsonl", [(text, label[:3]) for text, label in OPINIONS])
    with pytest.raises(BadInput, match="--map"):
        run_classifier(common, [strange], "", Classification())


def test_the_summary_shows_scores_beside_the_yardsticks_and_where_the_card_is(common, data):
    facts = {each["what"]: each["value"] for each in classifier_summary(common.root, commit(common, data))}
    for what in ("trained on the release", "majority baseline", "shuffled labels", "trained on real rows"):
        assert facts[f"accuracy, {what}"] == facts[f"macro-F1, {what}"] == "0.750 (0.600 to 0.850), n = 40"
    assert facts["label_f1:positive"] == "0.500 (0.250 to 0.750), n = 20"
    assert facts["label_agreement"] == "unknown, n = 0"
    assert facts["rows: train, ceiling, test"] == "0, 1, 2"
    assert facts["rows of unseen labels, rejected"] == "3, 4"
    assert facts["texts also in the test, not trained on"] == "5, 6"
    assert facts["labels only in data, in release"] == "7, 8"
    assert facts["card"] == str(common.root / "models/c/README.md")
