"""Before a run: what it will take. After it: how far off that was.

A few trees of each recipe are really grown, through the journal, so that nothing of the probe is paid twice;
`tasks/forecast.py` says what the whole will take. The estimate waits in the folder of the run and becomes
rows of `metric` when the run is committed; the mart `estimate` sets it beside what the calls took.
"""

import json
import logging
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from schemas.recipe import Recipe
from schemas.settings import Settings
from tasks.bootstrap import MAX_ROUNDS, n_prompts
from tasks.expand import trees_for
from tasks.forecast import QUANTITIES, Units, hours_of, plus, prompts_needed, total_of
from tasks.intervals import Estimate
from tasks.pool import accepted, bootstrap_level
from tasks.recipe import recipe_of
from warehouse.files import write_durably
from warehouse.parts import polars_schema
from warehouse.run import Run

logger = logging.getLogger("seedloom.estimate")

VERSION = "1"
TOLD = ("requests", "prompt_tokens", "completion_tokens", "cost_usd", "hours")


@task(name="estimate", cache_policy=NO_CACHE)
def estimate(run: Run, probes: dict[str, list[Partition]], count: int, settings: Settings) -> str:
    """Write the estimate of a run from its probes, and say it; the probes themselves are forgotten."""
    rows: list[dict[str, Any]] = []
    whole: dict[str, Estimate] | None = None
    steps = 0
    for recipe, parts in probes.items():
        totals, more = forecast(run, recipe_of(run, recipe), parts, count)
        rows += _rows("recipe", recipe, {**totals, "hours": hours_of(totals, settings.llm, more)})
        whole = totals if whole is None else plus(whole, totals)
        steps += more
    if whole is not None:
        rows += _rows("run", run.run_id, {**whole, "hours": hours_of(whole, settings.llm, steps)})
    write_durably(_place(run), json.dumps(rows).encode())
    run.forget([part for parts in probes.values() for part in parts])
    text = "\n".join(told(row) for row in rows if row["scope"] == "run")
    _publish(run, rows)
    return text


@task(name="account", cache_policy=NO_CACHE)
def account(run: Run, made: list[Partition], settings: Settings) -> list[Partition]:
    """Rows of `metric` for the estimate that the run began with, if it did; says how far off it was."""
    if not _place(run).exists():
        return []
    rows = json.loads(_place(run).read_bytes())
    calls = _read(run, made, "call")
    took = taken(calls, settings, sum(part.table == "call" for part in made))
    for row in rows:
        if row["scope"] == "run":
            logger.info("%s", compared(row, took[row["quantity"]]))
    hours = {"scope": "run", "scope_id": run.run_id, "quantity": "hours", "value": took["hours"]}
    metrics = [_metric(run, row, "estimated_") for row in rows]
    metrics.append(_metric(run, {**hours, "n": calls.height, "low": None, "high": None}, ""))
    frame = pl.DataFrame(metrics, schema=polars_schema("metric"))
    return run.once("account", made, {"rows": rows}, lambda: {"metric": frame})


def forecast(run: Run, recipe: Recipe, parts: list[Partition], count: int) -> tuple[dict[str, Estimate], int]:
    """Totals of a recipe for `count` final samples, and how many times it must wait for all replies."""
    calls, samples = _read(run, parts, "call"), _read(run, parts, "sample")
    steps = len(recipe.levels)
    rooted = bootstrap_level(recipe)
    if rooted is None:
        return total_of(units_of(calls, samples), _n_trees(recipe, samples, count)), steps
    asked = calls.filter(pl.col("level") == rooted.name)
    yields = accepted(run, recipe.name, parts).group_by("request_id").len()
    per_prompt = asked.join(yields, on="request_id", how="left")["len"].fill_null(0).to_list()
    asking = partial(n_prompts, yields=rooted.bootstrap.yields)
    prompts, rounds = prompts_needed(count, per_prompt, asking, MAX_ROUNDS)
    pool = total_of(Units(_values(asked)), prompts.value or 0)
    if recipe.levels == [rooted]:
        return _widened(pool, prompts), steps + rounds
    trees = total_of(units_of(calls.filter(pl.col("level") != rooted.name), samples), count)
    return plus(_widened(pool, prompts), trees), steps + rounds


