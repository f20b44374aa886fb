import json

import polars as pl
import pytest

from tasks.survivors import causes, fallen, survivors
from warehouse import connect
from warehouse.parts import polars_schema

TREE = {"root": None, "left": "root", "right": "root", "leaf1": "left", "leaf2": "left", "leaf3": "right"}


def samples(tree=TREE):
    return pl.DataFrame(
        [{"sample_id": i, "parent_id": p, "final": i.startswith("leaf")} for i, p in tree.items()],
        schema={"sample_id": pl.String, "parent_id": pl.String, "final": pl.Boolean},
    )


def verdicts(*rows):
    schema = {"sample_id": pl.String, "filter": pl.String, "keep": pl.Boolean}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def ids(frame):
    return frame["sample_id"].to_list()


def test_what_grew_from_a_dropped_sample_falls_with_it():
    judged = verdicts(("left", "quality", False), ("right", "quality", True))
    assert ids(fallen(samples(), judged)) == ["leaf1", "leaf2", "left"]
    assert ids(survivors(samples(), judged)) == ["leaf3"]
    assert ids(fallen(samples(), verdicts(("root", "exact", False)))) == sorted(TREE)


def test_without_a_verdict_all_final_samples_survive_in_order_of_id():
    assert ids(survivors(samples().reverse(), verdicts())) == ["leaf1", "leaf2", "leaf3"]


def test_one_filter_is_enough_to_fall():
    judged = verdicts(("leaf1", "quality", True), ("leaf1", "exact", False))
    assert ids(survivors(samples(), judged)) == ["leaf2", "leaf3"]


def test_every_filter_is_blamed_for_what_it_dropped_and_what_grew_from_that():
    judged = verdicts(("left", "quality", False), ("leaf1", "exact", False), ("leaf3", "rouge", True))
    assert causes(samples(), judged).rows() == [
        ("exact", "leaf1"),
        ("quality", "leaf1"),
        ("quality", "leaf2"),
        ("quality", "left"),
    ]
    assert causes(samples(), verdicts()).height == 0


@pytest.mark.parametrize("dropped", [[], ["root"], ["left"], ["leaf2", "right"]])
def test_the_rule_is_that_of_the_mart(run, dropped):
    blank = {name: "" if kind == pl.String else None for name, kind in polars_schema("sample").items()}
    rows = [
        {**blank, **row, "root_id": "root", "run_id": run.run_id, "ordinal": 1, "slots": json.dumps({})}
        for row in samples().to_dicts()
    ]
    blamed = [
        {"sample_id": i, "run_id": run.run_id, "filter": "quality", "keep": i not in dropped} for i in TREE
    ]
    frames = {
        "sample": pl.DataFrame(rows, schema=polars_schema("sample")),
        "verdict": pl.DataFrame(blamed, schema=polars_schema("verdict")),
    }
    run.commit(run.once("made", [], {}, lambda: frames))
    with connect(run.root) as connection:
        mart = connection.sql("SELECT sample_id FROM clean_sample WHERE final ORDER BY 1").fetchall()
    assert ids(survivors(samples(), pl.DataFrame(blamed))) == [i for (i,) in mart]
