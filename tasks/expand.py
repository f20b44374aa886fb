"""Growing trees: every level of a recipe asks for the children of the level above it.

Intermediate texts (summary, then sentence, then story) keep siblings apart: Eldan & Li 2023, arXiv
2305.07759. A parent that a filter dropped has no children, so nothing is paid for them.
"""

import math
from typing import Any, NamedTuple

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from schemas.recipe import Level, Recipe
from schemas.settings import Settings
from tasks.growth import grow
from tasks.pool import bootstrap_level, root_level
from tasks.prompting import Draws, Grove, prompts_of
from tasks.recipe import recipe_of
from warehouse.run import Run

SHARD = 2_000  # trees, or parents, that one task run grows


class Shard(NamedTuple):
    """Some of the trees of a recipe: those numbered from `start` up to `stop`."""

    start: int
    stop: int


def finals_per_tree(recipe: Recipe) -> int:
    """Final samples that one tree brings when nothing is dropped and every maker makes one."""
    sizes: dict[str | None, int] = {None: 1, recipe.source.level if recipe.source else None: 1}
    for level in recipe.levels:
        sizes[level.name] = sizes[level.parent] * level.children
    rounds = recipe.evolution.rounds if recipe.evolution else 1
    return rounds * sum(sizes[level.name] for level in recipe.levels if level.final)


def trees_for(recipe: Recipe, count: int) -> int:
    """Trees that bring `count` final samples when nothing is dropped."""
    return math.ceil(count / finals_per_tree(recipe))


def plan(recipe: Recipe, count: int, n_rooted: int, start: int = 0) -> list[Shard]:
    """The shards of a recipe from tree `start` on: trees for `count` final samples, or those rooted already.

    Args:
        recipe: what is grown.
        count: final samples asked for.
        n_rooted: roots that a pool or a source has, for the recipes that grow from one.
        start: first tree, when others were grown before.
    """
    n_trees = start + trees_for(recipe, count) if root_level(recipe) is None else n_rooted
    return [Shard(i, min(i + SHARD, n_trees)) for i in range(start, n_trees, SHARD)]


def roots_of(recipe: Recipe, roots: list[Partition], shard: Shard) -> list[Partition]:
    """The parts that a shard grows from: of a source those with its rows, of a pool all."""
    if recipe.source is None:
        return roots
    chosen, first = [], 0
    for part in roots:
        if part.table == "sample":
            if first < shard.stop and first + part.rows > shard.start:
                chosen.append(part)
            first += part.rows
    return chosen


@task(name="expand", cache_policy=NO_CACHE)
def expand(
    run: Run,
    recipe: str,
    shard: Shard,
    roots: list[Partition],
    settings: Settings,
    draws: Draws | None = None,
) -> list[Partition]:
    """Grow one shard, level by level and round by round; returns the new parts of all levels."""
    loaded = recipe_of(run, recipe)
    grown: list[Partition] = []
    levels = [level for level in loaded.levels if level.bootstrap is None]
    for number in range(loaded.evolution.rounds if loaded.evolution else 1):
        fresh: list[Partition] = []
        for level in levels:
            grove = Grove(loaded, Shard(*shard), [*roots, *grown, *fresh], fresh, number, draws)
            fresh += _grow_level(run, grove, level, settings)
        grown += fresh
    return grown


def _grow_level(run: Run, grove: Grove, level: Level, settings: Settings) -> list[Partition]:
    def make() -> dict[str, pl.DataFrame]:
        return grow(run, grove.recipe, level, prompts_of(run, grove, level), settings)

    place: dict[str, Any] = {"recipe": grove.recipe.name, "level": level.name, "shard": list(grove.shard)}
    if grove.recipe.evolution:
        place["round"] = grove.number
    if grove.draws is not None:
        place["draws"] = grove.draws._asdict()
    return run.once(f"{grove.recipe.name}-{level.name}", grove.parts, place, make)


def is_rooted(recipe: Recipe) -> bool:
    """Whether trees grow from rows that exist, not from draws."""
    return recipe.source is not None or bootstrap_level(recipe) is not None
