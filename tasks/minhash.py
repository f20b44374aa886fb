"""Filter `minhash`: near-duplicate texts, found by MinHash and decided by exact Jaccard similarity.

Two texts are compared as sets of word n-grams: J = |A and B| / |A or B|, 0 to 1. Signatures (Broder 1997)
that agree in one of 32 bands of 4 rows are candidates (`tasks.bands`; at J = 0.7 that misses 2 pairs in
10,000, at 0.5 13 in 100: the loss is logged). Candidates whose sketches agree in less than threshold - 0.12
(three standard errors) are let go; the exact J of the rest decides. Score: J with the witness if dropped,
else the highest J computed, null when there was none.

A sample is dropped if and only if a kept one that comes before it (`tasks.precedence`) reaches the threshold;
the most similar of these is the witness, the first of equals. So no two kept samples are near-duplicates, as
far as candidates were found, and the far end of a chain stays, which collapsing connected components would
delete.

Signatures are streamed once and leave a sketch of 128 bytes a sample in memory; texts are read only of parts
with candidates, and their shingle sets lie in a scratch file when they are many (`tasks.shingle_store`).
"""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from tasks.band_index import sharing
from tasks.bands import N_BANDS, band_keys, expected_recall, sketches
from tasks.near_duplicates import BUDGET, CAP, Decision, Line, Texts, judge
from tasks.precedence import Roster, earlier_texts, roster
from tasks.shingles import contract
from tasks.signed import signed
from warehouse.run import Run

logger = logging.getLogger("seedloom.minhash")


def _line(
    run: Run, new: Roster, signatures: list[Partition], n: int, among: str
) -> tuple[Line, pl.DataFrame]:
    """The samples to judge behind the earlier ones that share a band with one: `run_id, sample_id`."""
    size = len(new.place)
    sketch, n_shingles = np.empty((size, 128), np.uint8), np.zeros(size, np.int32)
    keys = np.empty((N_BANDS, size), np.uint64) if among else None
    for frame, ranks in signed(run, new, signatures, ["n_shingles", "minhash"], contract(n)):
        minhash = _matrix(frame)
        sketch[ranks], n_shingles[ranks] = sketches(minhash), frame["n_shingles"].to_numpy()
        for band in range(N_BANDS if among else 0):
            keys[band, ranks] = band_keys(minhash, band)
    if keys is None:
        return Line(sketch, n_shingles, 0), _NOBODY
    found = sharing(run, among, contract(n), [_distinct(each, n_shingles > 0) for each in keys], CAP + 1)
    del keys
    sketch = np.concatenate([sketches(_matrix(found)), sketch])
    n_shingles = np.concatenate([found["n_shingles"].to_numpy().astype(np.int32), n_shingles])
    return Line(sketch, n_shingles, found.height), found.select(_NOBODY.columns)


def _matrix(frame: pl.DataFrame) -> np.ndarray:
    """Signatures as (n, 128) uint32."""
    return frame["minhash"].cast(pl.Array(pl.UInt32, 128)).to_numpy().reshape(-1, 128)


def _distinct(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Ascending distinct ones of the wanted keys, in the same memory: of millions there is no second copy."""
    keys = _moved(keys, wanted)
    keys.sort()
    return _moved(keys, np.diff(keys, prepend=~keys[:1]) != 0)


def _moved(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    found = keys[: np.count_nonzero(wanted)]
    found[:] = keys[wanted]
    return found


_NOBODY = pl.DataFrame(schema={"run_id": pl.String, "sample_id": pl.String})


def _texts(run: Run, new: Roster, earlier: pl.DataFrame) -> Texts:
    """The texts of wanted places of the line: of committed samples and of this run's."""

    def texts(wanted: np.ndarray) -> Iterator[tuple[pl.Series, np.ndarray]]:
        old = earlier.with_row_index("place").filter(pl.Series(wanted[: earlier.height]))
        for page in earlier_texts(run, old):
            asked = page.join(old, on="sample_id", maintain_order="left")
            yield asked["text"], asked["place"].to_numpy()
        for frame, ranks in new.read(run, ["text"], wanted[earlier.height :]):
            yield frame["text"], ranks + earlier.height

    return texts


def _tell(decision: Decision, n_earlier: int, threshold: float) -> None:
    """Say what was found and what may have been missed."""
    kept, full = decision.kept[n_earlier:], decision.full_bands[n_earlier:]
    found = "minhash: %d of %d samples are near-duplicates; %d earlier ones shared a band; recall at %g: %.4f"
    logger.info(found, (~kept).sum(), len(kept), n_earlier, threshold, expected_recall(threshold))
    full = full[kept]
    if full.any():
        left = "minhash: %d kept samples met bands with room for %d kept ones only, at worst in %d bands"
        logger.warning(left, (full > 0).sum(), CAP, full.max())


def _sheets(
    run: Run, new: Roster, earlier: pl.DataFrame, decision: Decision, **how: Any
) -> Iterator[pl.DataFrame]:
    """Verdicts of some samples at a time."""
    n_earlier = earlier.height
    witness = np.where(decision.kept, -1, decision.witness)
    named = np.unique(witness[witness >= 0])
    old = int(np.searchsorted(named, n_earlier))
    names = pl.concat([earlier["sample_id"].gather(named[:old]), new.names(run, named[old:] - n_earlier)])
    for ids, ranks in new.sheets(run):
        places = ranks + n_earlier
        kept = pl.Series(decision.kept[places])
        nearest = pl.Series(np.searchsorted(named, witness[places]))
        frame = pl.DataFrame(
            {
                "sample_id": ids,
                "keep": kept,
                "score": pl.Series(decision.score[places]).fill_nan(None),
                "witness_id": names.gather(pl.select(pl.when(~kept).then(nearest)).to_series()),
                "full_bands": decision.full_bands[places],
            }
        )
        yield _verdict_rows(frame, run.run_id, **how)


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

    def make() -> dict[str, Iterator[pl.DataFrame]]:
        new = roster(run, samples, verdicts)
        line, earlier = _line(run, new, signatures, n, among)
        decision = judge(line, _texts(run, new, earlier), threshold, n, run.folder, CAP, BUDGET)
        _tell(decision, line.n_earlier, threshold)
        return {"verdict": _sheets(run, new, earlier, decision, threshold=threshold, n=n)}

    return run.once("minhash", [*samples, *verdicts, *signatures], settings, make)
