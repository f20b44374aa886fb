"""The state of all that earlier runs kept of a recipe, from what they stored: no old text is read again.

Of every earlier run of the lineage the stored counts and sums are added (tables `tally`, `moment`). They hold
as long as the run still keeps the same samples: their number and fingerprint (tasks/tallies.py) are compared
with the ids that are clean now. After other verdicts (`rejudge`), or where a run is older than these tables,
they differ, and that run is read once more. A withdrawn run is in no view, so nothing of it is added. Read
back are the ids of all, and the texts and vectors of the hash sample alone.
"""

import math

import numpy as np
import polars as pl

from tasks import funnel, moments, tallies
from tasks.design import Design
from tasks.spread import Moments
from tasks.state import M, State, joined, nothing, of_texts, of_vectors
from tasks.tallies import Counts
from warehouse.run import Run

SLAB = 20_000  # rows of a run that is read again at once
_TEXTS = "sample_id, text, slots, instruction"
_FINGERPRINT = "sum(('0x' || left(sha256(sample_id), 8))::BIGINT)::BIGINT"


def earlier(run: Run, recipe: str, encoder: str | None, among: str, design: Design) -> State | None:
    """The state of what this recipe made before and is kept now; None when there is nothing.

    Args:
        run: the run that asks; it sees the warehouse as it was when it began.
        recipe: name of the recipe.
        encoder: of the vectors; None for a state without.
        among: SQL condition on `sample`.
        design: of the recipe, for runs that must be read again.
    """
    known = standing(run, recipe, among) if run.base_version else pl.DataFrame()
    if known.is_empty():
        return None
    whole = known.filter("stored")["run_id"].to_list()
    stale = known.filter(~pl.col("stored"))["run_id"]
    again = [_again(run, each, recipe, encoder, among, design) for each in stale]
    return _sampled(run, recipe, encoder, among, joined([_stored(run, whole, recipe, encoder), *again]))


def standing(run: Run, recipe: str, among: str) -> pl.DataFrame:
    """Columns run_id, n, stored: earlier runs that keep n samples of a recipe, and whether their state holds.

    `stored` is false when it was never stored, or when the run keeps other samples than it did then.
    """
    now = run.earlier(
        f"SELECT run_id, count(*) AS n, {_FINGERPRINT} AS fingerprint FROM clean_sample AS sample "
        f"WHERE final AND recipe = {quoted(recipe)} AND {among} GROUP BY run_id"
    )
    then = run.earlier(
        "SELECT run_id, max(n) FILTER (item = 'n') AS n, "
        f"max(n) FILTER (item = 'fingerprint/{tallies.EDITION}') AS fingerprint "
        f"FROM tally WHERE recipe = {quoted(recipe)} AND statistic = 'texts' GROUP BY run_id"
    ).with_columns(stored=pl.lit(True))
    found = now.join(then, on=["run_id", "n", "fingerprint"], how="left")
    return found.select("run_id", "n", pl.col("stored").fill_null(False)).sort("run_id")


def drift(run: Run, recipe: str, encoder: str | None, among: str, design: Design) -> pl.DataFrame:
    """The nightly check: what is stored of every run beside what its rows give now, read again.

    Columns run_id, stored (whether number and ids are the same), counts_differ (items with another count),
    sums_differ (relative, of the moments; rounding leaves about 1e-15; null without vectors).
    """
    rows = []
    for run_id, _, stored in standing(run, recipe, among).iter_rows():
        old = _stored(run, [run_id], recipe, encoder)
        new = _again(run, run_id, recipe, encoder, among, design)
        differ = sum(_differs(old.counts, new.counts, key) for key in old.counts | new.counts)
        rows.append((run_id, stored, differ, _apart(old.sums, new.sums)))
    kinds = {"run_id": pl.String, "stored": pl.Boolean, "counts_differ": pl.Int64, "sums_differ": pl.Float64}
    return pl.DataFrame(rows, schema=kinds, orient="row")


