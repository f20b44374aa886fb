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
from tasks.recipe import load_recipe
from warehouse.parts import polars_schema
from warehouse.run import Run

SEEDS = Path(__file__).parent / "seeds"
SEED_LEVEL = "seed"


def bootstrap_level(recipe: Recipe) -> Level | None:
    """The level that feeds on its own output, if the recipe has one."""
    return next((level for level in recipe.levels if level.bootstrap is not None), None)


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
    loaded = load_recipe(recipe)
    level = bootstrap_level(loaded)
    rows = [_seed_row(run, loaded, seed, i) for i, seed in enumerate(read_seeds(level.bootstrap.seeds), 1)]
    return pl.DataFrame(rows, schema=polars_schema("sample"))


def clean(run: Run, parts: list[Partition]) -> pl.DataFrame:
    """The samples among the parts that no verdict among the parts drops."""
    samples = _rows(run, parts, "sample")
    dropped = _rows(run, parts, "verdict").filter(~pl.col("keep"))
    return samples.join(dropped, on="sample_id", how="anti")


def accepted(run: Run, recipe: str, parts: list[Partition]) -> pl.DataFrame:
    """The generated tasks among the parts that passed every filter, in generation order."""
    level = bootstrap_level(load_recipe(recipe))
    return clean(run, parts).filter(pl.col("level") == level.name).sort("ordinal")


def pool_of(run: Run, recipe: str, parts: list[Partition], among: str) -> pl.DataFrame:
    """The whole pool, columns sample_id and text: seeds, earlier editions, this run in generation order."""
    level = bootstrap_level(load_recipe(recipe))
    earlier = run.earlier(
        f"SELECT sample_id, text FROM clean_sample AS sample WHERE recipe = '{recipe}' "
        f"AND level = '{level.name}' AND {among} ORDER BY sample_id"
    )
    columns = ["sample_id", "text"]
    return pl.concat(
        [seed_samples(run, recipe).select(columns), earlier, accepted(run, recipe, parts).select(columns)]
    )


def _rows(run: Run, parts: list[Partition], table: str) -> pl.DataFrame:
    frames = [run.read(part) for part in parts if part.table == table]
    return pl.concat(frames) if frames else pl.DataFrame(schema=polars_schema(table))


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
        "slots": "{}",
        "language": recipe.language,
        "origin": f"tasks/seeds/{bootstrap_level(recipe).bootstrap.seeds}",
        "origin_id": str(seed.get("id", ordinal)),
        "licence": recipe.licence,
    }
