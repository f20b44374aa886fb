"""From rows that an index found to samples: which are clean and of the lineage, and which are admitted.

Read are the row groups of `signature` that hold a row that was found: first the ids only, then, of the
samples that are clean and among the first of a key, the minima. Memory follows the rows that were found.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.bands import band_keys
from warehouse.index import Answering
from warehouse.parts import ROW_GROUP, polars_schema, read_part
from warehouse.run import Run
from warehouse.segments import Found

_MINHASH = pl.Array(pl.UInt32, 128)
_MINIMA = {"n_shingles": pl.Int64, "minhash": _MINHASH}
# A sample is clean when no verdict drops it nor one that it grew from, as in the mart clean_sample; asked for
# these samples only, since the mart would go through all.
_CLEAN = """
WITH RECURSIVE ours AS (
    SELECT sample.run_id, sample.sample_id, sample.parent_id
    FROM sample JOIN wanted USING (sample_id)
    WHERE final AND ({among})
),
line AS (
    SELECT sample_id AS below, parent_id AS id FROM ours WHERE parent_id IS NOT NULL
    UNION
    SELECT line.below, above.parent_id
    FROM line JOIN sample AS above ON above.sample_id = line.id
    WHERE above.parent_id IS NOT NULL
),
judged AS (
    SELECT sample_id AS below, sample_id AS id FROM ours UNION ALL SELECT below, id FROM line
),
fallen AS (
    SELECT judged.below AS sample_id FROM judged JOIN verdict ON verdict.sample_id = judged.id WHERE NOT keep
)
SELECT run_id, sample_id FROM ours ANTI JOIN fallen USING (sample_id)
"""


class Meetings(NamedTuple):
    """Clean earlier samples and keys of new ones that meet in one band."""

    place: np.ndarray  # (m,) int64, which key of the band
    rank: np.ndarray  # (m,) int64, which sample, in the order of run_id and sample_id


def matrix(minhash: pl.Series) -> np.ndarray:
    """Signatures as (n, 128) uint32."""
    return minhash.cast(_MINHASH).to_numpy().reshape(-1, 128)


def candidates(
    run: Run, segments: list[Answering], found: list[list[Found]], columns: list[str]
) -> pl.DataFrame:
    """All rows that were found: `number` of the segment, `row` in it, and these columns of `signature`."""
    frames = [
        pl.DataFrame(
            schema={"number": pl.Int64, "row": pl.Int64}
            | {name: polars_schema("signature")[name] for name in columns}
        )
    ]
    for number, (each, of) in enumerate(zip(segments, found, strict=True)):
        hit = np.zeros(each.segment.header.rows, bool)
        for one in of:
            hit[each.segment.rows(one)] = True
        rows = np.flatnonzero(hit)
        rows = rows[each.ours(rows)]
        about = pl.DataFrame({"number": np.full(len(rows), number), "row": rows})
        frames.append(pl.concat([about, _read(run, each, rows, columns)], how="horizontal"))
    return pl.concat(frames)


def _read(run: Run, each: Answering, rows: np.ndarray, columns: list[str]) -> pl.DataFrame:
    """Columns of rows of a segment, ascending; a row group that has none of them is not read."""
    number, row = each.place(rows)
    group = row // ROW_GROUP
    frames = [pl.DataFrame(schema={name: polars_schema("signature")[name] for name in columns})]
    starts = np.flatnonzero(np.diff(number, prepend=-1) | np.diff(group, prepend=-1))
    for some in np.split(np.arange(len(rows)), starts[1:]) if len(rows) else []:
        first = int(group[some[0]]) * ROW_GROUP
        frame = read_part(run.root, each.parts[number[some[0]]], columns, (first, ROW_GROUP))
        frames.append(frame[row[some] - first])
    return pl.concat(frames)


def clean(run: Run, among: str, found: pl.DataFrame) -> pl.DataFrame:
    """The candidates that are clean, final and of the lineage, with `run_id` and `rank`, sorted by rank."""
    wanted = found.select("sample_id").unique()
    nobody = pl.DataFrame(schema={"run_id": pl.String, "sample_id": pl.String})
    known = run.earlier(_CLEAN.format(among=among), wanted=wanted) if wanted.height else nobody
    one_each = found.unique("sample_id", keep="first", maintain_order=True)
    return known.join(one_each, on="sample_id").sort("run_id", "sample_id").with_row_index("rank")


def meetings(segments: list[Answering], found: list[Found], known: pl.DataFrame) -> Meetings:
    """Who meets in one band, by key and rank."""
    places, ranks = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number, (each, of) in enumerate(zip(segments, found, strict=True)):
        here = known.filter(pl.col("number") == number).sort("row")
        if not here.height:
            continue
        rows = each.segment.rows(of)
        at = np.minimum(np.searchsorted(here["row"].to_numpy(), rows), here.height - 1)
        meets = here["row"].to_numpy()[at] == rows
        places.append(np.repeat(of.places, of.sizes)[meets])
        ranks.append(here["rank"].to_numpy()[at[meets]])
    place, rank = np.concatenate(places), np.concatenate(ranks)
    order = np.lexsort((rank, place))
    return Meetings(place[order], rank[order])


def admitted(
    run: Run,
    segments: list[Answering],
    known: pl.DataFrame,
    keys: Sequence[np.ndarray],
    pairs: list[Meetings],
    most: int,
) -> pl.DataFrame:
    """The first `most` of each key, with their signatures; what agrees by chance makes room for another.

    Args:
        run: the run that judges.
        segments: that were asked.
        known: what `clean` gave.
        keys: that were looked up in each band.
        pairs: what `meetings` gave for each band.
        most: earlier samples admitted for one key of one band.
    """
    while True:
        first = [_first(each, most) for each in pairs]
        ranks = np.unique(np.concatenate([each.rank for each in first]))
        found = _signed(run, segments, known[ranks])
        minhash, by_chance = matrix(found["minhash"]), 0
        for band, each in enumerate(first):
            ours = band_keys(minhash, band)[np.searchsorted(ranks, each.rank)]
            wrong = ours != keys[band][each.place]
            by_chance += wrong.sum()
            pairs[band] = _without(pairs[band], each, wrong)
        if not by_chance:
            return found


def _first(pairs: Meetings, most: int) -> Meetings:
    turn = np.arange(len(pairs.place)) - np.searchsorted(pairs.place, pairs.place)
    return Meetings(pairs.place[turn < most], pairs.rank[turn < most])


def _without(pairs: Meetings, some: Meetings, wrong: np.ndarray) -> Meetings:
    if not wrong.any():
        return pairs
    bad = set(zip(some.place[wrong].tolist(), some.rank[wrong].tolist(), strict=True))
    right = np.array(
        [pair not in bad for pair in zip(pairs.place.tolist(), pairs.rank.tolist(), strict=True)]
    )
    return Meetings(pairs.place[right], pairs.rank[right])


def _signed(run: Run, segments: list[Answering], some: pl.DataFrame) -> pl.DataFrame:
    """The signatures of clean candidates, in their order."""
    columns = ["n_shingles", "minhash"]
    frames = [pl.DataFrame(schema={"rank": some.schema["rank"]} | {n: _MINIMA[n] for n in columns})]
    for number, each in enumerate(segments):
        ours = some.filter(pl.col("number") == number).sort("row")
        read = _read(run, each, ours["row"].to_numpy(), columns)
        frames.append(pl.concat([ours.select("rank"), read.cast({"minhash": _MINHASH})], how="horizontal"))
    return some.join(pl.concat(frames), on="rank", how="left", maintain_order="left")
