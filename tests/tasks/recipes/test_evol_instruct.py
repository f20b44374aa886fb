import json
import math
from collections import Counter

import polars as pl
import pytest
from growing import grown

from tasks.recipe import load_recipe
from tasks.rendering import render

RECIPE = load_recipe("evol_instruct")
EVOLVE, JUDGE, ANSWER = RECIPE.levels
FIVE = 'slots.operation.choice=["constrain", "deepen", "concretise", "reason", "breadth"]'


def prompt_of(operation, format="JSON"):
    return render(EVOLVE.prompt, {"operation": operation, "format": format, "instruction": "Plan a dinner."})


def test_parameters_are_those_of_the_paper():
    assert RECIPE.evolution.rounds == 4 and RECIPE.sampler == "random"
    assert len(RECIPE.slots["operation"].choice) == len(RECIPE.slots["format"].choice) == 6
    for level in RECIPE.levels:
        assert (level.sampling.temperature, level.sampling.top_p, level.sampling.max_tokens) == (
            1.0,
            0.9,
            2048,
        )
    assert ANSWER.prompt == "{{ evolved }}"  # nothing but the instruction is asked


@pytest.mark.parametrize("operation", RECIPE.slots["operation"].choice)
def test_every_operation_has_a_prompt_of_its_own_that_forbids_its_own_words(operation):
    prompt = prompt_of(operation)
    others = [prompt_of(other) for other in RECIPE.slots["operation"].choice if other != operation]
    assert prompt not in others
    assert '"given prompt"' in prompt and "#Given Prompt#:\nPlan a dinner.\n\n#" in prompt
    assert ("10 to 20 words" in prompt) == (operation in ("constrain", "deepen", "concretise", "reason"))
    assert ("Tables and code" in prompt) == (operation != "breadth")
    assert prompt.endswith("#Created Prompt#:" if operation == "breadth" else "#Rewritten Prompt#:")


@pytest.mark.parametrize("format", RECIPE.slots["format"].choice)
def test_every_format_is_shown_by_an_example(format):
    prompt = prompt_of("complicate", format)
    assert f"in the form of {format}," in prompt
    assert (
        len({prompt_of("complicate", other).split("Before:")[1] for other in RECIPE.slots["format"].choice})
        == 6
    )


def test_the_five_operations_of_the_repository_are_a_change():
    changed = load_recipe("evol_instruct", (FIVE, "levels.evolved.sampling.top_p=0.95"))
    assert len(changed.slots["operation"].choice) == 5 and changed.levels[0].sampling.top_p == 0.95


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return grown(tmp_path_factory.mktemp("evol"), "evol_instruct", 400)


def evolved_by_root(made):
    """Root text and the evolutions of each tree in the order of rounds."""
    roots = {row["root_id"]: row["text"] for row in made["sample"].filter(level="instruction").to_dicts()}
    rows = made["sample"].filter(level="evolved").sort("ordinal").to_dicts()
    return [(text, [row for row in rows if row["root_id"] == root]) for root, text in roots.items()]


def test_it_grows_on_the_storyteller(made):
    counts = Counter(made["sample"]["level"])
    assert (counts["instruction"], counts["evolved"]) == (100, 400)
    final = made["final"]
    assert 0.8 * 400 < final.height == final["text"].n_unique()
    for row in final.to_dicts():
        assert [turn["content"] for turn in row["messages"]] == [row["instruction"], row["output"]]
        assert row["instruction"] == json.loads(row["slots"])["evolved"] and row["input"] == ""


def test_what_fails_goes_back_unchanged_and_what_survives_is_evolved_further(made):
    clean = set(made["clean"]["sample_id"])
    survivors = set(made["clean"].filter(level="answer")["parent_id"])
    unchanged = 0
    for newest, rows in evolved_by_root(made):
        assert len(rows) == 4
        for row in rows:
            assert json.loads(row["slots"])["instruction"] == newest
            if row["sample_id"] in clean & survivors:
                newest = row["text"]
            else:
                unchanged += 1
    assert unchanged == 400 - made["final"].height > 0


def test_operations_are_drawn_anew_for_every_tree_and_round(made):
    drawn = [[json.loads(row["slots"])["operation"] for row in rows] for _, rows in evolved_by_root(made)]
    counts = Counter(operation for tree in drawn for operation in tree)
    expected, n = 400 / 6, 400
    chi2 = sum((counts[each] - expected) ** 2 / expected for each in RECIPE.slots["operation"].choice)
    assert chi2 < 20.5  # 5 degrees of freedom, p = .001
    same_as_before = sum(a == b for tree in drawn for a, b in zip(tree, tree[1:], strict=False))
    assert abs(same_as_before - 300 / 6) < 4 * math.sqrt(300 * 5 / 36) and n == sum(counts.values())


def test_all_four_eliminations_leave_their_testimony(made):
    fallen = made["verdict"].filter(~pl.col("keep"))
    judged = made["verdict"].filter(filter="gain")
    assert judged["witness_id"].null_count() == 0 and set(judged["score"].drop_nulls()) == {0.0, 1.0}
    assert fallen.filter(filter="gain")["reason"].str.contains("judged 0, below 1").any()
    reasons = " | ".join(fallen["reason"].drop_nulls().unique())
    assert "no change" in reasons and "from the prompt" in reasons  # an echo of the prompt
    answered = set(made["sample"].filter(level="answer")["parent_id"])
    assert not answered & set(
        fallen.filter(filter="gain")["sample_id"]
    )  # nothing is paid for an eliminated one


def test_a_user_gives_alpaca_s_rows(tmp_path):
    path = tmp_path / "rows.json"
    rows = [
        {"instruction": f"Count {n} eggs in the list.", "input": "a, b" * (n % 2), "output": "x"}
        for n in range(9)
    ]
    path.write_text(json.dumps(rows))
    found = grown(tmp_path / "w", "evol_instruct", 16, source_files=[path])["sample"]
    texts = found.filter(level="instruction")["text"].to_list()
    assert len(texts) == 4 and set(texts) <= {
        f"{row['instruction']}\n\n{row['input']}".strip() for row in rows
    }
