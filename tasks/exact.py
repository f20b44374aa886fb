"""Filter `exact`: texts with the same words in the same order are one text.

The key is blake2b-128 of the normalised text, i.e. its words (Unicode, NFKC, lower-case; `tasks.tokens`)
each followed by a space. Score: 1 for a repetition, 0 otherwise; threshold 1. Texts without words repeat
nothing. Runs before `minhash`, which would find the same pairs at a higher price.
"""

import hashlib

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from tasks.precedence import earlier_pages, in_order, judged, texts
from tasks.shingles import normalised
from warehouse.run import Run


def digests(texts: pl.Series) -> pl.Series:
    """16-byte digest of each normalised text; null for a text without words."""
    found = [hashlib.blake2b(text, digest_size=16).digest() if text else None for text in normalised(texts)]
    return pl.Series("digest", found, dtype=pl.Binary)


def judge(new: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """Which samples repeat one that comes before them.

    Args:
        new: the samples to judge: `sample_id, quality, ordinal, digest`.
        earlier: samples that precede them all and are not judged: `run_id, sample_id, digest`.

    Returns:
        One row per new sample: `sample_id, keep, witness_id`, the witness being the first with its digest.
    """
    ordered = in_order(new).select("sample_id", "digest")
    line = pl.concat([earlier.sort("run_id", "sample_id").select("sample_id", "digest"), ordered])
    first = line.unique("digest", keep="first", maintain_order=True).rename({"sample_id": "witness_id"})
    found = ordered.join(first, on="digest", how="left")  # a null digest joins with nothing
    keep = pl.col("witness_id").is_null() | (pl.col("witness_id") == pl.col("sample_id"))
    witness = pl.when(~keep).then("witness_id")
    return found.select("sample_id", keep=keep, witness_id=witness)


@task(name="exact", cache_policy=NO_CACHE)
def exact(run: Run, samples: list[Partition], quality: list[Partition], among: str) -> list[Partition]:
    """Verdicts `exact` on the final samples that earlier filters kept.

    Args:
        run: the run that judges.
        samples: all its samples.
        quality: all its verdicts so far; those of `quality` say which of two equal texts is kept.
        among: SQL condition on the earlier samples to compare with, empty for none.
    """
    return run.once(
        "exact", [*samples, *quality], {"among": among}, lambda: _verdicts(run, samples, quality, among)
    )


def _verdicts(
    run: Run, samples: list[Partition], quality: list[Partition], among: str
) -> dict[str, pl.DataFrame]:
    live = judged(run, samples, quality)
    digested = [_digested(frame) for frame in texts(run, samples, live["sample_id"])]
    if not digested:
        return {}
    new = live.join(pl.concat(digested), on="sample_id")
    pages = (_digested(page) for page in earlier_pages(run, among, "text"))
    repeated = [page.join(new, on="digest", how="semi") for page in pages]
    earlier = pl.concat([_NOBODY, *repeated])
    repetition = pl.col("keep").not_()
    return {
        "verdict": judge(new, earlier).with_columns(
            run_id=pl.lit(run.run_id),
            filter=pl.lit("exact"),
            score=repetition.cast(pl.Float64),
            threshold=pl.lit(1.0),
            reason=pl.when(repetition).then(pl.lit("the same words as a sample that comes first")),
        )
    }


_NOBODY = pl.DataFrame(schema={"run_id": pl.String, "sample_id": pl.String, "digest": pl.Binary})


def _digested(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(digests(frame["text"])).drop("text")
