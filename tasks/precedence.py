"""Who is judged, in which order, and against whom: what the filters that look for repetitions share.

Of two samples that repeat each other the one that comes first is kept: earlier committed ones (by run_id and
sample_id), then by quality (highest first, unknown last), ordinal and sample_id. The order is total, so no
result depends on where rows lie. Samples are numbers here, some 30 bytes each; ids and texts stay on disk.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from schemas.partition import Partition
from tasks.ahead import ahead
from tasks.id_index import IdIndex
from tasks.survivors import standing
from warehouse.manifest import read_version
from warehouse.parts import ROW_GROUP, read_part
from warehouse.run import Run

SHEET = 20_000  # rows of one part of verdicts, where parts of samples are not larger


class Roster(NamedTuple):
    """The samples to judge, numbered by precedence: rank 0 comes first. Places: see `survivors.Standing`."""

    samples: list[Partition]
    ids: IdIndex
    bounds: np.ndarray  # (parts + 1,) int64
    place: np.ndarray  # (n,) int32, where the sample of each rank lies
    rank: np.ndarray  # (places,) int32, -1 for a sample that is not judged

    def find(self, ids: pl.Series) -> np.ndarray:
        """Ranks of samples, (m,) int64; -1 for one that is not judged."""
        places = self.ids.find(ids)
        return np.where(places < 0, -1, self.rank[places]) if len(self.rank) else places

    def names(self, run: Run, ranks: np.ndarray) -> pl.Series:
        """Ids of the samples of these ranks."""
        return _names(run, self.samples, self.bounds, self.place[ranks])

    def sheets(self, run: Run) -> Iterator[tuple[pl.Series, np.ndarray]]:
        """All judged samples, some `SHEET` at a time, in the order of their parts: ids and ranks."""

        def sheet(cut: tuple[int, int]) -> tuple[pl.Series, np.ndarray]:
            ids = [run.read(part, ["sample_id"])["sample_id"] for part in self.samples[slice(*cut)]]
            ranks = self.rank[self.bounds[cut[0]] : self.bounds[cut[1]]]
            return pl.concat(ids).filter(pl.Series(ranks >= 0)), ranks[ranks >= 0]

        return ahead(sheet, pairwise(_cuts(self.bounds)))

    def read(
        self, run: Run, columns: list[str], wanted: np.ndarray
    ) -> Iterator[tuple[pl.DataFrame, np.ndarray]]:
        """Columns of the ranks that are wanted, (n,) bool, and their ranks; other row groups are not read."""
        asked = np.append(wanted, False)  # rank -1 is the last
        for part, (first, last) in zip(self.samples, pairwise(self.bounds), strict=True):
            for start in range(first, last, ROW_GROUP):
                ranks = self.rank[start : min(start + ROW_GROUP, last)]
                rows = np.flatnonzero(asked[ranks])
                if len(rows):
                    frame = read_part(run.root, part, columns, (int(start - first), len(ranks)))
                    yield frame[rows], ranks[rows]


def roster(run: Run, samples: list[Partition], verdicts: list[Partition]) -> Roster:
    """Final samples that no verdict drops, nor a sample they grew from, by precedence.

    Raises:
        SeedloomError: when two samples share an id.
    """
    found = standing(run, samples, verdicts)
    live = np.flatnonzero(found.live).astype(np.int32)
    ordinals = ahead(lambda part: run.read(part, ["ordinal"])["ordinal"].to_numpy(), samples)
    ordinal = np.concatenate([np.zeros(0, np.int64), *ordinals])[live]
    quality = _quality(run, verdicts, found.ids)[live]
    order, tied = _ordered(quality, ordinal)
    place = live[order]
    _settle(place, tied, run, samples, found.bounds)
    rank = np.full(found.bounds[-1], -1, np.int32)
    rank[place] = np.arange(len(place), dtype=np.int32)
    return Roster(samples, found.ids, found.bounds, place, rank)


def earlier_texts(run: Run, wanted: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """`sample_id, text` of committed samples, part by part; only the texts of parts that hold one are read.

    Args:
        run: a run that began on top of them.
        wanted: columns `run_id, sample_id`.
    """
    runs = set(wanted["run_id"])
    for part in read_version(run.root, run.base_version).parts.get("sample", []) if runs else []:
        if part.path.split("/")[2].removeprefix("run=") in runs:
            rows = run.read(part, ["sample_id"])["sample_id"].is_in(wanted["sample_id"].implode()).arg_true()
            if len(rows):
                yield run.read(part, ["sample_id", "text"])[rows]


def _quality(run: Run, verdicts: list[Partition], ids: IdIndex) -> np.ndarray:
    """Score of the filter `quality` by place, float64; nan where it is unknown."""
    quality = np.full(len(ids.keys), np.nan)
    for part in verdicts:
        if "quality" not in run.read(part, ["filter"])["filter"].unique():
            continue
        scored = run.read(part, ["sample_id", "filter", "score"]).filter(pl.col("filter") == "quality")
        places = ids.find(scored["sample_id"])
        quality[places[places >= 0]] = scored["score"].cast(pl.Float64).to_numpy()[places >= 0]
    return quality


def _ordered(quality: np.ndarray, ordinal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order by quality and ordinal, and by place in it the number of its group of equals, (n,) int64."""
    frame = pl.DataFrame({"quality": pl.Series(quality).fill_nan(None), "ordinal": ordinal})
    by = pl.arg_sort_by("quality", "ordinal", descending=[True, False], nulls_last=True)
    order = frame.select(by).to_series().to_numpy().astype(np.int32)
    scores, numbers = np.nan_to_num(quality[order], nan=-np.inf), ordinal[order]
    differs = (scores[1:] != scores[:-1]) | (numbers[1:] != numbers[:-1])
    return order, np.concatenate([np.zeros(min(1, len(order)), np.int64), np.cumsum(differs)])


def _settle(
    place: np.ndarray, group: np.ndarray, run: Run, samples: list[Partition], bounds: np.ndarray
) -> None:
    """Order those of equal quality and ordinal by id; the ids of no others are read."""
    tied = np.zeros(len(group), bool)
    equal = group[1:] == group[:-1]
    tied[1:] |= equal
    tied[:-1] |= equal
    if tied.any():
        names = _names(run, samples, bounds, place[tied])
        by_name = pl.DataFrame({"group": group[tied], "name": names, "place": place[tied]})
        place[tied] = by_name.sort("group", "name")["place"].to_numpy()


def _names(run: Run, samples: list[Partition], bounds: np.ndarray, places: np.ndarray) -> pl.Series:
    order = np.argsort(places, kind="stable")
    rows = places[order]
    found = [pl.Series("sample_id", [], dtype=pl.String)]
    for part, first, (start, stop) in zip(
        samples, bounds, pairwise(np.searchsorted(rows, bounds)), strict=False
    ):
        if stop > start:
            found.append(run.read(part, ["sample_id"])["sample_id"].gather(rows[start:stop] - first))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pl.concat(found).gather(back)


def _cuts(bounds: np.ndarray) -> list[int]:
    """Where to cut the parts into sheets: numbers of parts, from the first to behind the last."""
    cuts = [0]
    for part in range(1, len(bounds)):
        if part > cuts[-1] + 1 and bounds[part] - bounds[cuts[-1]] > SHEET:
            cuts.append(part - 1)
    return [*cuts, len(bounds) - 1] if len(bounds) > 1 else cuts
