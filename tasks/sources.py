"""What trees grow from when nothing is drawn for them: rows of somebody's files, or of ours.

The rows become the samples of the first level; they are texts that exist, so nothing is released of them but
what grows from them. A row that cannot be read is a `reject` with its reason.
"""

import json
from itertools import islice
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import BadInput
from schemas.ids import digest, seed_for
from schemas.partition import Partition
from schemas.recipe import Recipe
from tasks.input_files import content_digest
from tasks.recipe import recipe_of
from tasks.records import Bad
from tasks.source_rows import Reading, SourceRow, readers, source_paths
from warehouse.parts import polars_schema
from warehouse.run import Run

BATCH = 2_000  # rows of a part: as many as the trees of a shard, which reads no others


@task(name="source", cache_policy=NO_CACHE)
def source(run: Run, recipe: str, count: int, files: list[str]) -> list[Partition]:
    """The first level of a recipe from files: at most `count` rows, unreadable ones as `reject`; in batches.

    Raises:
        BadInput: when not one row can be read.
    """
    loaded = recipe_of(run, recipe)
    paths = source_paths(loaded, files, run.root)

    asked = Reading(paths, loaded.source, count, seed_for(recipe, run.edition, "source"))
    settings = {"recipe": recipe, "count": count, "content": content_digest(paths), "batch": BATCH}
    stream, taken = readers()[loaded.source.reader](asked), 0
    parts: list[Partition] = []

    def make() -> dict[str, pl.DataFrame]:
        nonlocal taken
        done = sum(part.rows for part in parts)
        rows = list(islice(islice(stream, done - taken, None), BATCH))
        taken = done + len(rows)
        return _frames(run, loaded, rows, n_samples(parts))

    while batch := run.once(f"source/{len(parts)}", [], settings, make):
        parts += batch
    if not n_samples(parts):
        bad = [why for part in parts if part.table == "reject" for why in run.read(part)["reason"].head(1)]
        told = f"; the first: {bad[0]}" if bad else ""
        raise BadInput(f"recipe {recipe}: no row of {', '.join(map(str, paths))} can be read{told}")
    return parts


def n_samples(parts: list[Partition]) -> int:
    """Rows of a source, by its parts."""
    return sum(part.rows for part in parts if part.table == "sample")


def _frames(run: Run, recipe: Recipe, rows: list[SourceRow | Bad], first: int) -> dict[str, pl.DataFrame]:
    good = [row for row in rows if isinstance(row, SourceRow)]
    bad = [{"run_id": run.run_id, **row._asdict()} for row in rows if isinstance(row, Bad)]
    samples = [_sample(run, recipe, row, ordinal) for ordinal, row in enumerate(good, first)]
    return {
        "sample": pl.DataFrame(samples, schema=polars_schema("sample")),
        "reject": pl.DataFrame(bad, schema=polars_schema("reject")),
    }


def _sample(run: Run, recipe: Recipe, row: SourceRow, ordinal: int) -> dict[str, Any]:
    asked = recipe.source
    sample_id = digest("sample", run.run_id, recipe.name, asked.level, ordinal, row.text)
    fields = {name: row.fields.get(name, "") for name in asked.fields}
    return {
        **dict.fromkeys(polars_schema("sample")),
        "sample_id": sample_id,
        "root_id": sample_id,
        "run_id": run.run_id,
        "recipe": recipe.name,
        "level": asked.level,
        "final": False,
        "ordinal": ordinal,
        "text": row.text,
        "slots": json.dumps(fields, sort_keys=True, ensure_ascii=False),
        "language": recipe.language,
        "origin": row.origin,
        "origin_id": row.origin_id or str(row.line),
        "licence": recipe.licence if row.origin.startswith("tasks/seeds/") else None,
    }
