"""Steering: before each round of trees, what was made so far decides what is drawn next, for the same money.

A steered run grows in 2 to ROUNDS rounds. After the last it has spent what the recipes cost as they are
measured on its own calls, or somewhat less; never more.

    coverage     each recipe has its designed trees. Up to half of a round asks again for what the texts
                 lack, and choices are weighted until their kept samples are even (tasks/lacking.py). The rest
                 goes on in the grid where it stopped, over editions too when earlier runs count.
    diversity    the money of a round goes to the recipes, and the draws to the items of their choices, that
                 brought the most novelty for it (tasks/worth.py). A recipe that asks no model costs nothing:
                 it grows as designed.

What grows from rows or a pool is bounded by what is there, and its slots are drawn as designed. The first
round of diversity is as designed: nothing is known. Plans are a function of the parts, not of their order.
"""

import logging
import math
from typing import NamedTuple

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from tasks.expand import SHARD, Shard, is_rooted
from tasks.lacking import again, earlier, short, trees_of
from tasks.pool import bootstrap_level, clean, rows_of
from tasks.prompting import Draws
from tasks.recipe import recipe_of
from tasks.slots import choices_of
from tasks.worth import Texts, apartness, divided, item_weights, money, novelty
from warehouse.run import Run

ROUNDS = 8
TASK_RUNS = 224  # of judging, in all rounds: Prefect keeps the records of about 200 in a flow
JUDGING = 7  # task runs that judge one recipe once
DESIGN = "steered"  # decides the order of cells that editions share

logger = logging.getLogger("seedloom.steer")


class Grown(NamedTuple):
    """How far a recipe has grown: trees, and cells of its grid that they took."""

    trees: int = 0
    cells: int = 0


class Plan(NamedTuple):
    """The trees of one round of one recipe."""

    shards: list[Shard]
    draws: Draws | None
    grown: Grown  # after this round


@task(name="steer", cache_policy=NO_CACHE)
def steer(
    run: Run,
    how: str,
    number: int,
    planned: dict[str, int],
    grown: dict[str, Grown],
    known: list[Partition],
    fresh: list[Partition],
    vectors: list[Partition],
    among: str,
) -> dict[str, Plan]:
    """The plans of round `number` by recipe.

    Args:
        run: the run that grows.
        how: coverage or diversity.
        number: of the round, from 0 to rounds_for(recipes) - 1.
        planned: trees of each recipe as designed.
        grown: how far each has grown.
        known: all parts made so far, with the verdicts of all filters.
        fresh: those of them that the last round made.
        vectors: embeddings of the kept samples; for diversity, from round 1 on.
        among: SQL condition on the earlier samples that count.
    """
    far = {name: Grown(*grown[name]) for name in planned}
    seen = _Seen(rows_of(run, known, "sample"), clean(run, known))
    stops = {name: due(total, number, rounds_for(len(planned))) for name, total in planned.items()}
    if how == "coverage":
        return {name: _covering(run, name, far[name], stops[name], seen, among) for name in planned}
    if not number:
        return {name: _plan(far[name], stops[name], None) for name in planned}
    texts = _texts(run, vectors)
    spent = _spent(run, known, fresh)
    stops |= _afforded(run, number, planned, far, spent, _worths(run, fresh, texts, spent))
    apart = apartness(texts)
    return {name: _worthy(run, name, far[name], stops[name], seen, apart) for name in planned}


