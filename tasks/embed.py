"""A unit vector for the text of every final sample that no filter dropped: what semantic statistics read.

One slab of at most 20,000 texts is one step that can be resumed. A text whose vector has no direction
(zero, NaN) gets no row: it is named in the log, and the statistics on embeddings say how many texts they
saw.
"""

import logging
from functools import partial

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.ids import digest
from schemas.partition import Partition
from tasks.encoder import PACKAGED, Encoder, Vectors, encode, load_encoder
from tasks.progress import Progress
from tasks.survivors import survivors
from warehouse.parts import polars_schema
from warehouse.run import Run

SLAB = 20_000  # texts

logger = logging.getLogger("seedloom.embed")


def embedding_rows(samples: pl.DataFrame, vectors: Vectors, encoder_id: str, run_id: str) -> pl.DataFrame:
    """Rows of `embedding` for samples and their vectors; unusable ones are left out and named in the log."""
    lost = samples["sample_id"].filter(pl.Series(~vectors.usable))
    if len(lost):
        logger.warning(
            "embed: %d of %d texts have a vector without direction (zero or NaN) and get none: %s",
            len(lost),
            samples.height,
            ", ".join(lost.sort()[:5]),
        )
    unit = np.ascontiguousarray(vectors.unit[vectors.usable])
    if not len(unit):
        return pl.DataFrame(schema=polars_schema("embedding"))
    return (
        samples.select("sample_id")
        .filter(pl.Series(vectors.usable))
        .with_columns(
            run_id=pl.lit(run_id),
            encoder=pl.lit(encoder_id),
            truncated=pl.Series(vectors.truncated[vectors.usable]),
            vector=pl.Series(unit, dtype=pl.Array(pl.Float32, unit.shape[1])).arr.to_list(),
        )
    )


@task(name="embed", cache_policy=NO_CACHE)
def embed(
    run: Run, samples: list[Partition], verdicts: list[Partition], encoder: str = PACKAGED
) -> list[Partition]:
    """Embed the surviving final samples of these parts, part by part, slab by slab."""
    parts = [part for part in samples if part.table == "sample"]
    kept = _kept_ids(run, parts, verdicts)
    progress = Progress("embed: texts", kept.height)
    made: list[Partition] = []
    for part in parts:
        rows = run.read(part).select("sample_id", "text")
        rows = rows.join(kept, on="sample_id", how="semi").sort("sample_id")
        for slab in rows.iter_slices(SLAB):
            before = progress.done
            made += _embed_slab(run, part, slab, load_encoder(encoder), progress)
            if progress.done == before:  # found, not made
                progress.advance(slab.height)
    return made


def _kept_ids(run: Run, parts: list[Partition], verdicts: list[Partition]) -> pl.DataFrame:
    """Ids of the survivors; of the samples only ids are held in memory."""
    lineage = [run.read(part).select("sample_id", "parent_id", "final") for part in parts]
    judged = [run.read(part).select("sample_id", "keep") for part in verdicts if part.table == "verdict"]
    empty = {"sample_id": pl.String, "parent_id": pl.String, "final": pl.Boolean, "keep": pl.Boolean}
    blank = pl.DataFrame(schema=empty)
    trees = pl.concat([blank.drop("keep"), *lineage])
    return survivors(trees, pl.concat([blank.select("sample_id", "keep"), *judged])).select("sample_id")


def _embed_slab(
    run: Run, part: Partition, slab: pl.DataFrame, encoder: Encoder, progress: Progress
) -> list[Partition]:
    settings = {"encoder": encoder.id, "rows": digest(*slab["sample_id"])}
    return run.once("embed", [part], settings, partial(_embedded, run.run_id, slab, encoder, progress))


def _embedded(
    run_id: str, slab: pl.DataFrame, encoder: Encoder, progress: Progress
) -> dict[str, pl.DataFrame]:
    vectors = encode(slab["text"].to_list(), encoder, progress.advance)
    return {"embedding": embedding_rows(slab, vectors, encoder.id, run_id)}
