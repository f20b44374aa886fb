"""Filter `semantic`: texts that mean the same, by the cosine of their vectors; and the nearest text of each.

Judges the final samples that every earlier filter kept and that have a vector. Greedy by precedence
(`tasks.precedence`): a sample is dropped if and only if one that is kept and comes before it reaches the
threshold. Score: cosine to the nearest of these, -1 to 1, null for the very first sample; witness: that
sample, when it costs this one its place. Without a threshold nothing is judged, only measured: the log, and
the mart `semantic_threshold`, tell how many would fall at 0.80, 0.85, 0.90 and 0.95, since what is near
depends on the encoder and on the texts (statistic `cosine_p99`).

Rows of `neighbour`, always to samples that are kept: `prior`, the nearest that comes before, for every
judged sample, written once and never again; `all`, the nearest among everything up to this run, for what is
kept of this run and for those earlier samples that come to have a nearer one. The mart `nearest` reads
them.

Two samples are compared in the definition of `tasks.cosine_search`, so that nothing depends on blocks or
threads. Cost: new x (earlier + new / 2) comparisons up to 100,000^2 / 2 of them, beyond that the cells of
`tasks.cosine_cells`, and metric `semantic_recall` says how many of the true nearest were found. Memory: 3
kB per new sample at d = 384, 16 bytes per earlier one, and one page of earlier vectors.
"""

import hashlib
import logging
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import BadInput
from schemas.partition import Partition
from tasks.precedence import roster
from tasks.progress import Progress
from tasks.vectors import earlier_pages, encoder_of, matrix, unit_rows
from warehouse.parts import polars_schema
from warehouse.run import Run

if TYPE_CHECKING:
    from tasks.cosine_leaders import Led

THRESHOLDS = (0.80, 0.85, 0.90, 0.95)  # what the log counts when nothing is judged
VERSION = "1"  # of the metric semantic_recall

logger = logging.getLogger("seedloom.semantic")


