"""Filter `minhash`: near-duplicate texts, found by MinHash and decided by exact Jaccard similarity.

Two texts are compared as sets of word n-grams: J = |A and B| / |A or B|, 0 to 1. Signatures (Broder 1997)
that agree in one of 32 bands of 4 rows are candidates (`tasks.bands`; at J = 0.7 that misses 2 pairs in
10,000, at 0.5 13 in 100: the loss is logged). Candidates whose signatures agree in less than threshold - 0.12
(three standard errors) are let go; the exact J of the rest decides. Score: J with the witness if dropped,
else the highest J computed, null when there was none.

A sample is dropped if and only if a kept one that comes before it (`tasks.precedence`) reaches the threshold;
the most similar of these is the witness. So no two kept samples are near-duplicates, as far as candidates
were found, and the far end of a chain stays, which collapsing connected components would delete.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import BadInput, SeedloomError
from schemas.partition import Partition
from tasks.bands import N_BANDS, Index, buckets, expected_recall
from tasks.precedence import earlier_pages, earlier_texts, in_order, judged, texts
from tasks.shingles import contract, shingle_sets
from warehouse.run import Run

if TYPE_CHECKING:
    from tasks.leader_kernel import Sets

CAP = 256  # kept texts that one text is compared with through one band: bounds the cost of boilerplate
SLACK = 0.12  # three standard errors of a signature's estimate at 0.7
_MINHASH = pl.Array(pl.UInt32, 128)

logger = logging.getLogger("seedloom.minhash")

_UNSIGNED = pl.DataFrame(
    schema={"run_id": pl.String, "sample_id": pl.String, "n_shingles": pl.Int64, "minhash": _MINHASH}
)
_DECISION = {
    "sample_id": pl.String,
    "keep": pl.Boolean,
    "score": pl.Float64,
    "witness_id": pl.String,
    "full_bands": pl.Int64,
}

Texts = Callable[[pl.Series], Iterable[pl.DataFrame]]


def judge(
    new: pl.DataFrame, earlier: pl.DataFrame, texts: Texts, threshold: float, n: int, cap: int = CAP
) -> pl.DataFrame:
    """Which samples are near-duplicates of a better one that is kept.

    Args:
        new: the samples to judge: `sample_id, quality, ordinal, n_shingles, minhash`.
        earlier: samples that precede them all and are not judged: `run_id, sample_id, n_shingles, minhash`.
        texts: gives `sample_id, text` of the asked ids in frames; asked once, for candidates only.
        threshold: Jaccard similarity, above 0 and at most 1.
        n: words per shingle, as in the signatures.
        cap: kept texts that one text is compared with through one band.

    Returns:
        One row per new sample: `sample_id, keep, score, witness_id, full_bands`: in how many of the 32 bands
        kept texts were left out for lack of room.

    Raises:
        BadInput: for a threshold outside of (0, 1].
        SeedloomError: when a text is missing or is not the one that was signed.
    """
    from tasks.leader_kernel import Pool, lead, with_partner

    if not 0 < threshold <= 1:
        raise BadInput(f"threshold {threshold!r} of the filter minhash is outside of (0, 1]")
    line, n_earlier = _line(new, earlier), earlier.height
    least = max(0, ceil((threshold - SLACK) * 128))
    minima = _matrix(line)
    pool = Pool(minima, *buckets(minima))
    sets = _sets(line, with_partner(pool, n_earlier, least, cap), texts, n)
    name = line["sample_id"].rank("ordinal").cast(pl.Int32).to_numpy()
    outcome = lead(pool, sets, name, n_earlier, least, threshold, cap)
    return pl.concat([_outcome(line["sample_id"], *outcome)[n_earlier:], _wordless(new)])


def _line(new: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """All samples with words by precedence: `sample_id, n_shingles, minhash`."""
    columns = ["sample_id", "n_shingles", pl.col("minhash").cast(_MINHASH)]
    ordered = in_order(new.filter(pl.col("n_shingles") > 0))
    return pl.concat([earlier.sort("run_id", "sample_id").select(columns), ordered.select(columns)]).rechunk()


def _matrix(frame: pl.DataFrame) -> np.ndarray:
    """Signatures as (n, 128) uint32."""
    return frame["minhash"].to_numpy().reshape(-1, 128)


def _sets(line: pl.DataFrame, partnered: np.ndarray, texts: Texts, n: int) -> "Sets":
    """Shingles of the rows that have a partner; their number is known from the signature."""
    from tasks.leader_kernel import Sets

    sizes = np.where(partnered, line["n_shingles"].to_numpy(), 0)
    bounds = np.concatenate([np.zeros(1, np.int64), sizes]).cumsum()
    hashes = np.empty(bounds[-1], np.uint64)
    wanted = line.select("sample_id").with_row_index("row").filter(pl.Series(partnered))
    missing = wanted.height
    for frame in texts(wanted["sample_id"]) if missing else []:
        asked = frame.join(wanted, on="sample_id")
        rows = asked["row"].to_numpy()
        ends, found = shingle_sets(asked["text"], n)
        if not np.array_equal(np.diff(ends), sizes[rows]):
            raise SeedloomError("a text is not the one that was signed: its number of shingles differs")
        hashes[np.repeat(bounds[rows] - ends[:-1], sizes[rows]) + np.arange(len(found))] = found
        missing -= asked.height
    if missing:
        raise SeedloomError(f"the texts of {missing} signed samples are missing")
    return Sets(bounds, hashes)


def _outcome(
    ids: pl.Series, kept: np.ndarray, score: np.ndarray, witness: np.ndarray, full_bands: np.ndarray
) -> pl.DataFrame:
    """What the compiled loop decided, in words of `judge`."""
    frame = pl.DataFrame({"sample_id": ids, "keep": kept, "score": score, "full_bands": full_bands})
    nearest = ids.gather(np.maximum(witness, 0))
    return frame.with_columns(
        pl.col("score").fill_nan(None), witness_id=pl.when(~pl.col("keep")).then(nearest)
    ).select(list(_DECISION))


def _wordless(new: pl.DataFrame) -> pl.DataFrame:
    """Samples without words repeat nothing."""
    ids = new.filter(pl.col("n_shingles") == 0)["sample_id"]
    return (
        pl.DataFrame({"sample_id": ids})
        .with_columns(keep=pl.lit(True), score=pl.lit(None), witness_id=pl.lit(None), full_bands=pl.lit(0))
        .cast(_DECISION)
    )


def _signed(run: Run, live: pl.DataFrame, signatures: list[Partition], n: int) -> pl.DataFrame:
    """The samples to judge with their signatures under the contract of n."""
    parts = (run.read(part).filter(pl.col("contract") == contract(n)) for part in signatures)
    found = pl.concat([_UNSIGNED, *(part.select(_UNSIGNED.columns) for part in parts)])
    signed = live.join(found, on="sample_id")
    if signed.height < live.height:
        missing = live.join(signed, on="sample_id", how="anti")["sample_id"]
        raise SeedloomError(
            f"{len(missing)} samples, for one {missing[0]}, have no signature under {contract(n)}"
        )
    return signed


def _relevant(new: pl.DataFrame, pages: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Those of the earlier samples that share a band with a new one."""
    index = None
    found = [_UNSIGNED]
    for page in pages:
        page = page.filter(pl.col("n_shingles") > 0).cast({"minhash": _MINHASH})
        index = index or Index(_matrix(new.filter(pl.col("n_shingles") > 0)), CAP + 1)
        found.append(page.filter(pl.Series(index.admit(_matrix(page)), dtype=pl.Boolean)))
    return pl.concat(found)


