"""Which samples no filter dropped, nor what they grew from: the rule of `clean_sample.sql`.

On frames for few samples (`fallen`, `causes`, `survivors`); on parts for any number (`surviving`,
`standing`), where a sample costs some 30 bytes while the parts stream by, not its strings.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from schemas.partition import Partition
from tasks.ahead import ahead
from tasks.id_index import IdIndex, id_keys, index_ids
from warehouse.run import Run


def fallen(samples: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Ids that are dropped: judged so, or grown from one that is.

    Args:
        samples: columns sample_id, parent_id, of every level.
        verdicts: columns sample_id, keep.

    Returns:
        Column sample_id, each id once, sorted.
    """
    children = samples.select("sample_id", pl.col("parent_id").alias("parent"))
    found = layer = verdicts.filter(~pl.col("keep")).select("sample_id").unique()
    while layer.height:
        grown = children.join(layer, left_on="parent", right_on="sample_id", how="semi").select("sample_id")
        layer = grown.unique().join(found, on="sample_id", how="anti")
        found = pl.concat([found, layer])
    return found.sort("sample_id")


def causes(samples: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Columns filter, sample_id: every sample that a filter drops, itself or by what it grew from; sorted."""
    blamed = verdicts.filter(~pl.col("keep")).select("filter", "sample_id").unique()
    each = [
        fallen(samples, group.with_columns(keep=pl.lit(False))).with_columns(filter=pl.lit(name))
        for (name,), group in blamed.group_by("filter")
    ]
    empty = pl.DataFrame(schema={"filter": pl.String, "sample_id": pl.String})
    return pl.concat([empty, *(frame.select("filter", "sample_id") for frame in each)]).sort(
        "filter", "sample_id"
    )


def survivors(samples: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """The final samples that are not fallen, sorted by id; needs columns sample_id, parent_id, final."""
    dropped = fallen(samples, verdicts)
    return samples.filter("final").join(dropped, on="sample_id", how="anti").sort("sample_id")


class Standing(NamedTuple):
    """All n samples of some parts, in the order of the parts and of their rows."""

    ids: IdIndex  # places are those of this order
    bounds: np.ndarray  # (parts + 1,) int64, part i holds the places from bounds[i] to bounds[i + 1]
    live: np.ndarray  # (n,) bool: final, and neither dropped nor grown from what was


def surviving(
    run: Run, samples: list[Partition], verdicts: list[Partition], columns: list[str]
) -> Iterator[pl.DataFrame]:
    """These columns of the final samples that are not fallen: one frame for each part, in the order of parts.

    Rows of a part are in its own order, i.e. by sample_id; a part of which nobody survives gives an empty
    frame. The verdicts may be those of all filters; memory is some 30 bytes a sample beside one frame.
    """
    found = standing(run, samples, verdicts)
    for part, first, last in zip(samples, found.bounds[:-1], found.bounds[1:], strict=True):
        yield run.read(part, columns).filter(pl.Series(found.live[first:last]))


def standing(run: Run, samples: list[Partition], verdicts: list[Partition]) -> Standing:
    """Who survives, with the means to find a sample by its id.

    Raises:
        SeedloomError: when two samples share an id.
    """
    ids = index_ids(lambda: ahead(lambda part: run.read(part, ["sample_id"])["sample_id"], samples))
    bounds = np.concatenate([[0], np.cumsum([part.rows for part in samples], dtype=np.int64)]).astype(int)
    final, parent = np.empty(bounds[-1], bool), np.full(bounds[-1], -1, np.int32)
    dropped = _dropped(run, verdicts, ids.seed)
    fallen = np.zeros(bounds[-1], bool)
    fallen[ids.places[np.isin(ids.keys, dropped)]] = True
    frames = ahead(lambda part: run.read(part, ["parent_id", "final"]), samples)
    for frame, (first, last) in zip(frames, pairwise(bounds), strict=True):
        here = slice(first, last)
        final[here] = frame["final"].to_numpy()
        if frame["parent_id"].null_count() < frame.height:
            parent[here], fallen_here = _parents(frame["parent_id"], ids, dropped)
            fallen[here] |= fallen_here
    _fall(fallen, parent)
    return Standing(ids, bounds, final & ~fallen)


def _dropped(run: Run, verdicts: list[Partition], seed: int) -> np.ndarray:
    """Hashes of the ids that some filter drops, uint64, ascending."""
    frames = ahead(lambda part: run.read(part, ["sample_id", "keep"]), verdicts)
    keys = [id_keys(frame.filter(~pl.col("keep"))["sample_id"], seed) for frame in frames]
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *keys]))


def _parents(ids: pl.Series, index: IdIndex, dropped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the parent of each sample lies, -1 for none or one elsewhere, and whether it is dropped."""
    known = ids.is_not_null().to_numpy()
    lost = np.isin(id_keys(ids, index.seed), dropped)
    return np.where(known, index.find(ids), -1).astype(np.int32), known & lost


def _fall(fallen: np.ndarray, parent: np.ndarray) -> None:
    """What grew from the fallen falls, layer by layer."""
    grown = np.flatnonzero(parent >= 0)
    while len(grown):
        newly = grown[fallen[parent[grown]] & ~fallen[grown]]
        if not len(newly):
            return
        fallen[newly] = True
