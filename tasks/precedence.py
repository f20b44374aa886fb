"""Who is judged, in which order, and against whom: what the filters that look for repetitions share.

Of two samples that repeat each other the one that comes first is kept: earlier committed ones, then by
quality (highest first, unknown last), ordinal and sample_id. The order is total, so no result depends on
where rows lie.
"""

from collections.abc import Iterator

import polars as pl

from schemas.partition import Partition
from tasks.survivors import survivors
from warehouse.run import Run

PAGE = 100_000  # earlier samples held at a time; a larger run is a page of its own
_IDS = 5_000  # sample ids named in one query


def in_order(new: pl.DataFrame) -> pl.DataFrame:
    """Rows by precedence, best first: quality (null last), ordinal, sample_id."""
    return new.sort(["quality", "ordinal", "sample_id"], descending=[True, False, False], nulls_last=True)


def judged(run: Run, samples: list[Partition], verdicts: list[Partition]) -> pl.DataFrame:
    """Final samples that no verdict drops, nor a sample they grew from: `sample_id, ordinal, quality`."""
    columns = ["sample_id", "parent_id", "final", "ordinal"]
    frames = [run.read(part).select(columns) for part in samples]
    if not frames:
        return pl.DataFrame(schema={"sample_id": pl.String, "ordinal": pl.Int64, "quality": pl.Float64})
    frame = pl.concat(frames)
    verdict = pl.concat([_NO_VERDICT, *(run.read(part).select(_NO_VERDICT.columns) for part in verdicts)])
    quality = verdict.filter(pl.col("filter") == "quality").select("sample_id", quality="score")
    live = survivors(frame, verdict).select("sample_id", "ordinal")
    return live.join(quality, on="sample_id", how="left")


def texts(run: Run, samples: list[Partition], ids: pl.Series) -> Iterator[pl.DataFrame]:
    """`sample_id, text` of the samples with these ids, one partition at a time."""
    wanted = ids.to_frame("sample_id")
    for part in samples:
        yield run.read(part).select("sample_id", "text").join(wanted, on="sample_id", how="semi")


def earlier_texts(run: Run, ids: pl.Series) -> Iterator[pl.DataFrame]:
    """`sample_id, text` of committed samples with these ids."""
    for batch in ids.to_frame().iter_slices(_IDS):
        yield run.earlier(
            f"SELECT sample_id, text FROM sample WHERE sample_id IN ({_quoted(batch[ids.name])})"
        )


def earlier_pages(run: Run, among: str, columns: str, signed: str = "") -> Iterator[pl.DataFrame]:
    """Clean final samples of earlier runs, ordered by run_id and sample_id, some at a time.

    Args:
        run: the run that judges.
        among: SQL condition on columns of `sample` that names the lineage; empty when the run stands alone.
        columns: what to select beside `run_id, sample_id`.
        signed: a signature contract; then columns of `signature` may be selected too, and samples without a
            signature under it are left out.
    """
    if not among:
        return
    clean = f"SELECT run_id, sample_id, text FROM clean_sample WHERE final AND ({among})"
    if signed:
        ours = f"SELECT * EXCLUDE (run_id) FROM signature WHERE contract = '{signed}'"
        clean = f"SELECT * FROM ({clean}) JOIN ({ours}) USING (sample_id)"
    runs = run.earlier(f"SELECT run_id, count(*) AS n FROM ({clean}) GROUP BY run_id ORDER BY run_id")
    page = runs.select("run_id", page=(pl.col("n").cum_sum() - pl.col("n")) // PAGE)
    for batch in page.partition_by("page", maintain_order=True):
        these = f"FROM ({clean}) WHERE run_id IN ({_quoted(batch['run_id'])})"
        yield run.earlier(f"SELECT run_id, sample_id, {columns} {these} ORDER BY run_id, sample_id")


_NO_VERDICT = pl.DataFrame(
    schema={"sample_id": pl.String, "filter": pl.String, "keep": pl.Boolean, "score": pl.Float64}
)


def _quoted(names: pl.Series) -> str:
    return ", ".join("'" + name.replace("'", "''") + "'" for name in names)
