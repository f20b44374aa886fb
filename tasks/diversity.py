"""The statistics of a run as rows of `metric`, for the whole run and for each of its recipes, and its funnel.

Computed over the final samples that no filter dropped (tasks/measurement.py, docs/statistics.md). Novelty and
drift are taken against a hash sample of what earlier runs made by the same recipes with the same encoder.
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import BadInput
from schemas.partition import Partition
from tasks.funnel import funnel, keep_rate_gap
from tasks.intervals import Estimate
from tasks.measurement import M_COSINE, VERSION, Design, design_of, measure
from tasks.recipe import recipe_or_none
from tasks.survivors import survivors
from warehouse.parts import polars_schema
from warehouse.run import Run

COLUMNS = [
    *("sample_id", "parent_id", "recipe", "final"),
    *("text", "instruction", "output", "slots", "language"),
]


class Read(NamedTuple):
    """What the statistics of a run are made from."""

    samples: pl.DataFrame  # COLUMNS, of every level
    verdicts: pl.DataFrame  # sample_id, filter, keep
    kept: pl.DataFrame  # COLUMNS and truncated, vector (null without embedding), sorted by id
    encoder: str | None


class Scope(NamedTuple):
    """What one row of `metric` is about."""

    name: str  # run or recipe
    id: str
    recipes: list[str]


def measure_scope(run: Run, data: Read, scope: Scope, among: str, asked: int | None) -> pl.DataFrame:
    """The rows of one scope: its statistics and its funnel, columns of `metric`."""
    kept = data.kept.filter(pl.col("recipe").is_in(scope.recipes))
    vectors = to_matrix(kept["vector"]) if data.encoder else None
    earlier = _earlier(run, scope.recipes, data.encoder, among) if data.encoder else None
    rows = measure(kept.drop("vector"), vectors, data.encoder, _design(run, scope.recipes), earlier)
    samples = data.samples.filter(pl.col("recipe").is_in(scope.recipes))
    counts = funnel_rows(samples, data.verdicts, asked)
    return pl.concat([rows, counts.cast(rows.schema)]).select(
        pl.lit(run.run_id).alias("run_id"),
        pl.lit(scope.name).alias("scope"),
        pl.lit(scope.id).alias("scope_id"),
        pl.all(),
    )


def funnel_rows(samples: pl.DataFrame, verdicts: pl.DataFrame, asked: int | None) -> pl.DataFrame:
    """The funnel of one scope and the keep-rate gap between its labels, columns of `measure`."""
    estimates = funnel(samples, verdicts, asked)
    gap = keep_rate_gap(samples, verdicts)
    if gap is not None:
        estimates["keep_rate_gap"] = Estimate(gap, samples["final"].sum())
    rows = [
        {"metric": name, **estimate._asdict(), "version": VERSION, "encoder": None}
        for name, estimate in estimates.items()
    ]
    names = ["metric", "value", "n", "low", "high", "version", "encoder"]
    schema = polars_schema("metric")
    return pl.DataFrame(rows, schema={name: schema[name] for name in names})


def to_matrix(vectors: pl.Series) -> np.ndarray:
    """A column of lists as (n, d) float32; a null becomes a row of NaN."""
    d = int(vectors.list.len().max() or 1)
    filled = np.full((len(vectors), d), np.nan, dtype=np.float32)
    known = vectors.is_not_null().to_numpy()
    if known.any():
        filled[known] = vectors.drop_nulls().list.to_array(d).to_numpy()
    return filled


@task(name="diversity", cache_policy=NO_CACHE)
def diversity(
    run: Run,
    samples: list[Partition],
    verdicts: list[Partition],
    embeddings: list[Partition],
    among: str = "true",
    asked: dict[str, int] | None = None,
) -> list[Partition]:
    """Measure the run and each of its recipes.

    Args:
        run: the run.
        samples: parts of `sample`, all levels; parts of other tables are passed over.
        verdicts: parts of `verdict`, all filters.
        embeddings: parts of `embedding`; none leaves out what needs vectors.
        among: SQL condition on `sample`: which earlier samples count as "before".
        asked: final samples asked for, by recipe.
    """
    parts = [p for p in (*samples, *verdicts, *embeddings) if p.table in ("sample", "verdict", "embedding")]
    parts = list({part.path: part for part in parts}.values())

    def make() -> dict[str, pl.DataFrame]:
        data = read(run, parts)
        scopes = _scopes(run, data.samples)
        wanted = asked or {}
        made = {
            tuple(scope.recipes): measure_scope(run, data, scope, among, _sum(wanted, scope.recipes))
            for scope in {tuple(scope.recipes): scope for scope in scopes}.values()
        }
        return {"metric": pl.concat(_labelled(made[tuple(scope.recipes)], scope) for scope in scopes)}

    return run.once("diversity", parts, {"among": among, "asked": asked}, make)


def read(run: Run, parts: list[Partition]) -> Read:
    """The samples, verdicts and vectors of these parts.

    Raises:
        BadInput: when the vectors come from two encoders: they cannot be compared.
    """
    samples = _rows(run, parts, "sample", COLUMNS)
    verdicts = _rows(run, parts, "verdict", ["sample_id", "filter", "keep"])
    vectors = _rows(run, parts, "embedding", ["sample_id", "encoder", "truncated", "vector"])
    encoders = vectors["encoder"].unique().sort().to_list()
    if len(encoders) > 1:
        raise BadInput(f"embeddings of run {run.run_id} come from {len(encoders)} encoders: {encoders}")
    kept = survivors(samples, verdicts).join(vectors.drop("encoder"), on="sample_id", how="left")
    return Read(samples, verdicts, kept.sort("sample_id"), encoders[0] if encoders else None)


def _rows(run: Run, parts: list[Partition], table: str, columns: list[str]) -> pl.DataFrame:
    frames = [run.read(part).select(columns) for part in parts if part.table == table]
    schema = polars_schema(table)
    return pl.concat([pl.DataFrame(schema={name: schema[name] for name in columns}), *frames])


def _scopes(run: Run, samples: pl.DataFrame) -> list[Scope]:
    recipes = samples["recipe"].unique().sort().to_list()
    return [Scope("run", run.run_id, recipes), *(Scope("recipe", recipe, [recipe]) for recipe in recipes)]


def _labelled(rows: pl.DataFrame, scope: Scope) -> pl.DataFrame:
    return rows.with_columns(scope=pl.lit(scope.name), scope_id=pl.lit(scope.id))


def _design(run: Run, recipes: list[str]) -> Design:
    """Of one recipe its own; of several together no grid, which each has for itself, but all seeds."""
    designs = [design_of(recipe_or_none(run, recipe)) for recipe in recipes]
    if len(designs) == 1:
        return designs[0]
    slots = {slot for design in designs for slot in design.slots}
    seeds = {seed for design in designs for seed in design.seeds}
    return Design(tuple(sorted(slots)), (), tuple(sorted(seeds)))


def _earlier(run: Run, recipes: list[str], encoder: str, among: str) -> np.ndarray:
    """Vectors of the hash sample of what these recipes made before, (m, d) float32, m at most M_COSINE."""
    names, code = ", ".join(map(_quoted, recipes)), _quoted(encoder)
    frame = run.earlier(
        "SELECT embedding.vector FROM embedding JOIN clean_sample AS sample USING (sample_id) "
        f"WHERE sample.recipe IN ({names}) AND embedding.encoder = {code} AND {among} "
        f"ORDER BY sha256(sample_id) LIMIT {M_COSINE}"
    )
    return to_matrix(frame["vector"])


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _sum(asked: dict[str, Any], recipes: list[str]) -> int | None:
    known = [asked[recipe] for recipe in recipes if recipe in asked]
    return sum(known) if known else None