@task(name="semantic", cache_policy=NO_CACHE)
def semantic(
    run: Run,
    samples: list[Partition],
    verdicts: list[Partition],
    embeddings: list[Partition],
    threshold: float | None,
    among: str,
) -> list[Partition]:
    """Parts of `neighbour`, of `verdict` when there is a threshold, of `metric` when an index was used.

    Args:
        run: the run that judges.
        samples: all its samples.
        verdicts: all its verdicts so far.
        embeddings: all its vectors.
        threshold: cosine at or above which a sample repeats another; None only measures.
        among: SQL condition on the earlier samples to compare with, empty for none.

    Raises:
        BadInput: for a threshold outside of (0, 1], or vectors of two encoders.
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise BadInput(f"threshold {threshold!r} of the filter semantic is outside of (0, 1]")
    parts = [*samples, *verdicts, *embeddings]

    def make() -> dict[str, pl.DataFrame]:
        return _compared(run, samples, verdicts, embeddings, threshold, among)

    return run.once("semantic", parts, {"threshold": threshold, "among": among}, make)


def _compared(
    run: Run,
    samples: list[Partition],
    verdicts: list[Partition],
    embeddings: list[Partition],
    threshold: float | None,
    among: str,
) -> dict[str, pl.DataFrame]:
    from tasks.cosine_leaders import lead

    encoder = encoder_of(run, embeddings)
    if encoder is None:
        return {}
    line = roster(run, samples, verdicts)
    ids = line.names(run, np.arange(len(line.place)))
    vectors = unit_rows(matrix(run, embeddings, ids, encoder))
    known = np.isfinite(vectors).all(axis=1)
    ids, vectors = ids.filter(pl.Series(known)), vectors[known]
    if ids.is_empty():
        return {}
    before = earlier_samples(run, among, encoder)
    progress = Progress("semantic: samples", len(ids))
    led = lead(
        vectors,
        hash_order(ids),
        before["floor"].to_numpy(),
        lambda: earlier_pages(run, before["sample_id"], encoder),
        threshold,
        done=progress.advance,
    )
    names = pl.concat([before["sample_id"], ids])
    if threshold is None:
        _say_counts(led, len(ids))
    return {
        "neighbour": neighbours(led, names, before["floor"], encoder, run.run_id),
        "verdict": verdict_rows(led, names, threshold, run.run_id),
        "metric": _metric(led, encoder, run.run_id),
    }


def earlier_samples(run: Run, among: str, encoder: str) -> pl.DataFrame:
    """Clean final earlier samples of the lineage with a vector, by run_id and sample_id: `sample_id, floor`.

    The floor is the cosine to the nearest so far, -inf when none is known.
    """
    if not among:
        return pl.DataFrame(schema={"sample_id": pl.String, "floor": pl.Float64})
    code = "'" + encoder.replace("'", "''") + "'"
    return run.earlier(
        f"WITH known AS (SELECT sample_id, nn_cos_all FROM nearest WHERE encoder = {code}), "
        f"lineage AS (SELECT run_id, sample_id FROM clean_sample AS sample WHERE final AND ({among})) "
        "SELECT sample_id, coalesce(nn_cos_all, '-inf'::DOUBLE) AS floor FROM lineage "
        f"SEMI JOIN (SELECT sample_id FROM embedding WHERE encoder = {code}) AS seen USING (sample_id) "
        "LEFT JOIN known USING (sample_id) ORDER BY run_id, sample_id"
    )


def hash_order(ids: pl.Series) -> np.ndarray:
    """Places of the ids by their blake2b: an order that depends on nothing else, (n,) int64."""
    keys = [hashlib.blake2b(i.encode(), digest_size=8).digest() for i in ids]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def neighbours(led: "Led", names: pl.Series, floor: pl.Series, encoder: str, run_id: str) -> pl.DataFrame:
    """Rows of `neighbour`: `prior` of new samples, `all` of what is kept or comes to have a nearer one."""
    m = len(floor)
    frames = []
    for kind, best in (("prior", led.prior), ("all", led.every)):
        cosine = np.clip(best.cosine, -1, 1)
        told = best.rank >= 0
        if kind == "all":
            told[:m] &= cosine[:m] > floor.to_numpy()
        at = np.flatnonzero(told)
        frames.append(
            pl.DataFrame({"sample_id": names.gather(at), "cosine": cosine[at]}).with_columns(
                kind=pl.lit(kind), neighbour_id=names.gather(best.rank[at])
            )
        )
    told = {"run_id": pl.lit(run_id), "encoder": pl.lit(encoder)}
    return pl.concat(frames).with_columns(**told).select(list(polars_schema("neighbour")))


def verdict_rows(led: "Led", names: pl.Series, threshold: float | None, run_id: str) -> pl.DataFrame:
    """Rows of `verdict` for the new samples; none without a threshold."""
    if threshold is None:
        return pl.DataFrame(schema=polars_schema("verdict"))
    n = len(led.kept)
    rank, cosine = led.prior.rank[-n:], led.prior.cosine[-n:]
    score = pl.Series(np.clip(cosine, -1, 1))
    rows = pl.DataFrame({"sample_id": names.tail(n), "keep": led.kept, "score": score}).with_columns(
        run_id=pl.lit(run_id),
        filter=pl.lit("semantic"),
        score=pl.when(pl.Series(rank >= 0)).then("score"),
        threshold=pl.lit(threshold),
        witness_id=pl.when(~pl.col("keep")).then(names.gather(np.maximum(rank, 0))),
        reason=pl.when(~pl.col("keep")).then(pl.lit("means the same as a sample that comes first")),
    )
    return rows.select(list(polars_schema("verdict")))


def _metric(led: "Led", encoder: str, run_id: str) -> pl.DataFrame:
    """The recall of an index as a row of `metric`; none for an exact search."""
    schema = polars_schema("metric")
    if led.recall is None:
        return pl.DataFrame(schema=schema)
    what = {"scope": "run", "scope_id": run_id, "metric": "semantic_recall", "version": VERSION}
    row = {"run_id": run_id, **what, **led.recall._asdict(), "encoder": encoder}
    return pl.DataFrame([row], schema=schema)


def _say_counts(led: "Led", n: int) -> None:
    cosine = led.prior.cosine[-n:]
    counts = ", ".join(f"{int((cosine >= t).sum())} at {t:.2f}" for t in THRESHOLDS)
    logger.info("semantic: only measured; of %d samples at most so many would be dropped: %s", n, counts)
