"""Growing trees: every level of a recipe asks for the children of the level above it.

Intermediate texts (summary, then sentence, then story) keep siblings apart: Eldan & Li 2023, arXiv
2305.07759. A parent that a filter dropped has no children, so nothing is paid for them.
"""

import json
import math
from typing import Any, NamedTuple

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.ids import seed_for
from schemas.partition import Partition
from schemas.recipe import Level, Recipe
from schemas.settings import Settings
from tasks.growth import PLACES, Prompt, grow
from tasks.pool import accepted, bootstrap_level, clean
from tasks.recipe import load_recipe, render
from tasks.slots import draw
from warehouse.run import Run

SHARD = 2_000  # trees, or parents, that one task run grows


class Shard(NamedTuple):
    """Some of the trees of a recipe: those numbered from `start` up to `stop`."""

    start: int
    stop: int


def plan(recipe: Recipe, count: int, n_accepted: int) -> list[Shard]:
    """The shards of a recipe: trees for `count` final samples, or those that a pool has rooted already."""
    children = math.prod(level.children for level in recipe.levels)
    n_trees = math.ceil(count / children) if bootstrap_level(recipe) is None else n_accepted
    return [Shard(i, min(i + SHARD, n_trees)) for i in range(0, n_trees, SHARD)]


@task(name="expand", cache_policy=NO_CACHE)
def expand(run: Run, recipe: str, shard: Shard, pool: list[Partition], settings: Settings) -> list[Partition]:
    """Grow one shard, level by level; returns the new parts of all levels."""
    loaded = load_recipe(recipe)
    grown: list[Partition] = []
    for level in loaded.levels:
        if level.bootstrap is None:
            grown += _grow_level(run, loaded, level, shard, pool, grown, settings)
    return grown


def _grow_level(
    run: Run,
    recipe: Recipe,
    level: Level,
    shard: Shard,
    pool: list[Partition],
    grown: list[Partition],
    settings: Settings,
) -> list[Partition]:
    def make() -> dict[str, pl.DataFrame]:
        prompts = _prompts(run, recipe, level, shard, pool, grown)
        return grow(run, recipe, level, prompts, settings)

    place = {"recipe": recipe.name, "level": level.name, "shard": list(shard)}
    return run.once(f"{recipe.name}-{level.name}", [*pool, *grown], place, make)


def _prompts(
    run: Run, recipe: Recipe, level: Level, shard: Shard, pool: list[Partition], grown: list[Partition]
) -> list[Prompt]:
    if level.parent is None:
        return [_root(recipe, level, run, i) for i in range(*shard)]
    rooted = bootstrap_level(recipe)
    if rooted is not None and rooted.name == level.parent:
        parents = accepted(run, recipe.name, pool).slice(shard.start, shard.stop - shard.start)
    else:
        parents = clean(run, grown).filter(pl.col("level") == level.parent).sort("ordinal")
    return [prompt for parent in parents.iter_rows(named=True) for prompt in _children(level, run, parent)]


def _root(recipe: Recipe, level: Level, run: Run, index: int) -> Prompt:
    slots = draw(recipe, run.edition, index)
    seed = seed_for(recipe.name, run.edition, level.name, index)
    return Prompt(render(level.prompt, slots), slots, None, None, index * PLACES, seed)


def _children(level: Level, run: Run, parent: dict[str, Any]) -> list[Prompt]:
    slots = {**json.loads(parent["slots"]), parent["level"]: parent["text"]}
    text = render(level.prompt, slots)
    first = parent["ordinal"] * level.children
    return [
        Prompt(
            text,
            slots,
            parent["sample_id"],
            parent["root_id"],
            place * PLACES,
            seed_for(parent["recipe"], run.edition, level.name, place),
        )
        for place in range(first, first + level.children)
    ]
