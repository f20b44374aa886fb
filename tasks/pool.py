"""The growing pool of Self-Instruct: seeds, tasks of earlier editions, tasks accepted so far in this run."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from schemas.errors import BadInput
from schemas.ids import digest
from schemas.llm import OFFLINE
from schemas.partition import Partition
from schemas.recipe import Level, Recipe
from tasks.recipe import recipe_of
from warehouse.parts import polars_schema
from warehouse.run import Run

SEEDS = Path(__file__).parent / "seeds"
SEED_LEVEL = "seed"


def bootstrap_level(recipe: Recipe) -> Level | None:
    """The level that feeds on its own output, if the recipe has one."""
    return next((level for level in recipe.levels if level.bootstrap is not None), None)


def root_level(recipe: Recipe) -> str | None:
    """The level that trees grow from when nothing is drawn for them: a pool or the rows of a source."""
    if recipe.source is not None:
        return recipe.source.level
    level = bootstrap_level(recipe)
    return level.name if level else None


def lineage(model: str, against: str) -> str:
    """SQL condition on `sample`: what a run may build on and is compared with.

    What the storyteller wrote counts only among itself: it must never cost a paid or human text its place.
    Nothing counts when a run stands alone.
    """
    if against == "run":
        return "false"
    return f"model = '{OFFLINE}'" if model == OFFLINE else f"model IS DISTINCT FROM '{OFFLINE}'"


@cache
def read_seeds(file: str) -> list[dict[str, Any]]:
    """The seed tasks of a file in tasks/seeds: id, name, instruction, instances, is_classification.

    Raises:
        BadInput: for a file that is missing, empty or holds a line that is no seed task.
    """
    path = SEEDS / file
    if not path.exists():
        raise BadInput(f"no seed file {path}; known: {sorted(p.name for p in SEEDS.glob('*.jsonl'))}")
    seeds = [
        _seed(path, n, line) for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if line.strip()
    ]
    if not seeds:
        raise BadInput(f"seed file {path} is empty: it needs a task a line")
    return seeds


def seed_samples(run: Run, recipe: str) -> pl.DataFrame:
    """The seed tasks as rows of `sample`, so that a verdict can name one as its witness."""
    loaded = recipe_of(run, recipe)
    level = bootstrap_level(loaded)
    rows = [_seed_row(run, loaded, seed, i) for i, seed in enumerate(read_seeds(level.bootstrap.seeds), 1)]
    return pl.DataFrame(rows, schema=polars_schema("sample"))


def clean(run: Run, parts: list[Partition]) -> pl.DataFrame:
    """The samples among the parts that no verdict among the parts drops, nor one of what they grew from."""
    samples = rows_of(run, parts, "sample")
    fallen = rows_of(run, parts, "verdict").filter(~pl.col("keep")).select("sample_id").unique()
    lines = samples.select("sample_id", "parent_id")
    while True:
        below = lines.join(fallen, left_on="parent_id", right_on="sample_id", how="semi").select("sample_id")
        new = below.join(fallen, on="sample_id", how="anti")
        if new.is_empty():
            return samples.join(fallen, on="sample_id", how="anti")
        fallen = pl.concat([fallen, new])


def accepted(run: Run, recipe: str, parts: list[Partition]) -> pl.DataFrame:
    """The generated tasks among the parts that passed every filter, in generation order."""
    level = bootstrap_level(recipe_of(run, recipe))
    return clean(run, parts).filter(pl.col("level") == level.name).sort("ordinal")


def pool_of(run: Run, recipe: str, parts: list[Partition], among: str) -> pl.DataFrame:
    """The whole pool: seeds, earlier editions, this run in generation order.

    Columns sample_id, text (the instruction: what novelty is judged by), input, output.
    """
    level = bootstrap_level(recipe_of(run, recipe))
    name = recipe_of(run, recipe).name
    earlier = run.earlier(
        f"SELECT {', '.join(_COLUMNS)} FROM clean_sample AS sample WHERE recipe = '{name}' "
        f"AND level = '{level.name}' AND {among} ORDER BY sample_id"
    ).cast(_EMPTY.schema)
    known = [seed_samples(run, recipe), earlier, accepted(run, recipe, parts)]
    return pl.concat([by_instruction(frame.select(_COLUMNS)) for frame in known])


def by_instruction(samples: pl.DataFrame) -> pl.DataFrame:
    """Samples with their instruction as the text, where they have one."""
    return samples.with_columns(text=pl.coalesce("instruction", "text")).drop("instruction")


def rows_of(run: Run, parts: list[Partition], table: str) -> pl.DataFrame:
    """The rows of all parts of a table."""
    frames = [run.read(part) for part in parts if part.table == table]
    return pl.concat(frames) if frames else pl.DataFrame(schema=polars_schema(table))


_COLUMNS = ["sample_id", "text", "instruction", "input", "output"]
_EMPTY = pl.DataFrame(schema=polars_schema("sample")).select(_COLUMNS)


def _seed(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        seed = json.loads(line)
        if not isinstance(seed["instruction"], str) or not seed["instruction"].strip():
            raise ValueError("empty instruction")
        return seed
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"seed file {path}, line {number}: no seed task ({error!r})") from error


def _seed_row(run: Run, recipe: Recipe, seed: dict[str, Any], ordinal: int) -> dict[str, Any]:
    sample_id = digest("sample", run.run_id, recipe.name, SEED_LEVEL, ordinal, seed["instruction"])
    (instance,) = seed.get("instances", [])[:1] or [{}]
    blank = dict.fromkeys(polars_schema("sample"))
    return {
        **blank,
        "sample_id": sample_id,
        "root_id": sample_id,
        "run_id": run.run_id,
        "recipe": recipe.name,
        "level": SEED_LEVEL,
        "final": False,
        "ordinal": ordinal,
        "text": seed["instruction"],
        "instruction": seed["instruction"],
        "input": instance.get("input", ""),
        "output": instance.get("output", ""),
        "slots": "{}",
        "language": recipe.language,
        "origin": f"tasks/seeds/{bootstrap_level(recipe).bootstrap.seeds}",
        "origin_id": str(seed.get("id", ordinal)),
        "licence": recipe.licence,
    }
