import json

import pytest
from given import row

from flows.console import Common
from flows.looking import show_query, show_recipes
from schemas.errors import BadInput
from warehouse.run import begin


@pytest.fixture
def common(tmp_path):
    """The options of a command on a warehouse with one sample."""
    run = begin(tmp_path / "w", "corpus", "mine", "e", {})
    about = {"run_id": run.run_id, "recipe": "mine", "slots": "{}", "language": "en", "origin": "generated"}
    one = row(
        "sample", sample_id="a", root_id="a", level="story", final=True, ordinal=0, text="A story.", **about
    )
    run.commit(run.once("all", [], {}, lambda: {"sample": one}))
    return Common(root=str(tmp_path / "w"), as_json=True)


def told(capsys):
    return json.loads(capsys.readouterr().out)


def test_a_query_answers_with_rows(common, capsys):
    show_query(common, "SELECT count(*) AS n FROM sample")
    assert told(capsys) == [{"n": 1}]


def test_an_unknown_table_names_the_known_ones(common):
    with pytest.raises(BadInput, match=r"nope.*known: \[.*'sample'"):
        show_query(common, "SELECT * FROM nope")


def test_a_query_with_a_mistake_is_explained(common):
    with pytest.raises(BadInput, match="syntax error"):
        show_query(common, "SELEKT 1")


def test_all_recipes_are_listed(common, capsys):
    show_recipes(common)
    assert {row["recipe"]: row["levels"] for row in told(capsys)}[
        "tiny_stories_instruct"
    ] == "summary > sentence > story"
