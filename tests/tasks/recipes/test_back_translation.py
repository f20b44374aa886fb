import json

import polars as pl
import pytest
from growing import grown
from likeness import near_share

from tasks.recipe import load_recipe
from tasks.score_replies import score_in

WEB, SEED = (
    "Answer with what a page of the web would tell.",
    "You are an assistant; answer as a careful person would.",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return grown(tmp_path_factory.mktemp("back"), "back_translation", 100)


def judged(made, name):
    return made["verdict"].filter(pl.col("filter") == name)


def test_it_grows_instructions_for_texts_that_exist(made):
    final = made["final"]
    assert final.height > 80 and near_share(final["text"].to_list()) < 0.05
    documents = set(made["sample"].filter(pl.col("level") == "document")["text"])
    for row in final.iter_rows(named=True):
        assert row["output"] in documents and row["text"] == f"{row['instruction']}\n\n{row['output']}"
        assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
        assert row["messages"][0]["content"] == WEB


def test_the_first_iteration_only_records_and_the_second_keeps_from_four_on(made):
    first, second = judged(made, "grade"), judged(made, "curation")
    assert (
        first["keep"].all() and first["score"].min() < 4 and first["threshold"].null_count() == first.height
    )
    assert (second["keep"] == (second["score"] >= 4).fill_null(False)).all()
    assert set(second["score"].drop_nulls()) >= {3.0, 4.0, 5.0}
    kept = set(second.filter("keep")["sample_id"])
    assert set(made["final"]["sample_id"]) == kept


def test_five_is_an_option(tmp_path):
    five = grown(tmp_path, "back_translation", 60, changes=["levels.grade_again.judge.at_least=5"])
    best = judged(five, "curation").filter("keep")
    assert 0 < best.height < 50 and set(best["score"]) == {5.0}


def test_the_witness_of_a_grade_is_the_reply_that_gave_it(made):
    graded = judged(made, "curation").drop_nulls("score")
    replies = (
        made["sample"].filter(pl.col("level") == "grade_again").select(witness_id="sample_id", said="text")
    )
    seen = graded.join(replies, on="witness_id")
    assert seen.height == graded.height > 80
    assert [score_in(text) for text in seen["said"]] == seen["score"].to_list()


def test_the_second_judge_has_seen_what_was_graded_best_but_not_the_pair_it_grades(made):
    best = set(judged(made, "grade").filter(pl.col("score") == 5)["sample_id"])
    rows = {
        row["instruction"]: row["sample_id"]
        for row in made["sample"].iter_rows(named=True)
        if row["instruction"]
    }
    prompts = [
        json.loads(call["messages"])[-1]["content"]
        for call in made["call"].filter(pl.col("level") == "grade_again").iter_rows(named=True)
    ]
    for prompt in prompts:
        shown = [
            line.removeprefix("* Request: ") for line in prompt.splitlines() if line.startswith("* Request: ")
        ]
        assert len(shown) == 3 and {rows[each] for each in shown} <= best
        assert prompt.partition("--- request ---\n")[2].partition("\n--- answer")[0] not in shown


def test_both_readings_of_a_score_keep_the_same_when_the_judge_keeps_to_the_form(made, tmp_path):
    """The storyteller writes scores as the prompt asks; tests/tasks/test_score_replies.py has what differs."""
    forms = [f"levels.{level}.options.form=strict" for level in ("grade", "grade_again")]
    strict = grown(tmp_path, "back_translation", 100, changes=forms)
    assert sorted(strict["final"]["text"]) == sorted(made["final"]["text"])
    assert {level.options["form"] for level in load_recipe("back_translation").levels[1:]} == {"loose"}


def test_seed_rows_keep_what_a_person_asked_and_another_system_message(tmp_path):
    rows = [
        {"text": f"A stone number {n} lies by the road to Harn.", "asked": f"Tell me about stone {n}."}
        for n in range(6)
    ]
    rows += [{"text": f"Bread number {n} rises in a cold cellar overnight."} for n in range(6)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    made = grown(tmp_path / "w", "back_translation", 12, source_files=[tmp_path / "rows.jsonl"])
    asked = made["sample"].filter(pl.col("level") == "instruction")
    systems = {(row["output"][0], row["messages"][0]["content"]) for row in asked.iter_rows(named=True)}
    assert systems == {("A", SEED), ("B", WEB)}
    assert {row["instruction"] for row in asked.iter_rows(named=True)} >= {
        f"Tell me about stone {n}." for n in range(6)
    }