def rounds_for(n_recipes: int) -> int:
    """Rounds of a run of so many recipes: fewer of many, whose judging is many task runs."""
    return max(2, min(ROUNDS, TASK_RUNS // (JUDGING * n_recipes)))


def due(total: int, number: int, rounds: int = ROUNDS) -> int:
    """Trees after round `number` of a recipe that grows as designed."""
    return total * (number + 1) // rounds


class _Seen(NamedTuple):
    """What was made so far."""

    samples: pl.DataFrame
    kept: pl.DataFrame  # those that no filter dropped


class _Spent(NamedTuple):
    """What the trees of each recipe cost, without the pool that they grow from."""

    all: dict[str, float]
    fresh: dict[str, float]  # in the last round


def _plan(grown: Grown, stop: int, draws: Draws | None) -> Plan:
    start = grown.trees
    shards = [Shard(i, min(i + SHARD, stop)) for i in range(start, stop, SHARD)]
    n_fresh = stop - start - (len(draws.again) if draws else 0)
    return Plan(shards, draws, Grown(stop, grown.cells + n_fresh))


def _covering(run: Run, name: str, grown: Grown, stop: int, seen: _Seen, among: str) -> Plan:
    """The designed trees of a recipe, of which some ask again; the rest goes on in the grid."""
    recipe = recipe_of(run, name)
    n = stop - grown.trees
    if is_rooted(recipe) or n < 1:
        return _plan(grown, stop, None)
    before, trees = earlier(run, name, among), trees_of(recipe, seen.samples, seen.kept)
    asked = again(recipe, [*before.trees, *trees], n // 2)
    weights = short(recipe, trees, asked, n - len(asked))
    logger.info(
        "coverage: %s: trees %d to %d, %d of them ask again for what no kept text holds; weights: %s",
        name, grown.trees, stop, len(asked), weights or "none, no choice is short",
    )  # fmt: skip
    design = "" if among in ("", "false") else DESIGN
    return _plan(grown, stop, Draws(grown.trees, asked, before.cells + grown.cells, weights, design))


def _worthy(run: Run, name: str, grown: Grown, stop: int, seen: _Seen, apart: dict[str, float]) -> Plan:
    """The trees that a recipe can pay, with more of the items whose texts lie further apart."""
    recipe = recipe_of(run, name)
    chosen = any(choices_of(slot) for slot in recipe.slots.values())
    if is_rooted(recipe) or stop <= grown.trees or not chosen:
        return _plan(grown, stop, None)
    weights = item_weights(recipe, trees_of(recipe, seen.samples, seen.kept), apart)
    if not weights:
        return _plan(grown, stop, None)
    logger.info("diversity: %s: trees %d to %d, weights: %s", name, grown.trees, stop, weights)
    return _plan(grown, stop, Draws(grown.trees, [], grown.cells, weights))


def _afforded(
    run: Run,
    number: int,
    planned: dict[str, int],
    grown: dict[str, Grown],
    spent: _Spent,
    worth: dict[str, float],
) -> dict[str, int]:
    """How far recipes grow in this round, by what a dollar brought in each.

    When it is over the trees shall have cost (number + 1) / rounds of what the planned ones cost; a tree that
    is not paid in full waits. Recipes that cost nothing, or of which no tree has grown, are left out.
    """
    costs = {name: cost / grown[name].trees for name, cost in spent.all.items() if cost > 0}
    if len(costs) < 2:
        return {}
    whole = sum(planned[name] * cost for name, cost in costs.items())
    amount = max(0.0, whole * (number + 1) / rounds_for(len(planned)) - sum(spent.all.values()))
    designed = {name: planned[name] * cost / whole for name, cost in costs.items()}
    rooted = [name for name in costs if is_rooted(recipe_of(run, name))]
    limits = {name: (planned[name] - grown[name].trees) * costs[name] for name in rooted}
    shares = divided(amount, designed, {name: worth[name] for name in costs if name in worth}, limits)
    stops = {name: grown[name].trees + int(shares[name] / cost + 1e-9) for name, cost in costs.items()}
    for name in costs:
        logger.info(
            "diversity: %s: trees %d to %d, %.1f %% of the money, %.1f %% as designed; novelty of the last "
            "round for its money: %.3g",
            name, grown[name].trees, stops[name], 100 * shares[name] / (amount or 1.0), 100 * designed[name],
            worth.get(name, math.nan),
        )  # fmt: skip
    return stops


def _worths(run: Run, fresh: list[Partition], texts: Texts, spent: _Spent) -> dict[str, float]:
    """Novelty that a unit of money brought in the last round, by recipe."""
    recipes = dict(rows_of(run, fresh, "sample").select("sample_id", "recipe").rows())
    new = np.array([each in recipes for each in texts.ids], dtype=bool)
    found = novelty(texts.at(np.flatnonzero(new)), texts.at(np.flatnonzero(~new)))
    total = dict.fromkeys(spent.fresh, 0.0)
    for sample_id, value in sorted(found.items()):
        total[recipes[sample_id]] += value * new.sum() / len(found)
    return {name: total[name] / cost for name, cost in spent.fresh.items() if cost > 0}


def _texts(run: Run, vectors: list[Partition]) -> Texts:
    """The kept final samples that have a vector, by id."""
    rows = rows_of(run, vectors, "embedding").sort("sample_id")
    n = rows.height
    return Texts(rows["sample_id"].to_list(), rows["vector"].explode().to_numpy().reshape(n, -1 if n else 1))


def _spent(run: Run, known: list[Partition], fresh: list[Partition]) -> _Spent:
    costs = money(rows_of(run, known, "call"))
    pools = {name: bootstrap_level(recipe_of(run, name)) for name in costs["recipe"].unique()}
    for name, level in pools.items():
        if level is not None:
            costs = costs.filter((pl.col("recipe") != name) | (pl.col("level") != level.name))
    new = rows_of(run, fresh, "call").select("request_id").unique()
    return _Spent(_by_recipe(costs), _by_recipe(costs.join(new, on="request_id", how="semi")))


def _by_recipe(costs: pl.DataFrame) -> dict[str, float]:
    """Summed in the order of requests, so that no rounding depends on the order of parts."""
    ordered = costs.sort("recipe", "request_id", "level").group_by("recipe", maintain_order=True)
    return dict(ordered.agg(pl.col("money").sum()).rows())
