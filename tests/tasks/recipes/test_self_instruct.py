import json
import re

from growing import grown

from tasks.pool import read_seeds
from tasks.recipe import load_recipe
from tasks.rendering import render

RECIPE = load_recipe("self_instruct")
TASKS, FLAG, INSTANCES = RECIPE.levels
SEEDS = TASKS.bootstrap.seeds
SHOWN = [{"instruction": f"Say {n} words.", "input": "x", "output": "y"} for n in range(8)]


def test_parameters_are_those_of_the_authors():
    pool, first = TASKS.bootstrap, TASKS.sampling
    assert (pool.n_human, pool.n_machine, pool.rouge, pool.yields) == (6, 2, 0.7, 7)
    assert (first.temperature, first.top_p, first.presence_penalty, first.max_tokens) == (0.7, 0.5, 2.0, 1024)
    assert first.stop == ["\n\n", "\n16", "16.", "16 ."] and first.frequency_penalty == 0
    assert (FLAG.sampling.temperature, FLAG.sampling.top_p, FLAG.sampling.max_tokens) == (0, 0, 3)
    assert FLAG.sampling.stop == ["\n", "Task"]
    last = INSTANCES.sampling
    assert (last.temperature, last.top_p, last.presence_penalty, last.max_tokens) == (0, 0, 1.5, 350)
    assert last.stop == ["Example 6", "Task:"]


def test_eight_tasks_are_numbered_and_the_prompt_ends_with_the_next_number():
    prompt = render(TASKS.prompt, {"tasks": SHOWN, "classification_only": False})
    assert re.findall(r"^(\d+)\. Say", prompt, re.M) == [str(n) for n in range(1, 9)]
    assert prompt.endswith("\n9.") and "classification" not in prompt
    header = render(TASKS.prompt, {"tasks": SHOWN, "classification_only": True}).split("\n")[0]
    assert "classification" in header and "labels" in header


def test_the_flag_is_asked_with_12_yes_and_19_no():
    prompt = render(FLAG.prompt, {"instruction": "Count it."})
    shots = re.findall(r"^Task: (.*)\nIs it classification\? (Yes|No)$", prompt, re.M)
    flags = [flag for _, flag in shots]
    assert (flags.count("Yes"), flags.count("No"), len({task for task, _ in shots})) == (12, 19, 31)
    assert prompt.endswith("Task: Count it.\nIs it classification?")


def test_labels_come_first_for_classification_with_1_to_4_labelled_inputs():
    prompt = render(INSTANCES.prompt, {"flag": "Yes", "instruction": "Judge it."})
    assert {task.count("Class label:") for task in prompt.split("Task:")[1:-1]} == {1, 2, 3, 4}
    assert "Class label:" not in render(INSTANCES.prompt, {"flag": "No", "instruction": "Count it."})


def test_it_grows_on_the_storyteller_and_instances_are_asked_in_many_forms(tmp_path):
    made = grown(tmp_path, "self_instruct", 80, rounds=3)
    final = made["final"]
    instances = made["sample"].filter(level="instance")
    assert final.height > 0.8 * instances.height > 20 and final["text"].n_unique() == final.height
    rows = final.to_dicts()
    plain = sum(
        row["messages"][0]["content"] == "\n\n".join(filter(None, (row["instruction"], row["input"])))
        for row in rows
    )
    assert 0 < plain < len(rows) / 2
    for row in rows:
        asked, answered = (turn["content"] for turn in row["messages"])
        assert row["instruction"] in asked and answered == row["output"]
        assert row["text"] == "\n\n".join(filter(None, (row["instruction"], row["input"], row["output"])))


def test_classification_seeds_only_is_a_change(tmp_path):
    changes = ["levels.instruction.bootstrap.classification_only=true"]
    made = grown(tmp_path, "self_instruct", 20, changes=changes)
    prompts = [
        json.loads(call["messages"])[0]["content"]
        for call in made["call"].filter(level="instruction").to_dicts()
    ]
    assert prompts and all("classification tasks" in prompt.split("\n")[0] for prompt in prompts)
    shown = {task for prompt in prompts for task in re.findall(r"^\d+\. (.+)$", prompt, re.M)}
    seeds = {
        " ".join(seed["instruction"].split()).rstrip(":"): seed["is_classification"]
        for seed in read_seeds(SEEDS)
    }
    assert len(shown) > 8 and all(seeds[task] for task in shown)
