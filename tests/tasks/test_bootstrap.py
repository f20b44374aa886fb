import json
import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.recipe import Bootstrap
from schemas.settings import Settings
from tasks.bootstrap import MAX_PROMPTS, MIN_PROMPTS, bootstrap, count_accepted, n_prompts, pick_tasks
from tasks.pool import read_seeds
from tasks.recipe import asked_recipe, load_recipe
from tasks.rouge import rouge, rouge_l
from warehouse.run import begin

SIX_AND_TWO = Bootstrap(seeds="self_instruct.jsonl")
HUMAN = [{"instruction": f"human {i}"} for i in range(20)]
MACHINE = [{"instruction": f"machine {i}"} for i in range(20)]
ALONE = "false"


@given(st.integers(0, 2**63), st.integers(0, 20))
def test_a_prompt_shows_six_human_and_two_generated_tasks_and_more_human_ones_when_there_are_fewer(
    seed, n_machine
):
    shown = [task["instruction"] for task in pick_tasks(HUMAN, MACHINE[:n_machine], SIX_AND_TWO, seed)]
    generated = [task for task in shown if task.startswith("machine")]
    assert len(shown) == len(set(shown)) == 8
    assert len(generated) == min(2, n_machine)


def test_shown_tasks_are_collapsed_lose_their_colon_and_are_shuffled():
    shown = pick_tasks([{"instruction": "do  this\nnow:", "input": "a:"}] * 8, [], SIX_AND_TWO, 1)
    assert shown == [{"instruction": "do this now", "input": "a:"}] * 8
    drawn = [pick_tasks(HUMAN[:6], MACHINE[:2], SIX_AND_TWO, seed) for seed in range(20)]
    orders = {tuple(task["instruction"] for task in tasks) for tasks in drawn}
    assert len(orders) > 10


@pytest.mark.parametrize(("missing", "n"), [(1, MIN_PROMPTS), (300, 19), (10**6, MAX_PROMPTS)])
def test_a_round_asks_for_less_than_half_of_what_is_missing(missing, n):
    assert n_prompts(missing) == n


def test_fewer_prompts_are_asked_of_a_recipe_whose_replies_bring_more():
    assert n_prompts(300, yields=20) < n_prompts(300, yields=7)


def test_seeds_may_be_those_of_classification_alone(run):
    tasks = run_prompts(run, "levels.instruction.bootstrap.classification_only=true")
    known = {seed["instruction"]: seed["is_classification"] for seed in read_seeds("self_instruct.jsonl")}
    assert tasks and all(known[task] for task in tasks)


def run_prompts(run, change):
    """The tasks that the prompts of a first round show."""
    asked = asked_recipe(load_recipe("self_instruct", (change,)))
    changed = run.model_copy(update={"parameters": {"recipes": {"self_instruct": asked}}})
    found = bootstrap.fn(changed, "self_instruct", 0, 20, [], ALONE, Settings())
    (calls,) = (run.read(part) for part in found if part.table == "call")
    texts = [json.loads(messages)[0]["content"] for messages in calls["messages"]]
    return {line.partition(". ")[2] for text in texts for line in re.findall(r"^\d+\. .+$", text, re.M)}


def grow_pool(run, rounds, count=60):
    pool = []
    for number in range(rounds):
        missing = max(1, count - count_accepted(run, "self_instruct", pool))
        found = bootstrap.fn(run, "self_instruct", number, missing, pool, ALONE, Settings())
        pool = [*pool, *found, *rouge.fn(run, found, pool, "self_instruct", ALONE)]
    return pool


def rows(run, parts, table):
    return pl.concat([run.read(part) for part in parts if part.table == table])


def test_rounds_grow_a_pool_of_new_tasks_from_seeds_and_from_each_other(run):
    pool = grow_pool(run, 3)
    samples, verdicts, calls = (rows(run, pool, table) for table in ("sample", "verdict", "call"))
    seeds = samples.filter(pl.col("level") == "seed")
    assert seeds.height >= 100
    assert not set(seeds["sample_id"]) & set(verdicts["sample_id"]), "seeds are given, not judged"
    assert count_accepted(run, "self_instruct", pool) > 60
    kept = verdicts.filter((pl.col("filter") == "rouge") & pl.col("keep"))
    texts = samples.join(kept, on="sample_id", how="semi")["text"].to_list()
    assert all(rouge_l(a, b) <= 0.7 for i, a in enumerate(texts) for b in texts[:i])
    prompts = [json.loads(messages)[0]["content"] for messages in calls["messages"]]
    assert any(text in prompt for prompt in prompts for text in texts), "no prompt shows a generated task"
    assert set(samples.filter(pl.col("level") != "seed")["model"]) == {"offline/storyteller"}


def test_every_candidate_is_kept_with_its_verdict_and_its_witness(run):
    pool = grow_pool(run, 2)
    samples, verdicts = rows(run, pool, "sample"), rows(run, pool, "verdict")
    candidates = samples.filter(pl.col("level") == "instruction")
    assert set(candidates["sample_id"]) == set(verdicts.filter(pl.col("filter") == "format")["sample_id"])
    copied = verdicts.filter((pl.col("filter") == "rouge") & ~pl.col("keep"))
    assert set(copied["witness_id"]) <= set(samples["sample_id"])


def test_the_same_rounds_again_cost_nothing_and_give_the_same_parts(run):
    assert grow_pool(run, 2) == grow_pool(run, 2)


def test_a_later_edition_is_judged_against_the_pool_of_the_earlier_one(run):
    run.commit(grow_pool(run, 1))
    later = begin(run.root, "corpus", "test", "second", {})
    among = "model = 'offline/storyteller'"
    found = bootstrap.fn(later, "self_instruct", 0, 60, [], among, Settings())
    judged = rows(later, rouge.fn(later, found, [], "self_instruct", among), "verdict")
    old = later.earlier("SELECT sample_id FROM sample")["sample_id"]
    assert set(judged["witness_id"].drop_nulls()) & set(old)