def _n_trees(recipe: Recipe, samples: pl.DataFrame, count: int) -> int:
    """Trees that will be grown: as many as `count` takes, or as the source has rows, which are all read."""
    if recipe.source is None:
        return trees_for(recipe, count)
    return samples.filter(pl.col("level") == recipe.source.level).height


def units_of(calls: pl.DataFrame, samples: pl.DataFrame) -> Units:
    """What each tree took; a call that gave no sample is a unit of its own."""
    roots = (
        samples.filter(pl.col("request_id").is_not_null())
        .select("request_id", "root_id")
        .unique("request_id")
    )
    known = calls.join(roots, on="request_id", how="left").with_columns(
        pl.coalesce("root_id", "request_id").alias("unit")
    )
    groups = known.partition_by("unit", maintain_order=True)
    return Units(np.array([_values(group).sum(axis=0) for group in groups]).reshape(-1, len(QUANTITIES)))


def taken(calls: pl.DataFrame, settings: Settings, steps: int) -> dict[str, float | None]:
    """What the calls of a run took, in so many steps, by the names of an estimate."""
    values = _values(calls).sum(axis=0)
    sums = {
        name: None if math.isnan(value) else float(value)
        for name, value in zip(QUANTITIES, values, strict=True)
    }
    one = {name: Estimate(value, 1, value, value) for name, value in sums.items()}
    return {**sums, "hours": hours_of(one, settings.llm, steps).value}


def told(row: dict[str, Any]) -> str:
    """One line: a quantity and its interval."""
    if row["value"] is None:
        return f"{row['quantity']}: unknown"
    return f"{row['quantity']}: {row['value']:.6g} (95%: {row['low']:.6g} to {row['high']:.6g})"


def compared(row: dict[str, Any], value: float | None) -> str:
    """One line: what was said, what it was, and how far off that is."""
    if row["value"] is None or value is None:
        return f"estimate: {told(row)}; it took {value if value is not None else 'an unknown amount'}"
    off = f", {value / row['value'] - 1:+.1%}" if row["value"] else ""
    return f"estimate: {told(row)}; it took {value:.6g}{off}"


def _rows(scope: str, scope_id: str, totals: dict[str, Estimate]) -> list[dict[str, Any]]:
    return [
        {"scope": scope, "scope_id": scope_id, "quantity": name, **totals[name]._asdict()} for name in TOLD
    ]


def _metric(run: Run, row: dict[str, Any], prefix: str) -> dict[str, Any]:
    about = {key: row[key] for key in ("scope", "scope_id", "value", "n", "low", "high")}
    return {**about, "metric": f"{prefix}{row['quantity']}", "run_id": run.run_id, "version": VERSION}


def _widened(totals: dict[str, Estimate], prompts: Estimate) -> dict[str, Estimate]:
    """Totals for a number of prompts that is not certain either."""
    low, high = ((end or 0.0) / (prompts.value or 1.0) for end in (prompts.low, prompts.high))
    return {
        name: e
        if e.value is None
        else Estimate(e.value, e.n, (e.low or 0.0) * low, (e.high or e.value) * high)
        for name, e in totals.items()
    }


def _values(calls: pl.DataFrame) -> np.ndarray:
    """Rows of QUANTITIES, one a call. Tokens that nobody counted are 0; a reply without price makes NaN."""
    price_unknown = pl.col("cost_usd").is_null() & pl.col("reply").is_not_null()
    cost = pl.when(price_unknown).then(float("nan")).otherwise(pl.col("cost_usd").fill_null(0.0))
    tokens = [pl.col(f"n_{name}").fill_null(0).cast(pl.Float64) for name in QUANTITIES[1:3]]
    one = pl.col("request_id").is_not_null().cast(pl.Float64)
    return calls.select(one, *tokens, cost.alias("cost"), pl.col("latency_s")).to_numpy()


def _read(run: Run, parts: list[Partition], table: str) -> pl.DataFrame:
    frames = [run.read(part) for part in parts if part.table == table]
    return pl.concat(frames) if frames else pl.DataFrame(schema=polars_schema(table))


def _place(run: Run) -> Path:
    return run.folder / "estimate.json"


def _publish(run: Run, rows: list[dict[str, Any]]) -> None:
    from prefect.artifacts import create_table_artifact

    create_table_artifact(rows, key=f"estimate-{run.run_id[:12]}", description=f"What {run.name} will take")
