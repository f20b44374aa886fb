"""Earlier samples that could matter to new ones, found in an index and not by reading the warehouse.

Keys of all bands (`tasks.bands`) and of all digests of the warehouse lie sorted on disk (`warehouse.index`),
so looking up m keys among n costs about m log n, however much has been committed. The rows that were found
are then looked at (`tasks.band_matches`): what agreed by chance is dropped, and DuckDB says which of their
samples are clean, final and of the lineage in the version that the run was begun on. Results equal those of
reading everything.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import polars as pl

from schemas.ids import digest
from schemas.partition import Partition
from tasks.band_matches import admitted, candidates, clean, matrix, meetings
from tasks.bands import N_BANDS, band_keys
from warehouse.index import Answering, ask
from warehouse.manifest import read_version
from warehouse.parts import ROW_GROUP, read_part
from warehouse.run import Run

VERSION = 1  # of the keys: another one is another index
NOBODY = ("", "false")  # lineages of a run that stands alone

_SHARING = {
    "run_id": pl.String,
    "sample_id": pl.String,
    "n_shingles": pl.Int64,
    "minhash": pl.Array(pl.UInt32, 128),
}
_REPEATING = {"run_id": pl.String, "sample_id": pl.String, "digest": pl.Binary}


def sharing(run: Run, among: str, contract: str, keys: Sequence[np.ndarray], most: int) -> pl.DataFrame:
    """Clean final earlier samples of the lineage that share a band with a new one.

    Args:
        run: the run that judges; what is earlier is the version that it was begun on.
        among: SQL condition on columns of `sample` that names the lineage; empty when the run stands alone.
        contract: of the signatures.
        keys: for each of the 32 bands, ascending distinct `tasks.bands.band_keys` of the new samples.
        most: earlier samples admitted for one key of one band, the first by run_id and sample_id.

    Returns:
        `run_id, sample_id, n_shingles, minhash`, sorted by run_id and sample_id.
    """
    if among in NOBODY or not any(map(len, keys)):
        return pl.DataFrame(schema=_SHARING)

    def look(segments: list[Answering]) -> pl.DataFrame:
        found = [[each.segment.find(band, some) for band, some in enumerate(keys)] for each in segments]
        known = clean(run, among, candidates(run, segments, found, ["sample_id"]))
        met = [meetings(segments, [of[band] for of in found], known) for band in range(N_BANDS)]
        return admitted(run, segments, known, keys, met, most).select(list(_SHARING)).cast(_SHARING)

    kind = f"bands-{digest(VERSION, contract)}"
    return ask(run.root, kind, _signatures(run), partial(_band_keys_of, run, contract), look)


def repeating(run: Run, among: str, digests: pl.Series) -> pl.DataFrame:
    """Clean final earlier samples of the lineage with one of these digests, under any contract.

    Args:
        run: the run that judges; what is earlier is the version that it was begun on.
        among: SQL condition on columns of `sample` that names the lineage; empty when the run stands alone.
        digests: 16 bytes each, in any order; null stands for no words, which repeat nothing.

    Returns:
        `run_id, sample_id, digest`, sorted by run_id and sample_id.
    """
    wanted = digests.drop_nulls().unique().alias("digest").to_frame()
    if among in NOBODY or not wanted.height:
        return pl.DataFrame(schema=_REPEATING)
    keys = np.unique(_heads(wanted["digest"]))

    def look(segments: list[Answering]) -> pl.DataFrame:
        found = [[each.segment.find(0, keys)] for each in segments]
        alike = candidates(run, segments, found, ["sample_id", "digest"]).join(
            wanted, on="digest", how="semi"
        )
        return clean(run, among, alike).select(list(_REPEATING))

    return ask(run.root, f"digests-{VERSION}", _signatures(run), partial(_heads_of, run), look)


def _signatures(run: Run) -> list[Partition]:
    return read_version(run.root, run.base_version).parts.get("signature", [])


def _band_keys_of(run: Run, contract: str, part: Partition) -> tuple[np.ndarray, np.ndarray]:
    """Keys of all bands, (32, m), and the m rows of a part that have words and this contract."""
    about = run.read(part, ["contract", "n_shingles"])
    signed = ((about["contract"] == contract) & (about["n_shingles"] > 0)).to_numpy()
    keys = np.empty((N_BANDS, signed.sum()), np.uint64)
    done = 0
    for start in range(0, part.rows if signed.any() else 0, ROW_GROUP):
        minhash = read_part(run.root, part, ["minhash"], (start, ROW_GROUP))["minhash"]
        some = matrix(minhash)[signed[start : start + ROW_GROUP]]
        for band in range(N_BANDS):
            keys[band, done : done + len(some)] = band_keys(some, band)
        done += len(some)
    return keys, np.flatnonzero(signed)


def _heads_of(run: Run, part: Partition) -> tuple[np.ndarray, np.ndarray]:
    """First halves of the digests of a part, (1, m), and the m rows that have one."""
    digests = run.read(part, ["digest"])["digest"]
    return _heads(digests.drop_nulls())[None], np.flatnonzero(digests.is_not_null().to_numpy())


def _heads(digests: pl.Series) -> np.ndarray:
    """The first 8 bytes of each digest as uint64."""
    return np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)[:, 0].copy()
