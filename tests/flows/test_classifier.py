"""From a labelled release to a tested classifier, for real and small."""

import pytest
from given import ask
from labelled import MADE, OPINIONS, plant, write

from flows.classifier import classifier
from flows.classifying import classifier_summary
from schemas.classification import Classification
from schemas.errors import BadInput

pytestmark = pytest.mark.filterwarnings("ignore")  # of Prefect's, torch's and transformers' own code


def test_a_labelled_release_is_classified_once_and_read_beside_its_yardsticks(root, tmp_path):
    plant(root, MADE)
    rows = [(text, {"positive": 1, "negative": 0}[label]) for text, label in OPINIONS]
    data = write(tmp_path / "reviews.jsonl", rows, text="review", label="stars")
    options = Classification(text="review", label="stars", map=["1=positive", "0=negative"])
    with pytest.raises(BadInput, match="--map"):
        classifier([data], options=Classification(text="review", label="stars"))
    assert not list((root / "runs").glob("*/run.json")), "a wrong question begins no run"

    run_id = classifier([data], options=options)
    assert classifier([data], release="re", options=options) == run_id
    assert ask(root, "SELECT flow, name FROM run WHERE flow = 'classifier'") == [("classifier", "rel")]
    ((path, n_parameters, n_trainable),) = ask(root, "SELECT path, n_parameters, n_trainable FROM checkpoint")
    assert n_trainable == 2 * 384 + 2 and n_parameters > 20_000_000, "the encoder counts, frozen"
    assert {file.suffix for file in (root / path).iterdir()} == {".safetensors", ".json", ".md"}
    values = dict(ask(root, "SELECT metric, value FROM metric WHERE scope = 'checkpoint'"))
    assert values["classifier_accuracy"] > 0.9 and values["classifier_accuracy_ceiling"] > 0.9
    assert 0.2 < values["classifier_accuracy_shuffled"] < 0.8
    assert values["label_agreement"] > 0.9
    facts = {each["what"]: each["value"] for each in classifier_summary(root, run_id)}
    assert facts["card"] == str(root / path / "README.md")
