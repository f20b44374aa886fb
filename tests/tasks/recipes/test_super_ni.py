import json

import pytest
from growing import grown
from likeness import near_share

NAME = "super_ni"


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return grown(tmp_path_factory.mktemp("w"), NAME, 100)


def test_our_task_files_become_prompts_and_no_model_is_asked(tables):
    final = tables["final"]
    assert final.height == 100 and tables["call"].height == 0
    assert near_share(final["text"].to_list()) < 0.05
    assert {json.loads(each)["task"] for each in final["slots"]} == {"odd_one_out", "ordered_words"}


def test_the_prompt_holds_definition_two_examples_and_the_input(tables):
    for row in tables["final"].to_dicts():
        assert row["instruction"].startswith("Definition: ")
        assert row["instruction"].count("Positive example") == 2 and row["instruction"].endswith("Output:")
        assert row["output"] in json.loads(row["slots"])["targets"]


def test_answers_of_our_tasks_are_right(tables):
    for row in tables["final"].to_dicts():
        words = row["text"].partition("\n\n")[0].split(", ")
        if json.loads(row["slots"])["task"] == "ordered_words":
            assert row["output"].replace(", ", " ").split(" ") == sorted(words)
        else:
            assert row["output"] in words


def test_the_encoding_is_a_change_of_the_recipe(tmp_path):
    changes = ["levels.prompted.options.positive=0", "levels.prompted.options.negative=1"]
    (first, *_) = grown(tmp_path, NAME, 10, changes=changes)["final"]["instruction"]
    assert "Positive" not in first and "Negative example 1" in first
