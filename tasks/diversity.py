"""The statistics of a run as rows of `metric`, and what they are made from, as rows of `moment` and `tally`.

Over the final samples that no filter dropped (docs/statistics.md), at these scopes:

    run, recipe   the run, and each of its recipes; the funnel and the money among them
    lineage       each recipe with all that earlier runs keep of it (tasks/lineage.py), and all together
    stage, slot, label   of each recipe: <recipe>/<filter or level>, <recipe>/<slot>, <recipe>/<label>

Texts and vectors are read part by part and forgotten (tasks/run_state.py). Novelty and drift are taken
against a hash sample of what earlier runs made by the same recipes with the same encoder.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from tasks import funnel, lineage, measurement, moments, tallies
from tasks.design import Design, design_of, together
from tasks.measurement import Row
from tasks.recipe import recipe_or_none
from tasks.run_state import states_of
from tasks.state import State, joined
from warehouse.parts import polars_schema
from warehouse.run import Run

TABLES = ("sample", "verdict", "embedding", "call")


class Question(NamedTuple):
    """What the rows of one scope are asked with."""

    scope: str
    scope_id: str
    recipes: list[str]
    asked: int | None = None


@task(name="diversity", cache_policy=NO_CACHE)
def diversity(
    run: Run,
    samples: list[Partition],
    verdicts: list[Partition],
    embeddings: list[Partition],
    among: str = "true",
    asked: dict[str, int] | None = None,
) -> list[Partition]:
    """Measure the run, each of its recipes, and each recipe with what came before.

    Args:
        run: the run.
        samples: parts of `sample`, all levels; parts of `call` among them give the costs.
        verdicts: parts of `verdict`, all filters.
        embeddings: parts of `embedding`; none leaves out what needs vectors.
        among: SQL condition on `sample`: which earlier samples count as "before".
        asked: final samples asked for, by recipe.
    """
    parts = {part.path: part for part in (*samples, *verdicts, *embeddings) if part.table in TABLES}
    ordered = [parts[path] for path in sorted(parts)]  # sums of float64 know their order
    settings = {"among": among, "asked": asked, "edition": tallies.EDITION}
    return run.once("diversity", ordered, settings, lambda: made(run, ordered, among, asked or {}))


def made(run: Run, parts: list[Partition], among: str, asked: dict[str, int]) -> dict[str, pl.DataFrame]:
    """Rows of `metric`, `moment` and `tally` for these parts of the run.

    Raises:
        BadInput: when the vectors come from two encoders: they cannot be compared.
    """
    states, encoder = states_of(run, parts)
    designs = {recipe: design_of(recipe_or_none(run, recipe)) for recipe in states}
    rows = [*_scoped(run, states, designs, encoder, among, asked)]
    rows += _lineages(run, states, designs, encoder, among)
    stored = [moments.to_row(run.run_id, name, encoder, s.sums) for name, s in states.items() if s.sums]
    counts = [tallies.to_rows(run.run_id, name, state.counts) for name, state in states.items()]
    return {
        "metric": pl.concat([pl.DataFrame(schema=polars_schema("metric")), *rows]),
        "moment": pl.concat([pl.DataFrame(schema=polars_schema("moment")), *stored]),
        "tally": pl.concat([pl.DataFrame(schema=polars_schema("tally")), *counts]),
    }


def _scoped(
    run: Run,
    states: dict[str, State],
    designs: dict[str, Design],
    encoder: str | None,
    among: str,
    asked: dict[str, int],
) -> Iterator[pl.DataFrame]:
    """The rows of the run, its recipes, their stages, slots and labels."""
    of_recipe = {
        name: _measured(
            run, state, designs[name], encoder, among, Question("recipe", name, [name], asked.get(name))
        )
        for name, state in states.items()
    }
    yield from of_recipe.values()
    for name, state in states.items():
        yield from _inside(run, name, state)
    whole = Question("run", run.run_id, list(states), _sum(asked, list(states)))
    if len(states) == 1:
        yield _labelled(next(iter(of_recipe.values())), whole)
    else:
        joint = together([designs[name] for name in states]) if states else Design()
        yield _measured(run, joined(list(states.values())), joint, encoder, among, whole)


def _measured(
    run: Run, state: State, design: Design, encoder: str | None, among: str, question: Question
) -> pl.DataFrame:
    earlier = (
        lineage.sample_of(run, question.recipes, encoder, among) if encoder and question.recipes else None
    )
    rows = [*measurement.measured(state, design, encoder or "", earlier)]
    rows += [Row(name, each) for name, each in funnel.estimates(state.counts, question.asked).items()]
    return _table(run, question, rows)


def _inside(run: Run, recipe: str, state: State) -> Iterator[pl.DataFrame]:
    """The rows of the stages, slots and labels of one recipe."""
    for name, estimates in funnel.stages(state.counts).items():
        rows = [Row(metric, each) for metric, each in estimates.items()]
        yield _table(run, Question("stage", f"{recipe}/{name}", [recipe]), rows)
    for name, estimate in tallies.slot_estimates(state.counts).items():
        yield _table(run, Question("slot", f"{recipe}/{name}", [recipe]), [Row("slot_hit_rate", estimate)])
    for name, row in measurement.labels(state):
        yield _table(run, Question("label", f"{recipe}/{name}", [recipe]), [row])


def _lineages(
    run: Run, states: dict[str, State], designs: dict[str, Design], encoder: str | None, among: str
) -> Iterator[pl.DataFrame]:
    """The rows of each recipe with what came before, and of all together; none where nothing came before."""
    before = {name: lineage.earlier(run, name, encoder, among, designs[name]) for name in states}
    if all(state is None for state in before.values()):
        return
    grown = {name: joined([s for s in (before[name], states[name]) if s is not None]) for name in states}
    for name, state in grown.items():
        yield _lineage(run, state, designs[name], encoder, Question("lineage", name, [name]))
    if len(grown) > 1:
        together_id = "+".join(grown)
        joint = together([designs[name] for name in grown])
        question = Question("lineage", together_id, list(grown))
        yield _lineage(run, joined(list(grown.values())), joint, encoder, question)


def _lineage(run: Run, state: State, design: Design, encoder: str | None, question: Question) -> pl.DataFrame:
    rows = [*measurement.measured(state, design, encoder or "")]
    rows += [Row(name, each) for name, each in funnel.estimates(state.counts).items()]
    return _table(run, question, rows)


def _table(run: Run, question: Question, rows: list[Row]) -> pl.DataFrame:
    found = measurement.frame(rows).with_columns(
        run_id=pl.lit(run.run_id), scope=pl.lit(""), scope_id=pl.lit("")
    )
    return _labelled(found, question).select(list(polars_schema("metric")))


def _labelled(rows: pl.DataFrame, question: Question) -> pl.DataFrame:
    """The rows under another scope; only what was asked for may differ, and it is the same of one recipe."""
    return rows.with_columns(scope=pl.lit(question.scope), scope_id=pl.lit(question.scope_id))


def _sum(asked: dict[str, Any], recipes: list[str]) -> int | None:
    known = [asked[recipe] for recipe in recipes if recipe in asked]
    return sum(known) if known else None
