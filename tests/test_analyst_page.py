"""docs/analyst.md cannot go stale: its queries run, and give the columns of the answers printed under them."""

import re
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from schemas.tables import tables
from warehouse import connect
from warehouse.parts import polars_schema
from warehouse.run import begin
from warehouse.views import mart_files

PAGE = (Path(__file__).parents[1] / "docs" / "analyst.md").read_text("utf-8")
FILL = {pl.String: "x", pl.Int64: 1, pl.Float64: 0.5, pl.Boolean: True, pl.List: [], pl.Array: [7] * 128}
METRICS = ("vs2_unbiased", "effective_clusters", "rouge_nn_share", "opener_top10_share", "mean_words")


class Query(NamedTuple):
    """A query of the page and the columns of its printed answer."""

    heading: str
    sql: str
    columns: list[str]


def columns_of(answer):
    """The names in the head of a printed table; a name that was folded is put together again."""
    head = answer[: answer.index("┡")].splitlines()
    lines = [line.strip("┃").split("┃") for line in head if line.startswith("┃")]
    return ["".join(part.strip() for part in column) for column in zip(*lines, strict=True)]


def queries():
    for section in PAGE.split("\n## ")[1:]:
        heading = section.splitlines()[0]
        for sql, answer in re.findall(r"```sql\n(.*?)```\n+```text\n(.*?)```", section, re.DOTALL):
            yield Query(heading, sql, columns_of(answer))


QUERIES = list(queries())
EACH_QUERY = pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.heading)


def rows(table, run_id, *given):
    """Rows of one run with a typed value in every column that was not given and may not be null."""
    nullable = {field.name: field.nullable for field in tables()[table].arrow()}
    schema = polars_schema(table)
    blank = {name: None if nullable[name] else FILL[kind.base_type()] for name, kind in schema.items()}
    return pl.DataFrame([{**blank, "run_id": run_id, **row} for row in given], schema=schema)


def corpus(run_id):
    """A summary with two stories, of which the second repeats the first; one is released."""
    asked = '{"words":["cat","run"],"features":["dialogue"]}'
    story = {"parent_id": "tree", "root_id": "tree", "recipe": "tales", "slots": asked, "request_id": "call"}
    stories = [{"sample_id": name, "text": f"a cat ran {name}", **story} for name in ("one", "two")]
    gate = {"name": "size", "passed": True, "value": 1.0, "threshold": 1.0, "blocks": True, "rule": "least"}
    near = {"filter": "minhash", "threshold": 0.7}
    drop = near | {"sample_id": "two", "keep": False, "score": 0.9, "witness_id": "one", "reason": "J 0.9"}
    measured = [{"scope": s, "scope_id": i, "metric": m} for s, i in scopes(run_id) for m in METRICS]
    measured.append({"scope": "run", "scope_id": run_id, "metric": "estimated_requests"})
    measured += [{"scope": "lineage", "scope_id": "tales", "metric": metric} for metric in METRICS]
    return {
        "sample": [{"sample_id": "tree", "root_id": "tree", "recipe": "tales", "final": False}, *stories],
        "call": [{"request_id": "call", "recipe": "tales", "n_completion_tokens": 3}],
        "verdict": [{"sample_id": "one", "score": 0.6, **near}, drop],
        "embedding": [{"sample_id": "one", "encoder": "e", "vector": [1.0, 0.0]}],
        "tally": [{"recipe": "tales", "statistic": "texts", "item": "n"}],
        "neighbour": [
            {"sample_id": "one", "encoder": "e", "kind": kind, "cosine": 0.5, "neighbour_id": "two"}
            for kind in ("prior", "all")
        ],
        "metric": [{"value": 0.5, "low": 0.4, "high": 0.6, **row} for row in measured],
        "release": [{"release_id": "release", "gates": [gate]}],
        "member": [{"release_id": "release", "sample_id": "one"}],
    }


def scopes(run_id):
    return [("run", run_id), ("recipe", "tales")]


def commit(root, flow, name, frames):
    run = begin(root, flow, name, "first", {})
    parts = run.once(
        "all", [], {}, lambda: {t: rows(t, run.run_id, *given) for t, given in frames(run).items()}
    )
    run.commit(parts)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A warehouse of a corpus of two stories and a model."""
    root = tmp_path_factory.mktemp("filled")
    checkpoint = {"checkpoint_id": "model", "release_id": "release"}
    commit(root, "corpus", "tales", lambda run: corpus(run.run_id))
    commit(root, "model", "release", lambda run: {"checkpoint": [checkpoint]})
    return root


def test_every_query_of_the_page_has_its_answer():
    assert len(QUERIES) == PAGE.count("```sql") == PAGE.count("```text") >= 10
    assert len({query.sql for query in QUERIES}) == len(QUERIES)


@EACH_QUERY
def test_a_query_runs_on_an_empty_warehouse(query, tmp_path):
    with connect(tmp_path) as connection:
        assert connection.sql(query.sql).pl().columns == query.columns


@EACH_QUERY
def test_a_query_gives_rows_with_the_columns_of_its_answer(query, filled):
    with connect(filled) as connection:
        answer = connection.sql(query.sql).pl()
    assert answer.columns == query.columns
    assert answer.height


@EACH_QUERY
def test_a_query_that_shows_some_rows_says_which(query):
    assert not re.search(r"\bLIMIT\b", query.sql) or "ORDER BY" in query.sql


def test_every_mart_and_every_table_is_on_the_page():
    marts = {path.stem for path in mart_files()}
    listed = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert listed == marts
    picture = PAGE.partition("## The tables")[2].partition("## The marts")[0]
    assert {name for name in tables() if not re.search(rf"\b{name}\b", picture)} == set()


def test_ids_are_abbreviated_and_figures_are_said_to_vary():
    assert not re.search(r"[0-9a-f]{16}", PAGE)
    assert "Figures vary with the\nedition" in PAGE