def quoted(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def _apart(old: Moments | None, new: Moments | None) -> float | None:
    if old is None or new is None:
        return None if old is new else math.inf
    return moments.difference(old, new)


def _differs(old: Counts, new: Counts, key: tuple[str, str]) -> bool:
    """Whether a count differs; what was paid and asked of a model is not in the rows of the samples."""
    return key[0] not in ("calls", "nano_usd", "unpriced") and old[key] != new[key]


def _stored(run: Run, run_ids: list[str], recipe: str, encoder: str | None) -> State:
    """The sum of what these runs stored; its sample is empty."""
    if not run_ids:
        return nothing()
    where = f"recipe = {quoted(recipe)} AND run_id IN ({', '.join(map(quoted, run_ids))})"
    counts = run.earlier(f"SELECT statistic, item, sum(n)::BIGINT AS n FROM tally WHERE {where} GROUP BY ALL")
    state = nothing()._replace(counts=tallies.from_rows(counts))
    if encoder is None:
        return state
    return state._replace(
        sums=moments.summed(
            run.earlier(f"SELECT * FROM moment WHERE {where} AND encoder = {quoted(encoder)}")
        )
    )


def _again(run: Run, run_id: str, recipe: str, encoder: str | None, among: str, design: Design) -> State:
    """The state of one earlier run from its rows."""
    where = f"sample.run_id = {quoted(run_id)} AND sample.recipe = {quoted(recipe)}"
    kept = f"(SELECT * FROM clean_sample AS sample WHERE final AND {where} AND {among})"
    texts = run.earlier(f"SELECT {_TEXTS}, language, output FROM {kept} ORDER BY sample_id")
    slabs = [of_texts(part, design) for part in texts.iter_slices(SLAB)]
    return joined([_funnel_again(run, where, among), *slabs, *_vectors_again(run, kept, encoder)])


def _funnel_again(run: Run, where: str, among: str) -> State:
    tree = run.earlier(
        f"SELECT sample_id, parent_id, final AND ({among}) AS final, slots FROM sample WHERE {where}"
    )
    judged = run.earlier(
        "SELECT sample_id, filter, keep, score FROM verdict "
        f"SEMI JOIN (SELECT sample_id FROM sample WHERE {where}) USING (sample_id)"
    )
    labelled = tree.select("sample_id", "parent_id", "final", label=tallies.label_of(tree["slots"]))
    return nothing()._replace(counts=funnel.counted(labelled, judged))


def _vectors_again(run: Run, kept: str, encoder: str | None) -> list[State]:
    if encoder is None:
        return []
    rows = run.earlier(
        f"SELECT sample_id, truncated, vector FROM embedding SEMI JOIN {kept} USING (sample_id) "
        f"WHERE encoder = {quoted(encoder)} ORDER BY sample_id"
    )
    return [of_embeddings(part, encoder) for part in rows.iter_slices(SLAB)]


def of_embeddings(rows: pl.DataFrame, encoder: str) -> State:
    """The state of rows of `embedding`: columns sample_id, truncated, vector; one row or more."""
    flags = {("truncated", "n"): rows.height, ("truncated", "hit"): int(rows["truncated"].sum())}
    found = of_vectors(rows["sample_id"].to_list(), matrix(rows["vector"]), encoder)
    found.counts.update(flags)
    return found


def matrix(vectors: pl.Series) -> np.ndarray:
    """A column of lists of one length, without nulls, as (n, d) float32."""
    return vectors.list.to_array(len(vectors[0])).to_numpy() if len(vectors) else np.zeros((0, 1), np.float32)


def sample_of(run: Run, recipes: list[str], encoder: str, among: str) -> np.ndarray:
    """Vectors of the hash sample of what these recipes made before and is kept, (k, d), k at most M."""
    if not run.base_version:
        return np.zeros((0, 1), np.float32)
    names = ", ".join(map(quoted, recipes))
    chosen = _members(f"sample.recipe IN ({names}) AND {among}", encoder)
    found = run.earlier(
        f"SELECT sample_id, vector FROM embedding WHERE encoder = {quoted(encoder)} "
        f"AND sample_id IN {chosen} ORDER BY sha256(sample_id)"
    )
    return matrix(found["vector"])


def _members(where: str, encoder: str | None) -> str:
    """SQL for the ids of the hash sample of kept final samples, of those with a vector."""
    embedded = f"SELECT sample_id FROM embedding WHERE encoder = {quoted(encoder or '')}"
    has = "" if encoder is None else f"SEMI JOIN ({embedded}) USING (sample_id) "
    return (
        f"(SELECT sample_id FROM clean_sample AS sample {has}WHERE final AND {where} "
        f"ORDER BY sha256(sample_id) LIMIT {M})"
    )


def _sampled(run: Run, recipe: str, encoder: str | None, among: str, state: State) -> State:
    """The state with the hash sample of all that is kept: of old rows, its texts and vectors are read."""
    where = f"recipe = {quoted(recipe)} AND {among}"
    rows = run.earlier(
        f"SELECT {_TEXTS} FROM sample WHERE sample_id IN {_members(where, None)} ORDER BY sha256(sample_id)"
    )
    texts = rows.select("sample_id", "text", "instruction", label=tallies.label_of(rows["slots"]))
    if encoder is None:
        return state._replace(texts=texts)
    found = run.earlier(
        f"SELECT sample_id, vector FROM embedding WHERE encoder = {quoted(encoder)} "
        f"AND sample_id IN {_members(where, encoder)} ORDER BY sha256(sample_id)"
    )
    return state._replace(texts=texts, ids=found["sample_id"].to_list(), vectors=matrix(found["vector"]))
