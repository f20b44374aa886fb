"""Which prompts a level asks: those of each root or parent that no filter dropped, and what they see."""

import json
import random
from typing import Any, NamedTuple

import polars as pl

from schemas.errors import BadInput
from schemas.ids import seed_for
from schemas.partition import Partition
from schemas.recipe import Level, Recipe
from tasks.growth import PLACES, Prompt
from tasks.heads import heads
from tasks.makers import Given
from tasks.pool import clean, root_level, rows_of
from tasks.rendering import render
from tasks.slots import Weights, draw
from warehouse.run import Run

ROUND = 100_000_000  # places kept free for the prompts of one round of an evolution


class Draws(NamedTuple):
    """How the slots of steered trees are drawn."""

    start: int  # first tree that it holds for
    again: list[dict[str, Any]]  # slots that are asked once more, by the first of these trees
    cell: int  # cell of the grid that the next one takes
    weights: Weights
    design: str = ""  # decides the order of the cells in place of the edition, when it is given


class Grove(NamedTuple):
    """The trees of one shard, as far as they have grown."""

    recipe: Recipe
    shard: tuple[int, int]
    parts: list[Partition]
    fresh: list[Partition]  # what grew in this round of an evolution
    number: int  # of this round
    draws: Draws | None = None


def prompts_of(run: Run, grove: Grove, level: Level) -> list[Prompt]:
    """The prompts of one level over the trees of a shard."""
    if level.parent is None:
        return [_root(run, grove, level, i, k) for i in range(*grove.shard) for k in range(level.children)]
    kept = clean(run, grove.parts)
    above = _parents(run, grove, level, kept)
    gathered = {name: _by_parent(kept, name) for name in level.gather}
    examples = _examples(run, grove, level, kept)
    return [
        prompt
        for parent in above.iter_rows(named=True)
        for prompt in _children(run, grove, level, parent, gathered, examples)
    ]


def _parents(run: Run, grove: Grove, level: Level, kept: pl.DataFrame) -> pl.DataFrame:
    root = root_level(grove.recipe)
    parents = kept.filter(pl.col("level") == level.parent).sort("ordinal")
    if root is not None and root == level.parent:
        start, stop = grove.shard
        of_source = grove.recipe.source is not None
        here = pl.col("ordinal").is_between(start, stop, closed="left")
        parents = parents.filter(here) if of_source else parents.slice(start, stop - start)
    if grove.recipe.evolution is None:
        return parents
    if level.parent == root:
        return heads(parents, kept, grove.recipe)
    return parents.join(rows_of(run, grove.fresh, "sample"), on="sample_id", how="semi")


def _by_parent(kept: pl.DataFrame, level: str) -> dict[str, list[dict[str, Any]]]:
    rows = kept.filter(pl.col("level") == level).sort("ordinal").to_dicts()
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["parent_id"], []).append({**row, "slots": json.loads(row["slots"])})
    return groups


def _examples(run: Run, grove: Grove, level: Level, kept: pl.DataFrame) -> list[dict[str, Any]]:
    """What the judging level scored best, as a prompt shows it."""
    if level.examples is None:
        return []
    judging = next(each for each in grove.recipe.levels if each.name == level.examples.judged_by)
    verdicts = rows_of(run, grove.parts, "verdict")
    best = verdicts.filter(
        pl.col("filter") == judging.judge.filter, pl.col("score") >= level.examples.at_least
    )
    chosen = kept.join(best, on="sample_id", how="semi").sort("ordinal")
    return chosen.select("sample_id", "text", "instruction", "input", "output").to_dicts()


def _root(run: Run, grove: Grove, level: Level, index: int, child: int) -> Prompt:
    recipe = grove.recipe
    slots = _drawn(recipe, run.edition, index, grove.draws)
    values, place = {**slots, "child": child}, index * level.children + child
    seed = seed_for(recipe.name, run.edition, level.name, place)
    if level.make is not None:
        given = Given({}, {}, values, level.options, seed)
        return Prompt("", None, values, slots, None, None, place * PLACES, seed, given)
    return Prompt(
        render(level.prompt, values), _system(level, values), values, slots, None, None, place * PLACES, seed
    )


def _drawn(recipe: Recipe, edition: str, index: int, draws: Draws | None) -> dict[str, Any]:
    if draws is None:
        return draw(recipe, edition, index)
    number = index - draws.start
    if number < len(draws.again):
        return draws.again[number]
    cell = draws.cell + number - len(draws.again)
    return draw(recipe, edition, index, cell=cell, weights=draws.weights, design=draws.design)


def _children(
    run: Run,
    grove: Grove,
    level: Level,
    parent: dict[str, Any],
    gathered: dict[str, dict[str, list[dict[str, Any]]]],
    examples: list[dict[str, Any]],
) -> list[Prompt]:
    recipe = grove.recipe
    beside = {name: groups.get(parent["sample_id"], []) for name, groups in gathered.items()}
    slots = {**_inherited(run, grove, parent), parent["level"]: parent["text"]}
    base = ROUND * grove.number if parent["level"] == root_level(recipe) else 0
    first = base + parent["ordinal"] * level.children
    prompts = []
    for child in range(level.children):
        seed = seed_for(recipe.name, run.edition, level.name, first + child)
        values = {**slots, "child": child, **_lists(beside, level, child)}
        if level.examples is not None:
            values["examples"] = _shown(examples, level.examples.n, parent["sample_id"], seed)
        about = (slots, parent["sample_id"], parent["root_id"], (first + child) * PLACES, seed)
        if level.make is not None:
            told = {**parent, "slots": json.loads(parent["slots"])}
            given = Given(told, beside, values, level.options, seed)
            prompts.append(Prompt("", None, values, *about, given, parent["licence"]))
            continue
        try:
            text, system = render(level.prompt, values), _system(level, values)
        except BadInput as error:  # one odd row of somebody's file must not end the run
            return [Prompt("", None, values, *about, None, parent["licence"], str(error))]
        if text:  # a template that says nothing asks nothing: there is too little to judge, for example
            prompts.append(Prompt(text, system, values, *about, None, parent["licence"]))
    return prompts


def _shown(examples: list[dict[str, Any]], n: int, but: str, seed: int) -> list[dict[str, Any]]:
    """Some examples, drawn from all but the one that is asked about."""
    others = [each for each in examples if each["sample_id"] != but]
    return random.Random(seed).sample(others, min(n, len(others)))


def _inherited(run: Run, grove: Grove, parent: dict[str, Any]) -> dict[str, Any]:
    """The slots of a parent; those of a row of a source are drawn now, for every round anew."""
    source = grove.recipe.source
    known = json.loads(parent["slots"])
    if source is None or parent["level"] != source.level:
        return known
    index = ROUND * grove.number + parent["ordinal"]
    return {**known, **draw(grove.recipe, run.edition, index, known)}


def _lists(beside: dict[str, list[dict[str, Any]]], level: Level, child: int) -> dict[str, list[str]]:
    """Gathered texts by level; every other child sees them reversed when the level swaps."""
    step = -1 if level.options.get("swap") and child % 2 else 1
    return {name: [row["text"] for row in rows][::step] for name, rows in beside.items()}


def _system(level: Level, values: dict[str, Any]) -> str | None:
    return (render(level.system, values) or None) if level.system is not None else None
