"""Self-Instruct bootstrapping (Wang et al. 2023, arXiv 2212.10560): tasks from tasks, over rounds.

Each prompt shows eight tasks of the pool, two of them generated when there are any, in random order, and asks
for more. What comes back is parsed, filtered and compared with the whole pool (`tasks/rouge.py`); what is
accepted is shown to later rounds. A round asks for less than half of what is missing, so that the pool feeds
on itself, and depends on nothing but the rounds before it.
"""

import math
import random
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.ids import seed_for
from schemas.partition import Partition
from schemas.recipe import Bootstrap, Level
from schemas.settings import Settings
from tasks.growth import PLACES, Prompt, grow
from tasks.pool import accepted, bootstrap_level, pool_of, read_seeds, seed_samples
from tasks.recipe import recipe_of
from tasks.rendering import render
from warehouse.run import Run

MIN_PROMPTS, MAX_PROMPTS = 4, 256  # of one round
MAX_ROUNDS = 60  # two task runs each; Prefect keeps the records of about 200 in a flow


Task = dict[str, Any]  # instruction, input, output


def pick_tasks(human: list[Task], machine: list[Task], bootstrap: Bootstrap, seed: int) -> list[Task]:
    """The tasks that one prompt shows: up to `n_machine` generated ones, the rest human, shuffled."""
    chance = random.Random(seed)
    generated = chance.sample(machine, min(bootstrap.n_machine, len(machine)))
    n_human = bootstrap.n_human + bootstrap.n_machine - len(generated)
    shown = generated + chance.sample(human, min(n_human, len(human)))
    chance.shuffle(shown)
    return [{**task, "instruction": " ".join(task["instruction"].split()).rstrip(":")} for task in shown]


def n_prompts(missing: int, yields: int = 7) -> int:
    """How many prompts a round asks when `missing` tasks are wanted and each gives up to `yields`."""
    return max(MIN_PROMPTS, min(MAX_PROMPTS, math.ceil(missing / (16 * yields / 7))))


@task(name="bootstrap", cache_policy=NO_CACHE)
def bootstrap(
    run: Run, recipe: str, number: int, missing: int, pool: list[Partition], among: str, settings: Settings
) -> list[Partition]:
    """One round: new candidates from prompts over the pool as it stands. Round 0 also keeps the seeds."""
    level = bootstrap_level(recipe_of(run, recipe))

    def make() -> dict[str, pl.DataFrame]:
        prompts = _prompts(run, recipe, level, number, missing, pool, among)
        grown = grow(run, recipe_of(run, recipe), level, prompts, settings)
        if number == 0:
            grown["sample"] = pl.concat([seed_samples(run, recipe), grown["sample"]])
        return grown

    return run.once("bootstrap", pool, {"recipe": recipe, "round": number, "missing": missing}, make)


def count_accepted(run: Run, recipe: str, pool: list[Partition]) -> int:
    """How many generated tasks the run has accepted so far."""
    return accepted(run, recipe, pool).height


def _prompts(
    run: Run, recipe: str, level: Level, number: int, missing: int, pool: list[Partition], among: str
) -> list[Prompt]:
    human = [_shown(seed) for seed in read_seeds(level.bootstrap.seeds) if _fits(seed, level.bootstrap)]
    known = pool_of(run, recipe, pool, among).slice(len(read_seeds(level.bootstrap.seeds)))
    machine = known.select("input", "output", instruction="text").to_dicts()
    return [
        _prompt(level, human, machine, seed_for(recipe, run.edition, number, i), number * MAX_PROMPTS + i)
        for i in range(n_prompts(missing, level.bootstrap.yields))
    ]


def _fits(seed: dict[str, Any], bootstrap: Bootstrap) -> bool:
    return bool(seed.get("is_classification")) or not bootstrap.classification_only


def _shown(seed: dict[str, Any]) -> Task:
    (instance,) = seed.get("instances", [])[:1] or [{}]
    return {
        "instruction": seed["instruction"],
        "input": instance.get("input", ""),
        "output": instance.get("output", ""),
    }


def _prompt(level: Level, human: list[Task], machine: list[Task], seed: int, place: int) -> Prompt:
    shown = pick_tasks(human, machine, level.bootstrap, seed)
    values = {"tasks": shown, "child": 0, "classification_only": level.bootstrap.classification_only}
    return Prompt(render(level.prompt, values), None, values, {}, None, None, place * PLACES, seed)
