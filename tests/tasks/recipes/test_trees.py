import json

import polars as pl
import pytest
from growing import grown
from likeness import near_share

NAME = "trees"


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return grown(tmp_path_factory.mktemp("w"), NAME, 120)


def of(frame, level):
    return frame.filter(pl.col("level") == level)


def test_our_trees_become_threads_and_pairs_and_no_model_is_asked(tables):
    final = tables["final"]
    assert of(tables["sample"], "tree").height >= 40 and tables["call"].height == 0
    assert of(final, "thread").height >= 100 and of(final, "pair").height >= 60
    assert tables["verdict"]["keep"].all() and near_share(final["text"].to_list()) < 0.2


def test_prefixes_are_kept_and_not_released(tables):
    prefixes = of(tables["clean"], "prefix")
    assert prefixes.height >= 60 and not prefixes["final"].any()


def test_threads_end_with_the_assistant_and_have_no_losing_answer(tables):
    for row in of(tables["final"], "thread").to_dicts():
        roles = [turn["role"] for turn in row["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2) and row["rejected"] is None
        assert row["output"] == row["messages"][-1]["content"]


def test_a_pair_has_a_winner_in_its_conversation_and_a_loser_beside_it(tables):
    for row in of(tables["final"], "pair").to_dicts():
        better, worse = json.loads(row["slots"])["ranks"]
        assert better < worse
        assert row["output"] == row["messages"][-1]["content"] != row["rejected"]


def test_what_grows_from_one_tree_has_one_root_so_that_a_split_is_by_tree(tables):
    trees = set(of(tables["sample"], "tree")["sample_id"])
    assert set(tables["final"]["root_id"]) <= trees


def test_only_pairs_or_only_threads_on_demand(tmp_path):
    tables = grown(tmp_path, NAME, 30, changes=["levels.thread.final=false"])
    assert set(tables["final"]["level"]) == {"pair"}


def test_the_hundred_public_trees(tmp_path, public_data):
    path = public_data("oasst/en_100_tree.jsonl")
    tables = grown(tmp_path, NAME, 200, [path])
    final = tables["final"]
    assert (of(final, "thread").height, of(final, "pair").height) == (555, 754)
    assert of(tables["clean"], "prefix").height == 480
    assert tables["verdict"]["keep"].all()
