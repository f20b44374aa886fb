import pytest
from labelled import MADE, OPINIONS, plant, write

from schemas.classification import Classification
from schemas.errors import BadInput
from tasks.labelled_sets import choose_labelled, content_of, gather

POS_NEG = {"positive": "pos", "negative": "neg"}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "warehouse"


@pytest.fixture
def given(root, tmp_path):
    """A function that gathers the planted release and files of rows."""

    def gathered(rows=OPINIONS, made=MADE, **options):
        plant(root, made)
        if isinstance(options.get("train"), list):
            options["train"] = [write(tmp_path / "train.jsonl", options["train"])]
        return gather(root, "rel", [write(tmp_path / "data.jsonl", rows)], Classification(**options))

    return gathered


def test_the_release_is_read_with_the_labels_that_were_asked_for_and_its_splits(given):
    sets = given()
    found = {(text, label, split) for _, text, label, split, *_ in sets.made.select(
        "sample_id", "text", "label", "split", "key", "overlap"
    ).rows()}  # fmt: skip
    assert found == set(MADE)
    assert set(sets.fitted["text"]) == {text for text, _, split in MADE if split == "train"}
    assert sets.made["text"][sets.fitted["at"][5]] == sets.fitted["text"][5]


def test_without_a_training_file_the_data_is_halved_and_every_row_is_in_one_half(given):
    sets = given()
    assert sets.train.height + sets.test.height == len(OPINIONS)
    assert min(sets.train.height, sets.test.height) > 15
    assert not set(sets.train["key"]) & set(sets.test["key"])


def test_with_a_training_file_the_whole_data_is_the_test(given):
    sets = given(rows=OPINIONS[::2], train=OPINIONS[1::2])
    assert sets.test.height == sets.train.height == len(OPINIONS) // 2 and sets.overlap_train == 0


def test_no_text_of_the_test_is_trained_on_neither_from_the_release_nor_from_a_training_file(given):
    copied = [(text.upper() + " ", label) for text, label in OPINIONS[:3]]
    made = [*MADE, *((text, label, "train") for text, label in copied)]
    sets = given(
        rows=OPINIONS, made=made, train=[*copied, ("Lovely tea.", "positive"), ("Nasty tea.", "negative")]
    )
    assert sets.made["overlap"].sum() == 3 and sets.overlap_train == 3
    for trained in (sets.fitted, sets.train):
        assert not set(trained["key"]) & set(sets.test["key"])
    assert sets.fitted.height == sum(split == "train" for *_, split in MADE)
    assert sets.train.height == 2 and sets.made.height == len(made)


def test_labels_that_one_side_lacks_are_named_and_their_rows_stay(given):
    mixed = [(f"So-so, number {i}.", "Neutral") for i in range(9)]
    sets = given(rows=[*OPINIONS, *mixed], made=[*MADE, ("Funny.", "ironic", "train")])
    assert sets.only_in_data == ["neutral"] and sets.only_in_release == ["ironic"]
    assert 0 < (sets.test["label"] == "neutral").sum() < 9
    assert sets.train.height + sets.test.height == len(OPINIONS) + 9


def test_labels_of_other_names_are_an_error_that_shows_both_lists_and_the_map(given):
    rows = [(text, POS_NEG[label]) for text, label in OPINIONS]
    with pytest.raises(
        BadInput, match=r"\['negative', 'positive'\], the data \['neg', 'pos'\].*--map"
    ) as caught:
        given(rows=rows)
    assert "\n" not in str(caught.value)


def test_the_map_makes_them_the_same(given, tmp_path, root):
    rows = [(text, POS_NEG[label]) for text, label in OPINIONS]
    sets = given(rows=rows, map=["Pos=positive", "neg=Negative"])
    assert set(sets.test["label"]) == set(sets.train["label"]) == {"positive", "negative"}
    assert sets.only_in_data == sets.only_in_release == []


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("pso=positive", r"data has no label 'pso'; its labels: \['neg"),
        ("positive=poz", "release has no label 'poz'"),
    ],
)
def test_a_map_of_labels_that_are_not_there_is_refused(given, pair, says):
    with pytest.raises(BadInput, match=says):
        given(map=[pair])


def test_labels_differ_in_case_and_space_only_are_the_same(given):
    sets = given(rows=[(text, f" {label.upper()} ") for text, label in OPINIONS])
    assert sets.only_in_data == []


def test_a_release_without_labels_names_the_recipe_that_makes_them(given):
    with pytest.raises(BadInput, match="fewer than 2; make one with `seedloom corpus --recipe labelled`"):
        given(made=[(text, None, split) for text, _, split in MADE])


def test_a_release_with_one_label_is_refused(given):
    with pytest.raises(BadInput, match=r"labels \['positive'\], fewer than 2"):
        given(made=[each for each in MADE if each[1] == "positive"])


def test_data_with_one_label_is_refused(given):
    with pytest.raises(BadInput, match="fewer than 2 are the same"):
        given(rows=[each for each in OPINIONS if each[1] == "positive"])


def test_a_training_file_with_one_label_is_refused(given):
    with pytest.raises(BadInput, match=r"the real training rows: 1 rows with 1 labels \['positive'\]"):
        given(train=[("Lovely tea.", "positive")])


def test_a_release_that_lies_whole_in_the_test_leaves_nothing_to_train_on(given):
    with pytest.raises(BadInput, match="training split of the release, without texts of the test: 0 rows"):
        given(
            made=[(text, label, "train") for text, label in OPINIONS],
            train=[("Lovely tea.", "positive"), ("Nasty tea.", "negative")],
        )


def test_one_file_as_test_and_training_is_refused(root, tmp_path):
    plant(root, MADE)
    path = write(tmp_path / "data.jsonl", OPINIONS)
    with pytest.raises(BadInput, match="both the test and a training file"):
        gather(root, "rel", [path], Classification(train=[path]))


def test_the_newest_release_with_labels_that_passed_is_taken_unless_one_is_named(root):
    with pytest.raises(BadInput, match="no warehouse"):
        choose_labelled(root, "")
    plant(root, [(text, None, split) for text, _, split in MADE], name="plain")
    with pytest.raises(BadInput, match="has labels; make one with `seedloom corpus --recipe labelled`"):
        choose_labelled(root, "")
    plant(root, MADE, name="good")
    plant(root, MADE, name="blocked", passed=False)
    plant(root, [(text, None, split) for text, _, split in MADE], name="later")
    plant(root, MADE, name="random", control_of="good")
    assert choose_labelled(root, "").release_id == "good"
    assert choose_labelled(root, "block").release_id == "blocked"
    with pytest.raises(BadInput, match="0 releases match"):
        choose_labelled(root, "nope")


def test_other_bytes_or_another_training_file_are_other_content(tmp_path):
    first, second = write(tmp_path / "a.jsonl", OPINIONS), write(tmp_path / "b.jsonl", OPINIONS[1:])
    before = content_of([first], Classification())
    assert before == content_of([first], Classification(text="other"))
    assert content_of([first], Classification(train=[second])) not in (
        before,
        content_of([second], Classification()),
    )
    write(tmp_path / "a.jsonl", OPINIONS[2:])
    assert content_of([first], Classification()) != before
