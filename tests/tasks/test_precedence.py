import uuid

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.tables import tables
from tasks import precedence
from tasks.precedence import earlier_texts, roster
from warehouse.parts import polars_schema
from warehouse.run import begin


def put(run, table, rows):
    """Rows of a table, other columns filled in, as parts of a run."""
    blank = {"String": "", "Int64": 0, "Boolean": True, "Float64": None}
    schema = polars_schema(table)
    filled = [
        {
            name: row.get(name, None if tables()[table].arrow().field(name).nullable else blank[str(kind)])
            for name, kind in schema.items()
        }
        | {"run_id": run.run_id}
        for row in rows
    ]
    return run.once("put", [], {"rows": rows}, lambda: {table: pl.DataFrame(filled, schema=schema)})


def commit_stories(root, edition, ids):
    run = begin(root, "curate", "test", edition, {})
    run.commit(put(run, "sample", [{"sample_id": i, "text": f"the story of {i}"} for i in ids]))
    return run.run_id


def names_of(run, line):
    return line.names(run, np.arange(len(line.place))).to_list()


SCORED = st.lists(st.tuples(st.sampled_from([None, 0.1, 0.9]), st.integers(0, 2)), max_size=9)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SCORED, st.randoms(use_true_random=False), st.integers(1, 9))
def test_order_is_by_quality_then_ordinal_then_id_whatever_the_rows_and_parts(tmp_path, facts, random, size):
    run = begin(tmp_path / uuid.uuid4().hex, "curate", "test", "now", {})
    rows = [{"sample_id": f"s{i}", "ordinal": ordinal} for i, (_, ordinal) in enumerate(facts)]
    scored = [
        {"sample_id": f"s{i}", "filter": "quality", "score": score} for i, (score, _) in enumerate(facts) if i
    ]
    random.shuffle(rows)
    samples = [put(run, "sample", rows[i : i + size])[0] for i in range(0, len(rows), size)]
    line = roster(run, samples, put(run, "verdict", scored))
    score_of = {row["sample_id"]: row["score"] for row in scored}

    def key(row):
        score = score_of.get(row["sample_id"])
        return (score is None, -(score or 0), row["ordinal"], row["sample_id"])

    assert names_of(run, line) == [row["sample_id"] for row in sorted(rows, key=key)]
    asked = pl.Series([*reversed(names_of(run, line)), "nobody"], dtype=pl.String)
    assert line.find(asked).tolist() == [*reversed(range(len(rows))), -1]


def test_the_judged_are_final_and_neither_dropped_nor_grown_from_what_was(run):
    rows = [
        {"sample_id": "root", "final": False},
        {"sample_id": "lost", "final": False},
        {"sample_id": "a", "parent_id": "root", "ordinal": 7},
        {"sample_id": "b", "parent_id": "lost"},
        {"sample_id": "c", "parent_id": "root"},
        {"sample_id": "d"},
    ]
    verdicts = [
        {"sample_id": "lost", "filter": "rouge", "keep": False, "score": 0.9},
        {"sample_id": "c", "filter": "quality", "keep": False, "score": 0.1},
        {"sample_id": "d", "filter": "quality", "keep": True, "score": 0.8},
        {"sample_id": "a", "filter": "obedience", "keep": True, "score": 0.9},
    ]
    samples = put(run, "sample", rows)
    line = roster(run, samples, put(run, "verdict", verdicts))
    assert names_of(run, line) == ["d", "a"]
    assert line.find(pl.Series(["a", "b", "root", "d"])).tolist() == [1, -1, -1, 0]
    assert names_of(run, roster(run, [], [])) == []


@pytest.mark.parametrize("sheet", [1, 3, 100])
def test_sheets_hold_every_judged_sample_once_and_few_parts_at_a_time(run, monkeypatch, sheet):
    monkeypatch.setattr("tasks.precedence.SHEET", sheet)
    sizes = [1, 1, 2, 5, 1, 1]
    groups = [[{"sample_id": f"p{i}r{j}", "ordinal": 9 - i} for j in range(n)] for i, n in enumerate(sizes)]
    samples = [put(run, "sample", group)[0] for group in groups]
    dropped = put(run, "verdict", [{"sample_id": "p2r1", "filter": "quality", "keep": False}])
    line = roster(run, samples, dropped)
    sheets = list(line.sheets(run))
    assert [len(ids) for ids, _ in sheets] == {1: [1, 1, 1, 5, 1, 1], 3: [2, 1, 5, 2], 100: [10]}[sheet]
    for ids, ranks in sheets:
        assert line.names(run, ranks).to_list() == ids.to_list()
    assert sorted(np.concatenate([ranks for _, ranks in sheets])) == list(range(10))
    assert list(roster(run, [], []).sheets(run)) == []


def test_only_row_groups_with_a_wanted_sample_are_read(run, monkeypatch):
    monkeypatch.setattr("tasks.precedence.ROW_GROUP", 2)
    rows = [{"sample_id": i, "text": f"text {i}", "ordinal": 9 - k} for k, i in enumerate("abcdef")]
    samples = put(run, "sample", rows[:1]) + put(run, "sample", rows[1:6])
    line = roster(run, samples, [])
    assert names_of(run, line) == list("fedcba")
    read = []
    honest = precedence.read_part
    monkeypatch.setattr(precedence, "read_part", lambda *asked: read.append(asked[1:]) or honest(*asked))
    found = list(line.read(run, ["text"], np.array([False, False, True, True, False, False])))
    assert [(frame["text"].to_list(), ranks.tolist()) for frame, ranks in found] == [
        (["text c"], [3]),
        (["text d"], [2]),
    ]
    assert read == [(samples[1], ["text"], (0, 2)), (samples[1], ["text"], (2, 2))]


def test_texts_of_earlier_samples_are_found_by_run_and_id(tmp_path):
    first, second = (
        commit_stories(tmp_path, "first", ["a1", "it's"]),
        commit_stories(tmp_path, "second", ["b1"]),
    )
    run = begin(tmp_path, "curate", "test", "now", {})
    late = commit_stories(tmp_path, "late", ["c1"])  # is not seen: it came after the run began
    wanted = pl.DataFrame({"run_id": [first, second, late], "sample_id": ["it's", "b1", "c1"]})
    found = pl.concat(earlier_texts(run, wanted))
    assert sorted(found.rows()) == [("b1", "the story of b1"), ("it's", "the story of it's")]
    assert list(earlier_texts(run, wanted[:0])) == []
