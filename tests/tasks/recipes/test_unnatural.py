import json
from collections import Counter

import polars as pl
from growing import grown

from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.unnatural_replies import FIELDS, demonstrations

RECIPE = load_recipe("unnatural")
TASK, OUTPUT, PARAPHRASE = RECIPE.levels


def prompts():
    return [render(TASK.prompt, {"demonstrations": name}) for name in RECIPE.slots["demonstrations"].choice]


def test_parameters_are_those_of_the_paper():
    assert TASK.sampling.top_p == 0.99 and TASK.sampling.temperature == 1.0
    assert OUTPUT.sampling.temperature == 0.0  # greedy
    assert (PARAPHRASE.children, OUTPUT.children) == (2, 1)
    assert [level.final for level in RECIPE.levels] == [False, True, True]


def test_fifteen_demonstrations_stand_in_five_sets_of_three():
    sets = [demonstrations(prompt) for prompt in prompts()]
    assert [len(shown) for shown in sets] == [3] * 5
    whole = {tuple(each[name] for name in FIELDS) for shown in sets for each in shown}
    assert len(whole) == 15 and all(all(each) for each in whole)
    assert all(prompt.endswith("Example 4\nInstruction:") for prompt in prompts())
    assert not any(
        "Output:" in prompt for prompt in prompts()
    )  # outputs are asked for in a step of their own


def test_an_output_sees_the_constraints_or_that_there_are_none():
    values = {"instruction": "Name it.", "given": "a bird", "constraints": ""}
    assert render(OUTPUT.prompt, values).endswith("Input: a bird\nConstraints: None.\nOutput:")
    assert "Constraints: One word.\n" in render(OUTPUT.prompt, {**values, "constraints": "One word."})


def test_it_grows_on_the_storyteller(tmp_path):
    made = grown(tmp_path, "unnatural", 300)
    levels = Counter(made["sample"]["level"])
    assert levels["task"] == 100 and levels["output"] <= 100 and levels["paraphrase"] <= 200
    final = made["final"]
    assert final.height > 0.8 * 300 and final["text"].n_unique() > 0.98 * final.height
    sets = Counter(
        json.loads(slots)["demonstrations"] for slots in made["sample"].filter(level="task")["slots"]
    )
    assert set(sets.values()) == {20}  # the balanced sampler


def test_paraphrases_have_input_and_output_of_the_task_and_other_words(tmp_path):
    final = grown(tmp_path, "unnatural", 150)["final"]
    parents = {row["sample_id"]: row for row in final.filter(level="output").to_dicts()}
    paraphrases = final.filter(level="paraphrase").to_dicts()
    assert len(paraphrases) > 60
    for row in paraphrases:
        parent = parents[row["parent_id"]]
        assert (row["input"], row["output"]) == (parent["input"], parent["output"])
        assert row["instruction"] != parent["instruction"]
        constraints = json.loads(row["slots"])["constraints"]
        assert row["instruction"].endswith(constraints) and parent["instruction"].endswith(constraints)
        assert row["output"] not in row["text"]
        assert row["messages"][1]["content"] == row["output"]


def test_a_task_that_is_missing_a_field_has_no_output(tmp_path):
    made = grown(tmp_path, "unnatural", 600)
    fallen = made["verdict"].filter(~pl.col("keep"))["sample_id"]
    tasks = made["sample"].filter(pl.col("level") == "task", pl.col("sample_id").is_in(fallen.implode()))
    assert tasks.height > 0
    outputs = made["sample"].filter(level="output")
    assert not set(outputs["parent_id"]) & set(tasks["sample_id"])
