import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tables import tables
from tasks import precedence
from tasks.precedence import earlier_pages, earlier_texts, in_order, judged, texts
from tasks.signature import signatures
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


def commit_stories(root, edition, ids, dropped=()):
    run = begin(root, "curate", "test", edition, {})
    rows = [{"sample_id": i, "text": f"the story of {i}", "level": edition} for i in ids]
    root = {"sample_id": f"root of {edition}", "text": "not for release", "level": edition, "final": False}
    samples = put(run, "sample", [*rows, root])
    verdict = put(run, "verdict", [{"sample_id": i, "filter": "quality", "keep": False} for i in dropped])
    run.commit([*samples, *verdict, *signatures.fn(run, samples, 5)])
    return run.run_id


@given(
    st.permutations(
        [(None, 1, "a"), (0.5, 2, "b"), (0.9, 3, "c"), (0.5, 1, "d"), (0.5, 1, "e"), (None, 0, "f")]
    )
)
def test_order_is_by_quality_then_ordinal_then_id_whatever_the_rows(rows):
    frame = pl.DataFrame(rows, schema=["quality", "ordinal", "sample_id"], orient="row")
    assert in_order(frame)["sample_id"].to_list() == ["c", "d", "e", "b", "f", "a"]


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
        {"sample_id": "a", "filter": "quality", "keep": True, "score": 0.8},
        {"sample_id": "d", "filter": "obedience", "keep": True, "score": 0.3},
    ]
    found = judged(run, put(run, "sample", rows), put(run, "verdict", verdicts))
    assert found.sort("sample_id").rows() == [("a", 7, 0.8), ("d", 0, None)]
    assert judged(run, [], []).is_empty()


def test_texts_are_those_of_the_asked_samples(run):
    parts = put(run, "sample", [{"sample_id": i, "text": f"text {i}"} for i in "abc"])
    parts += put(run, "sample", [{"sample_id": "d", "text": "text d"}])
    found = pl.concat(texts(run, parts, pl.Series(["d", "b", "nobody"])))
    assert sorted(found.rows()) == [("b", "text b"), ("d", "text d")]


@pytest.mark.parametrize("page", [1, 100])
def test_pages_hold_the_clean_samples_of_the_lineage_in_one_order_whatever_their_size(
    tmp_path, monkeypatch, page
):
    monkeypatch.setattr(precedence, "PAGE", page)
    first = commit_stories(tmp_path, "first", ["a1", "a2", "a3"], dropped=["a2"])
    second = commit_stories(tmp_path, "second", ["b1"])
    commit_stories(tmp_path, "third", ["c1"])
    run = begin(tmp_path, "curate", "test", "now", {})
    commit_stories(tmp_path, "later", ["d1"])  # is not seen: it came after the run began
    found = pl.concat(earlier_pages(run, "level IN ('first', 'second', 'later')", "text"))
    expected = sorted([(first, "a1"), (first, "a3"), (second, "b1")])
    assert found.select("run_id", "sample_id").rows() == expected
    assert found["text"].to_list() == [f"the story of {name}" for _, name in expected]
    signed = pl.concat(
        earlier_pages(run, "level <> 'third'", "n_shingles", "v1-nfkc-word5-mix64-affine32-seed1-k128")
    )
    assert signed.select("run_id", "sample_id").rows() == expected
    assert signed["n_shingles"].to_list() == [1] * 3
    assert not list(earlier_pages(run, "true", "n_shingles", "another contract"))


def test_a_run_that_stands_alone_has_no_earlier_samples(tmp_path):
    commit_stories(tmp_path, "first", ["a1"])
    assert list(earlier_pages(begin(tmp_path, "curate", "test", "now", {}), "", "text")) == []


def test_texts_of_earlier_samples_are_found_by_id(tmp_path, monkeypatch):
    monkeypatch.setattr(precedence, "_IDS", 2)
    commit_stories(tmp_path, "first", ["a1", "it's"])
    commit_stories(tmp_path, "second", ["b1", "b2"])
    run = begin(tmp_path, "curate", "test", "now", {})
    found = pl.concat(earlier_texts(run, pl.Series("sample_id", ["it's", "b2", "a1"])))
    assert dict(found.rows()) == {i: f"the story of {i}" for i in ("it's", "b2", "a1")}
    assert list(earlier_texts(run, pl.Series("sample_id", [], dtype=pl.String))) == []