def _texts(run: Run, samples: list[Partition], new: pl.DataFrame, ids: pl.Series) -> Iterable[pl.DataFrame]:
    ours = ids.is_in(new["sample_id"].implode())
    return chain(texts(run, samples, ids.filter(ours)), earlier_texts(run, ids.filter(~ours)))


def _tell(decision: pl.DataFrame, n_earlier: int, threshold: float) -> None:
    """Say what was found and what may have been missed."""
    dropped, full = (~decision["keep"]).sum(), decision.filter(pl.col("keep"))["full_bands"]
    found = "minhash: %d of %d samples are near-duplicates; %d earlier ones shared a band; recall at %g: %.4f"
    logger.info(found, dropped, decision.height, n_earlier, threshold, expected_recall(threshold))
    if (full > 0).any():
        left = "minhash: %d kept samples met bands with room for %d kept ones only, at worst in %d bands"
        logger.warning(left, (full > 0).sum(), CAP, full.max())


def _verdict_rows(decision: pl.DataFrame, run_id: str, threshold: float, n: int) -> pl.DataFrame:
    like = f"Jaccard {{}} of word {n}-grams with a sample that comes first"
    room = f"kept, though {{}} of {N_BANDS} bands had no room for all kept texts that share them ({CAP})"
    dropped = pl.when(~pl.col("keep")).then(pl.format(like, pl.col("score").round(3)))
    return decision.drop("full_bands").with_columns(
        run_id=pl.lit(run_id),
        filter=pl.lit("minhash"),
        threshold=pl.lit(threshold),
        reason=dropped.when(decision["full_bands"] > 0).then(pl.format(room, decision["full_bands"])),
    )


@task(name="minhash", cache_policy=NO_CACHE)
def minhash(
    run: Run,
    samples: list[Partition],
    verdicts: list[Partition],
    signatures: list[Partition],
    threshold: float,
    n: int,
    among: str,
) -> list[Partition]:
    """Verdicts `minhash` on the final samples that earlier filters kept.

    Args:
        run: the run that judges.
        samples: all its samples.
        verdicts: all its verdicts so far; those of `quality` say which of two near-duplicates is kept.
        signatures: of the samples.
        threshold: Jaccard similarity at or above which two texts are near-duplicates, above 0 and at most 1.
        n: words per shingle, 3 or 5.
        among: SQL condition on the earlier samples to compare with, empty for none.
    """
    settings = {"threshold": threshold, "contract": contract(n), "among": among}

    def make() -> dict[str, pl.DataFrame]:
        new = _signed(run, judged(run, samples, verdicts), signatures, n)
        earlier = _relevant(new, earlier_pages(run, among, "n_shingles, minhash", contract(n)))
        decision = judge(new, earlier, partial(_texts, run, samples, new), threshold, n, CAP)
        _tell(decision, earlier.height, threshold)
        return {"verdict": _verdict_rows(decision, run.run_id, threshold, n)}

    return run.once("minhash", [*samples, *verdicts, *signatures], settings, make)
