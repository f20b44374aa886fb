"""Stored vectors as matrices: of this run by the ids asked for, of earlier runs page by page."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from schemas.errors import BadInput
from schemas.partition import Partition
from tasks.spread import unit
from warehouse.manifest import read_version
from warehouse.run import Run

PAGE = 20_000  # vectors at a time: 31 MB at d = 384


class Rows(NamedTuple):
    """Some rows of a set; a rank names a row and says who comes first."""

    vectors: np.ndarray  # (n, d) float32, unit length
    ranks: np.ndarray  # (n,) int64, ascending

    def at(self, places: np.ndarray | slice) -> "Rows":
        """These rows; places ascend."""
        return Rows(self.vectors[places], self.ranks[places])


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """The rows of (n, d) with length 1, float32; a row without direction (zero, NaN) becomes NaN."""
    found = np.full(vectors.shape, np.nan, dtype=np.float32)
    for start in range(0, len(vectors), PAGE):
        rows = np.asarray(vectors[start : start + PAGE], dtype=np.float64)
        norms = np.linalg.norm(rows, axis=1)
        known = np.isfinite(norms) & (norms > 0)
        found[start : start + PAGE][known] = unit(rows[known])
    return found


def encoder_of(run: Run, embeddings: list[Partition]) -> str | None:
    """The encoder of these parts of `embedding`; None without a vector.

    Raises:
        BadInput: when there are two: their vectors cannot be compared.
    """
    found = {code for part in embeddings for code in run.read(part, ["encoder"])["encoder"].unique()}
    if len(found) > 1:
        raise BadInput(f"embeddings of run {run.run_id} come from {len(found)} encoders: {sorted(found)}")
    return min(found, default=None)


def matrix(run: Run, embeddings: list[Partition], ids: pl.Series, encoder: str) -> np.ndarray:
    """The vectors of these ids under one encoder, (n, d) float32; a row of NaN where there is none."""
    wanted = ids.to_frame("sample_id").with_row_index("place")
    found = np.full((len(ids), 1), np.nan, dtype=np.float32)
    for part in embeddings:
        for places, vectors in _pages(run, part, wanted, encoder):
            if vectors.shape[1] != found.shape[1]:
                found = _widened(found, vectors.shape[1], encoder)
            found[places] = vectors
    return found


def earlier_pages(run: Run, ids: pl.Series, encoder: str) -> Iterator[Rows]:
    """Unit vectors of committed samples, rank = place of the id, ascending within a page."""
    wanted = ids.to_frame("sample_id").with_row_index("place")
    if wanted.is_empty():
        return
    for part in read_version(run.root, run.base_version).parts.get("embedding", []):
        for places, vectors in _pages(run, part, wanted, encoder):
            order = np.argsort(places)
            yield Rows(unit_rows(vectors[order]), places[order])


def _pages(
    run: Run, part: Partition, wanted: pl.DataFrame, encoder: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places (n,) int64 and vectors (n, d) of the wanted ids in one part."""
    columns = ["sample_id", "encoder", "vector"]
    rows = run.read(part, columns).filter(pl.col("encoder") == encoder).join(wanted, on="sample_id")
    for page in rows.iter_slices(PAGE):
        if page.height:
            d = len(page["vector"][0])
            yield page["place"].to_numpy().astype(np.int64), page["vector"].list.to_array(d).to_numpy()


def _widened(found: np.ndarray, d: int, encoder: str) -> np.ndarray:
    if np.isfinite(found).any():
        raise BadInput(f"vectors of encoder {encoder!r} have {found.shape[1]} and {d} dimensions")
    return np.full((len(found), d), np.nan, dtype=np.float32)
