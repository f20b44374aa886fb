import json

import polars as pl
import pytest
from growing import grown
from likeness import near_share

from tasks.makers import Given
from tasks.preference_maker import preference
from tasks.preference_replies import preference as read
from tasks.replies import Told


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return grown(tmp_path_factory.mktemp("pairs"), "preferences", 120)


def level(made, name):
    return made["sample"].filter(pl.col("level") == name)


def test_it_grows_pairs_that_are_kept_and_distinct(made):
    final = made["final"]
    assert level(made, "answer").height == 240 and level(made, "pair").height == 120
    assert final.height > 96 and near_share(final["text"].to_list()) < 0.05
    for row in final.iter_rows(named=True):
        assert row["output"] != row["rejected"] and row["messages"][-1]["content"] == row["output"]


def test_both_sides_of_a_pair_are_answers_to_its_question(made):
    answers = level(made, "answer").group_by("parent_id").agg("text")
    known = dict(answers.iter_rows())
    assert all(
        {row["output"], row["rejected"]} == set(known[row["parent_id"]])
        for row in made["final"].iter_rows(named=True)
    )


def test_the_judge_sees_each_pair_in_both_orders(made):
    prompts = [
        json.loads(m)[-1]["content"] for m in made["call"].filter(pl.col("level") == "judgement")["messages"]
    ]
    shown = [
        (p.partition("--- assistant A ---\n")[2].partition("\n--- assistant B ---\n")) for p in prompts if p
    ]
    pairs = [(a, b.partition("\n--- end ---")[0]) for a, _, b in shown]
    assert len(pairs) > 200 and {(b, a) for a, b in pairs} == set(pairs)


def test_ties_are_kept_as_rows_with_their_reason(made):
    lost = level(made, "pair").join(made["final"], on="sample_id", how="anti")
    reasons = made["verdict"].join(lost, on="sample_id", how="semi")
    assert lost.height == reasons.height == 120 - made["final"].height > 0
    assert not reasons["keep"].any() and reasons["reason"].str.contains("tie|usable|same").all()


@pytest.mark.parametrize(
    ("letters", "pairs"), [("AA", 0), ("BB", 0), ("AB", 1), ("BA", 1), ("CC", 0), ("AC", 0)]
)
def test_a_judge_that_loves_a_place_makes_no_pair(letters, pairs):
    judged = [
        read(Told(f"[[{x}]]", "stop", {"child": i}, options={"swap": True}))[0] for i, x in enumerate(letters)
    ]
    gathered = {
        "answer": [{"text": "yes"}, {"text": "no"}],
        "judgement": [{"slots": piece.slots} for piece in judged],
    }
    (piece,) = preference(Given({"text": "Why?"}, gathered, {}, {}, 0))
    assert (piece.rejected is not None) == bool(pairs) == (piece.reason is None)


def test_an_unreadable_judgement_costs_the_pair_and_nothing_else(made):
    unread = (
        made["verdict"].filter(~pl.col("keep")).join(level(made, "judgement"), on="sample_id", how="semi")
    )
    assert unread.height > 0
    parents = level(made, "judgement").join(unread, on="sample_id", how="semi")["parent_id"]
    assert not set(parents) & set(made["final"]["parent_id"])


def test_mt_benchs_questions_go_through(tmp_path, public_data):
    """All 80 are read, the first turn being asked; what the storyteller's judge loses is the rest."""
    source = public_data("mt_bench/question.jsonl")
    made = grown(tmp_path, "preferences", 80, source_files=[source], changes=["source.text=text"])
    assert level(made, "question").height == 80 and made["reject"].height == 0
    assert level(made, "pair").height == 80 and made["final"].height > 64
