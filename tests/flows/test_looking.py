import json

import polars as pl
import pytest
from given import row

from flows.console import Common
from flows.looking import show_query, show_recipes, show_sample
from schemas.errors import BadInput
from warehouse.run import begin


@pytest.fixture
def common(tmp_path):
    """The options of a command on a warehouse with a parent, its child, and a dropped copy of the child."""
    run = begin(tmp_path / "w", "corpus", "mine", "e", {})
    fixed = {
        "run_id": run.run_id,
        "recipe": "mine",
        "final": True,
        "slots": "{}",
        "language": "en",
        "origin": "generated",
    }
    samples = pl.concat(
        [
            row("sample", sample_id="aa1", root_id="aa1", level="summary", ordinal=0, text="A short summary.", **fixed),
            row("sample", sample_id="ab2", parent_id="aa1", root_id="aa1", level="story", ordinal=0, text="The story.", rejected="A story.", request_id="q", **fixed),
            row("sample", sample_id="ac3", root_id="ac3", level="story", ordinal=1, text="The story!", **fixed),
        ]
    )  # fmt: skip
    verdict = row(
        "verdict",
        sample_id="ac3",
        run_id=run.run_id,
        filter="exact",
        keep=False,
        witness_id="ab2",
        reason="repeats it",
    )
    call = row(
        "call", request_id="q", run_id=run.run_id, recipe="mine", level="story", provider="offline", model="m",
        messages='[{"role": "user", "content": "Tell me."}]', sampling="{}", reply="The story.", latency_s=0.1,
        attempts=1, replayed=False,
    )  # fmt: skip
    run.commit(run.once("all", [], {}, lambda: {"sample": samples, "verdict": verdict, "call": call}))
    return Common(root=tmp_path / "w", as_json=True)


def told(capsys):
    return json.loads(capsys.readouterr().out)


def test_a_query_answers_with_rows(common, capsys):
    show_query(common, "SELECT count(*) AS n FROM sample")
    assert told(capsys) == [{"n": 3}]


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


def test_a_dropped_sample_is_explained_with_its_neighbour(common, capsys):
    show_sample(common, "ac")
    (sample,) = told(capsys)
    (verdict,) = sample["verdicts"]
    assert (verdict["filter"], verdict["witness_text"], verdict["reason"]) == (
        "exact",
        "The story.",
        "repeats it",
    )


def test_a_sample_is_explained_with_its_tree_and_its_call(common, capsys):
    show_sample(common, "ab2")
    (sample,) = told(capsys)
    assert [above["text"] for above in sample["grown from"]] == ["A short summary."]
    assert "Tell me." in sample["call"][0]["messages"]
    assert sample["rejected"] == "A story."


def test_a_person_reads_both_texts(common, capsys):
    show_sample(common.model_copy(update={"as_json": False}), "ac3")
    shown = capsys.readouterr().out
    assert "The story." in shown
    assert "The story!" in shown


@pytest.mark.parametrize(("name", "n"), [("zz", 0), ("a", 3)])
def test_an_id_of_none_or_several_is_refused(common, name, n):
    with pytest.raises(BadInput, match=f"{n} samples match '{name}'"):
        show_sample(common, name)


def test_a_sample_that_others_were_gathered_for_shows_them_too(tmp_path, capsys):
    run = begin(tmp_path / "w", "corpus", "mine", "e", {})
    about = {"run_id": run.run_id, "root_id": "q1", "recipe": "mine", "language": "en", "origin": "generated", "slots": "{}"}  # fmt: skip
    samples = [row("sample", sample_id="q1", level="question", final=False, ordinal=0, text="Why?", **about)] + [
        row("sample", sample_id=name, parent_id="q1", level=level, final=final, ordinal=i, text=name, **about)
        for i, (name, level, final) in enumerate([("b1", "answer", False), ("b2", "answer", False), ("c1", "pair", True)])
    ]  # fmt: skip
    run.commit(run.once("all", [], {}, lambda: {"sample": pl.concat(samples)}))
    show_sample(Common(root=tmp_path / "w", as_json=True), "c1")
    (sample,) = told(capsys)
    assert [(each["level"], each["text"]) for each in sample["made beside"]] == [
        ("answer", "b1"),
        ("answer", "b2"),
    ]
