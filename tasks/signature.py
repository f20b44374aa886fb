"""Table `signature`: one MinHash per final sample (Broder 1997), 128 minima over word n-grams.

The contract (`tasks.shingles.contract`) names normalisation, shingle, hash, scheme, seed and K; signatures of
different contracts are never compared. The share of equal minima of two signatures estimates the Jaccard
similarity of their texts, 0 to 1, with a standard error of sqrt(s (1 - s) / 128): 0.04 at s = 0.7. The
digest, blake2b-128 of the words in order, is what the filter `exact` compares.
"""

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from tasks.shingles import contract, fingerprints
from warehouse.run import Run


def signature_rows(samples: pl.DataFrame, n: int) -> pl.DataFrame:
    """Signatures of `sample_id, text`: `sample_id, contract, n_shingles, minhash` (128 uint32), `digest`."""
    minima, n_shingles, digest = fingerprints(samples["text"], n)
    return samples.select(
        "sample_id",
        contract=pl.lit(contract(n)),
        n_shingles=pl.Series(n_shingles),
        minhash=pl.Series(minima, dtype=pl.Array(pl.UInt32, 128)),
        digest=digest,
    )


@task(name="signature", cache_policy=NO_CACHE)
def signatures(run: Run, samples: list[Partition], n: int) -> list[Partition]:
    """Signatures of all final samples, one part for each part of samples.

    Args:
        run: the run that made the samples.
        samples: all its samples.
        n: words per shingle: 5 for long texts, 3 for instructions.

    Raises:
        BadInput: for another n.
    """
    settings = {"contract": contract(n)}
    return [
        made
        for part in samples
        for made in run.once("signature", [part], settings, lambda part=part: _signed(run, part, n))
    ]


def _signed(run: Run, part: Partition, n: int) -> dict[str, pl.DataFrame]:
    final = run.read(part, columns=["sample_id", "text", "final"]).filter("final").drop("final")
    return {"signature": signature_rows(final, n).with_columns(run_id=pl.lit(run.run_id))}
