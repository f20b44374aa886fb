"""The parts of one run as the state of each of its recipes (tasks/state.py), in bounded memory.

Two passes: ids, trees and drops first, then the texts, vectors and scores of what is kept, part by part and
slab by slab. Held are the ids of the samples, the dropped verdicts, one part, and the hash samples.
"""

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from schemas.errors import BadInput
from schemas.partition import Partition
from tasks import funnel, lineage, tallies
from tasks.design import design_of
from tasks.recipe import recipe_or_none
from tasks.state import State, joined, nothing, of_texts
from tasks.survivors import survivors
from warehouse.parts import polars_schema
from warehouse.run import Run

TREE = ["sample_id", "parent_id", "recipe", "final"]
TEXTS = ["sample_id", "recipe", "text", "instruction", "output", "slots", "language"]
SLAB = 20_000  # rows of a part at once
WAITING = 8  # states that wait to be joined


class Kept(NamedTuple):
    """Which samples the statistics are of."""

    samples: pl.DataFrame  # TREE and label, of every level
    verdicts: pl.DataFrame  # sample_id, filter, keep: all drops, and of each filter some that it kept
    ids: pl.DataFrame  # sample_id, recipe of the kept final ones


def states_of(run: Run, parts: list[Partition]) -> tuple[dict[str, State], str | None]:
    """The state of each recipe by name, and the encoder of the vectors; None without vectors.

    Raises:
        BadInput: when the vectors come from two encoders: they cannot be compared.
    """
    encoder = encoder_of(run, parts)
    kept = kept_of(run, parts)
    names = kept.samples["recipe"].unique().sort().to_list()
    waiting = {name: [_funnel(run, parts, kept, name)] for name in names}
    for part in parts:
        for name, state in _of_part(run, part, kept, encoder):
            waiting[name].append(state)
            if len(waiting[name]) > WAITING:
                waiting[name] = [joined(waiting[name])]
    return {name: joined(states) for name, states in waiting.items()}, encoder


def kept_of(run: Run, parts: list[Partition]) -> Kept:
    """Ids, trees and drops; no text is read, and of slots only the label is held."""
    trees = [
        rows.select(*TREE, label=tallies.label_of(rows["slots"]))
        for rows in _rows(run, parts, "sample", [*TREE, "slots"])
    ]
    schema = polars_schema("sample")
    empty = pl.DataFrame(schema={**{name: schema[name] for name in TREE}, "label": pl.String})
    samples = pl.concat([empty, *trees])
    verdicts = _telling(run, parts, samples)
    return Kept(samples, verdicts, survivors(samples, verdicts).select("sample_id", "recipe"))


def encoder_of(run: Run, parts: list[Partition]) -> str | None:
    """The one encoder of the vectors; None without vectors.

    Raises:
        BadInput: when there are several.
    """
    rows = _rows(run, parts, "embedding", ["encoder"])
    found = sorted({name for each in rows for name in each["encoder"].unique()})
    if len(found) > 1:
        raise BadInput(f"embeddings of run {run.run_id} come from {len(found)} encoders: {found}")
    return found[0] if found else None


def _telling(run: Run, parts: list[Partition], samples: pl.DataFrame) -> pl.DataFrame:
    """Verdicts that drop, and of each part the first of every filter and recipe: who judged at all."""
    columns = ["sample_id", "filter", "keep"]
    schema = polars_schema("verdict")
    found = [pl.DataFrame(schema={name: schema[name] for name in columns})]
    for rows in _rows(run, parts, "verdict", columns):
        of_recipe = rows.join(samples.select("sample_id", "recipe"), on="sample_id", how="left")
        first = pl.struct("filter", "recipe").is_first_distinct()
        found.append(of_recipe.filter(~pl.col("keep") | first).select(columns))
    return pl.concat(found)


def _funnel(run: Run, parts: list[Partition], kept: Kept, recipe: str) -> State:
    counts = funnel.counted(kept.samples.filter(pl.col("recipe") == recipe), kept.verdicts)
    for calls in _rows(run, parts, "call", ["recipe", "level", "cost_usd", "reply"]):
        counts.update(funnel.costs(calls.filter(pl.col("recipe") == recipe)))
    return nothing()._replace(counts=counts)


def _of_part(run: Run, part: Partition, kept: Kept, encoder: str | None) -> Iterator[tuple[str, State]]:
    """States of the kept rows of one part, by recipe."""
    if part.table == "sample":
        ids = kept.ids.select("sample_id")
        for recipe, rows in _by_recipe(run.read(part, TEXTS).join(ids, on="sample_id", how="semi")):
            yield recipe, of_texts(rows, design_of(recipe_or_none(run, recipe)))
    elif part.table == "embedding" and encoder is not None:
        read = run.read(part, ["sample_id", "truncated", "vector"])
        for recipe, rows in _by_recipe(read.join(kept.ids, on="sample_id")):
            yield recipe, lineage.of_embeddings(rows, encoder)
    elif part.table == "verdict":
        read = run.read(part, ["sample_id", "filter", "score"]).filter(pl.col("filter") == "quality")
        for recipe, rows in _by_recipe(read.join(kept.ids, on="sample_id")):
            yield recipe, nothing()._replace(counts=funnel.scores(rows))


def _by_recipe(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (recipe,), group in rows.sort("sample_id").group_by("recipe", maintain_order=True):
        yield from ((recipe, slab) for slab in group.iter_slices(SLAB))


def _rows(run: Run, parts: list[Partition], table: str, columns: list[str]) -> Iterator[pl.DataFrame]:
    return (run.read(part, columns) for part in parts if part.table == table)
