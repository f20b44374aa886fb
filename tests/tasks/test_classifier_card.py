import pytest
from labelled import MADE, OPINIONS, sets

from schemas.classification import Classification
from schemas.llm import OFFLINE
from schemas.tables import Release
from tasks.classifier_card import classifier_card, shown
from tasks.intervals import Estimate
from tasks.yardsticks import Vectors, compare


def vectors(rows):
    import numpy as np

    words = ("love", "delight", "brilliant", "excellent", "hate", "dread", "terrible", "awful")
    return np.array([[word in text.lower() for word in words] for text in rows["text"]], dtype=float)


@pytest.fixture(scope="module")
def card():
    def made(model=None, options=Classification()):  # noqa: B008
        release = Release(
            release_id="0123456789abcdef", run_id="r", name="labelled", edition="e", model=model, n_train=1,
            n_heldout=1, passed=True, gates=[], path="p", files=[], row_digest="d",
        )  # fmt: skip
        odd = [("Odd.", "ironic", "train"), ("Awful, they said.", "positive", "heldout")]
        doubtful = [("So-so.", "neutral"), ("Awful? Not at all.", "positive")]
        given = sets([*MADE, *odd], OPINIONS[::2], [*OPINIONS[1::2], *doubtful])
        found = compare(given, Vectors(*map(vectors, (given.made, given.train, given.test))))
        return classifier_card(release, given, found.metrics, options, "e5@1/torch-cpu/float32")

    return made


def test_it_shows_every_yardstick_beside_the_classifier_with_intervals(card):
    lines = {line.split("|")[1].strip(): line for line in card().splitlines() if line.startswith("|")}
    for what in ("trained on this release", "majority", "control", "ceiling", "on the held-out"):
        (line,) = [line for name, line in lines.items() if name.startswith(what)]
        assert line.count(" to ") == 2, line
    shares = {name.split()[0]: line.split("|")[2].split()[0] for name, line in lines.items()}
    assert shares["majority:"] == "0.500" and float(shares["ceiling:"]) > 0.9, "17 of 34 are positive"
    assert lines["positive"].count(" to ") == 4, "precision, recall, F1 and agreement"


def test_it_names_the_release_the_encoder_the_settings_and_the_labels_that_one_side_lacks(card):
    text = card(options=Classification(c=2.5, seed=7))
    for said in ("`0123456789abcdef`", "e5@1/torch-cpu/float32", "C = 2.5", "seed 7", "34 real test rows"):
        assert said in text
    assert "Labels of the test that the release does not have: neutral." in text
    assert "Labels of the release that the test does not have: ironic." in text


def test_it_says_who_wrote_the_texts_and_what_the_storyteller_is(card):
    assert "written by an unknown model" in card() and "template generator" not in card()
    assert "template generator" in card(model=OFFLINE)


def test_it_says_where_the_real_training_rows_came_from(card):
    assert "half of the data" in card()
    assert "the files of --train" in card(options=Classification(train=["f"]))


def test_the_code_that_it_shows_is_python(card):
    text = card()
    code = text[text.index("```python") + 9 : text.rindex("```")]
    compile(code, "card", "exec")
    assert "load_encoder('minilm')" in code


def test_the_same_release_and_data_give_the_same_card(card):
    assert card() == card()


def test_a_value_is_shown_with_its_interval_or_as_unknown():
    assert shown(Estimate(0.5, 10, 0.25, 0.75)) == "0.500 (0.250 to 0.750)"
    assert shown(Estimate(None, 3)) == "unknown" and shown(None) == "" and shown(Estimate(1.0, 2)) == "1.000"
