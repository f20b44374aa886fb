"""Filter `exact`: texts with the same words in the same order are one text.

Compared is the digest stored with the signature: blake2b-128 of the normalised text, i.e. its words (Unicode,
NFKC, lower-case; `tasks.tokens`) each followed by a space. No text is read. Score: 1 for a repetition, 0
otherwise; threshold 1. Texts without words repeat nothing; nor do, here, samples whose signature is so old
that it has no digest: `minhash` finds their repetitions at J = 1. It would find all others too, at a higher
price, so this filter runs before it.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from tasks.band_index import repeating
from tasks.precedence import Roster, roster
from tasks.signed import signed
from warehouse.run import Run

_WIDTH = 16  # bytes of a digest


def judge(digests: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which samples repeat one that comes before them.

    Args:
        digests: (n, 2) uint64, digests of samples by precedence.
        known: (n,) bool, false for a sample that has none and so repeats nothing.

    Returns:
        (n,) int64, for each sample the first with its digest, or -1 when that is the sample itself.
    """
    columns = {"row": np.flatnonzero(known), "low": digests[known, 0], "high": digests[known, 1]}
    firsts = pl.DataFrame(columns).select("row", first=pl.col("row").min().over("low", "high"))
    first = np.full(len(known), -1)
    first[columns["row"]] = firsts["first"].to_numpy()
    first[first == np.arange(len(first))] = -1
    return first


def halves(digests: pl.Series) -> np.ndarray:
    """Digests without nulls as two numbers each, (n, 2) uint64."""
    buffer = digests.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.binary(_WIDTH)).buffers()[1]
    return np.frombuffer(buffer or b"", np.uint64).reshape(-1, 2)[: len(digests)]


@task(name="exact", cache_policy=NO_CACHE)
def exact(
    run: Run, samples: list[Partition], verdicts: list[Partition], signatures: list[Partition], among: str
) -> list[Partition]:
    """Verdicts `exact` on the final samples that earlier filters kept.

    Args:
        run: the run that judges.
        samples: all its samples.
        verdicts: all its verdicts so far; those of `quality` say which of two equal texts is kept.
        signatures: of the samples.
        among: SQL condition on the earlier samples to compare with, empty for none.

    Raises:
        SeedloomError: when a sample that is judged has no signature.
    """

    def make() -> dict[str, Iterator[pl.DataFrame]]:
        return {"verdict": _sheets(run, roster(run, samples, verdicts), signatures, among)}

    return run.once("exact", [*samples, *verdicts, *signatures], {"among": among}, make)


def _sheets(run: Run, line: Roster, signatures: list[Partition], among: str) -> Iterator[pl.DataFrame]:
    """Verdicts of some samples at a time."""
    digests, known = _digests(run, line, signatures)
    earlier = _earlier(run, among, digests[known])
    n_earlier = earlier.height
    all_digests = np.concatenate([halves(earlier["digest"]), digests])
    first = judge(all_digests, np.concatenate([np.ones(n_earlier, bool), known]))[n_earlier:]
    named = np.unique(first[first >= n_earlier]) - n_earlier
    witnesses = pl.concat([earlier["sample_id"], line.names(run, named)])
    place = np.where(first < n_earlier, first, n_earlier + np.searchsorted(named, first - n_earlier))
    for ids, ranks in line.sheets(run):
        yield _verdict_rows(ids, pl.Series(place[ranks]), witnesses, run.run_id)


def _verdict_rows(ids: pl.Series, place: pl.Series, witnesses: pl.Series, run_id: str) -> pl.DataFrame:
    """Verdicts on `ids`; the witness of each lies at its place, -1 for none."""
    repeats = place >= 0
    return pl.DataFrame({"sample_id": ids}).with_columns(
        run_id=pl.lit(run_id),
        filter=pl.lit("exact"),
        keep=~repeats,
        score=repeats.cast(pl.Float64),
        threshold=pl.lit(1.0),
        witness_id=witnesses.gather(pl.select(pl.when(repeats).then(place)).to_series()),
        reason=pl.when(repeats).then(pl.lit("the same words as a sample that comes first")),
    )


def _digests(run: Run, line: Roster, signatures: list[Partition]) -> tuple[np.ndarray, np.ndarray]:
    """Digests by rank, (n, 2) uint64, and who has one, (n,) bool."""
    digests, known = np.zeros((len(line.place), 2), np.uint64), np.zeros(len(line.place), bool)
    for frame, ranks in signed(run, line, signatures, ["digest"]):
        has = frame["digest"].is_not_null().to_numpy()
        known[ranks[has]] = True
        digests[ranks[has]] = halves(frame["digest"].drop_nulls())
    return digests, known


def _earlier(run: Run, among: str, digests: np.ndarray) -> pl.DataFrame:
    """Earlier samples with one of these digests, by precedence: `sample_id, digest`."""
    if not among:
        return pl.DataFrame(schema={"sample_id": pl.String, "digest": pl.Binary})
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(_WIDTH), len(digests), [None, pa.py_buffer(np.ascontiguousarray(digests))]
    )
    found = repeating(run, among, pl.Series("digest", fixed.cast(pa.large_binary())))
    return found.select("sample_id", "digest")
