import json
from collections import Counter

import polars as pl
import pytest
from growing import grown
from likeness import near_share

from tasks.recipe import load_recipe

NAME = "templates"


def slots(frame):
    return [json.loads(each) for each in frame["slots"]]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return grown(tmp_path_factory.mktemp("w"), NAME, 120)


def test_a_hundred_and_twenty_samples_grow_from_our_rows_and_no_model_is_asked(tables):
    final = tables["final"]
    assert final.height == 120 and tables["call"].height == 0
    assert near_share(final["text"].to_list()) < 0.05
    assert set(final["level"]) == {"prompted"} and final["rejected"].null_count() == 120


def test_every_template_is_used(tables):
    used = Counter(each["template"] for each in slots(tables["final"]))
    known = {each["name"] for each in load_recipe(NAME).levels[0].options["templates"]}
    assert set(used) == known and min(used.values()) >= 5


def test_targets_are_right_for_the_row(tables):
    parents = {row["sample_id"]: json.loads(row["slots"]) for row in tables["sample"].to_dicts()}
    for row, told in zip(tables["final"].to_dicts(), slots(tables["final"]), strict=True):
        label = parents[row["parent_id"]]["label"]
        match told["template"]:
            case "which_topic" | "drawer" | "newsroom":
                assert row["output"] == label and label in told["answer_choices"]
            case "letter":
                assert f"{row['output']} = {label}" in row["instruction"]
            case "true_or_false":
                assert row["output"] == str(f"speak of {label}." in row["instruction"])


def test_every_row_through_every_template(tmp_path):
    tables = grown(tmp_path, NAME, 80, changes=["levels.prompted.children=8"])
    pairs = [
        (row["parent_id"], told["template"])
        for row, told in zip(tables["final"].to_dicts(), slots(tables["final"]), strict=True)
    ]
    assert len(pairs) == len(set(pairs)) == 80


def test_the_four_kinds_of_flan(tmp_path):
    kinds = '["zero", "zero_options", "few", "few_options"]'
    tables = grown(tmp_path, NAME, 120, changes=[f"levels.prompted.options.kinds={kinds}"])
    assert {each["kind"] for each in slots(tables["final"])} == set(json.loads(kinds))
    assert tables["final"]["text"].n_unique() == 120


def test_rows_of_p3_and_rows_that_do_not_fit(tmp_path):
    path = tmp_path / "p3.jsonl"
    rows = [
        {"inputs": f"How many are {i} and 1?", "targets": [str(i + 1)], "answer_choices": None}
        for i in range(9)
    ]
    path.write_text(
        "".join(json.dumps({**row, "text": row["inputs"]}) + "\n" for row in [*rows, {"inputs": "No?"}])
    )
    changes = [
        "levels.prompted.options.rows=p3", "source.text=inputs",
        'source.fields=["inputs", "targets", "answer_choices"]',
    ]  # fmt: skip
    tables = grown(tmp_path / "w", NAME, 50, [path], changes)
    assert sorted(tables["final"]["output"].cast(pl.Int64)) == list(range(1, 10))
    dropped = tables["verdict"].filter(~pl.col("keep"))
    assert dropped["reason"].to_list() == ["empty target"]
