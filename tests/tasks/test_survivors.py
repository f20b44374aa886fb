import json
import uuid

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import SeedloomError
from schemas.tables import tables
from tasks.survivors import causes, fallen, surviving, survivors
from warehouse import connect
from warehouse.parts import polars_schema
from warehouse.run import begin

TREE = {"root": None, "left": "root", "right": "root", "leaf1": "left", "leaf2": "left", "leaf3": "right"}


def samples(tree=TREE):
    return pl.DataFrame(
        [{"sample_id": i, "parent_id": p, "final": i.startswith("leaf")} for i, p in tree.items()],
        schema={"sample_id": pl.String, "parent_id": pl.String, "final": pl.Boolean},
    )


def verdicts(*rows):
    schema = {"sample_id": pl.String, "filter": pl.String, "keep": pl.Boolean}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def put(run, table, rows):
    """Rows of a table, other columns filled in, as parts of a run."""
    blank = {"String": "", "Int64": 0, "Boolean": True, "Float64": None}
    schema, declared = polars_schema(table), tables()[table].arrow()
    empty = {n: None if declared.field(n).nullable else blank[str(kind)] for n, kind in schema.items()}
    filled = [{**empty, **row, "run_id": run.run_id} for row in rows]
    return run.once("put", [], {"rows": rows}, lambda: {table: pl.DataFrame(filled, schema=schema)})


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


LINKS = st.lists(st.tuples(st.integers(-1, 7), st.booleans()), min_size=1, max_size=9)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINKS, st.lists(st.integers(0, 9), max_size=3), st.integers(1, 9))
def test_on_parts_of_any_size_the_rule_is_the_same(tmp_path, links, dropped, size):
    rows = [
        {"sample_id": f"s{i}", "parent_id": None if up in (-1, i) else f"s{up}", "final": final}
        for i, (up, final) in enumerate(links)
    ]
    judged = [{"sample_id": f"s{i}", "filter": "quality", "keep": False} for i in set(dropped)]
    judged.append({"sample_id": "s0", "filter": "exact", "keep": True})
    run = begin(tmp_path / uuid.uuid4().hex, "curate", "test", "now", {})
    parts = [put(run, "sample", rows[i : i + size])[0] for i in range(0, len(rows), size)][::-1]
    verdict = [put(run, "verdict", [row])[0] for row in judged]
    frames = list(surviving(run, parts, verdict, ["sample_id", "final"]))
    assert [frame.columns for frame in frames] == [["sample_id", "final"]] * len(parts)
    schema = {"sample_id": pl.String, "parent_id": pl.String, "final": pl.Boolean}
    expected = survivors(pl.DataFrame(rows, schema=schema), pl.DataFrame(judged))
    assert sorted(pl.concat(frames)["sample_id"]) == ids(expected)


def test_of_no_parts_nobody_survives(run):
    assert list(surviving(run, [], [], ["text"])) == []


def test_two_samples_of_one_id_are_refused(run):
    parts = put(run, "sample", [{"sample_id": "a"}]) + put(run, "sample", [{"sample_id": "a", "text": "b"}])
    with pytest.raises(SeedloomError, match="share an id"):
        list(surviving(run, parts, [], ["text"]))


@pytest.mark.parametrize("size", [1, 2, 9])
def test_on_parts_grandchildren_of_the_dropped_fall_too(run, size):
    rows = samples().to_dicts()[::-1]
    parts = [put(run, "sample", rows[i : i + size])[0] for i in range(0, len(rows), size)]
    judged = put(run, "verdict", [{"sample_id": "root", "filter": "quality", "keep": False}])
    assert pl.concat(surviving(run, parts, judged, ["sample_id"])).is_empty()
    judged = put(run, "verdict", [{"sample_id": "left", "filter": "quality", "keep": False}])
    assert ids(pl.concat(surviving(run, parts, judged, ["sample_id"]))) == ["leaf3"]
