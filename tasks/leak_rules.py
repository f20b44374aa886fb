"""The rules of decontamination on texts and on vectors: which evaluation text each text repeats.

The compiled parts are `tasks.leak_grams` and `tasks.leak_rouge`. Nothing depends on the order of the texts or
on who is beside them: cosines near the threshold are computed again one by one, in double precision.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tasks.leak_words import Lists, Table, hashed_words, known_words, look_up, table_of

if TYPE_CHECKING:
    from tasks.leak_grams import GramIndex
    from tasks.leak_rouge import RougeIndex

RUN_RULE, COVER_RULE, ROUGE_RULE, COSINE_RULE = 1, 2, 3, 4
THRESHOLDS = {RUN_RULE: 13.0, COVER_RULE: 0.5, ROUGE_RULE: 0.7, COSINE_RULE: 0.9}
CELLS = 1 << 24  # cosines held at a time
NEAR = 1e-4  # cosines of a matrix product that are computed again in double precision
WHOLE, QUESTION = 0, 1  # views of a sample
HIT = {
    "sample_id": pl.String, "view": pl.Int8, "rule": pl.Int8, "value": pl.Float64, "row": pl.Int64,
    "first": pl.Int64, "length": pl.Int64,
}  # fmt: skip


class Known(NamedTuple):
    """The evaluation texts, ready to be compared with."""

    texts: pl.DataFrame  # place, view, text
    vocabulary: Table
    long: np.ndarray  # rows of `texts` with 8 words or more
    short: dict[bytes, int]  # word ids of the others to the first row that has them
    grams: "GramIndex"
    rouge: "RougeIndex"


def known(texts: pl.DataFrame) -> Known:
    """Index the evaluation texts: columns place, view, text; those without words are left out."""
    from tasks.leak_grams import GRAM, gram_index
    from tasks.leak_rouge import rouge_index

    bounds, hashes = hashed_words(texts["text"])
    keys = np.unique(hashes)
    vocabulary = table_of(keys)
    ids, lengths = look_up(vocabulary, hashes), np.diff(bounds)
    long = np.flatnonzero(lengths >= GRAM)
    inside = Lists(np.concatenate([[0], lengths[long].cumsum()]), ids[np.repeat(lengths >= GRAM, lengths)])
    brief = np.flatnonzero((lengths > 0) & (lengths < GRAM))[::-1]  # backwards: the first of equals stays
    short = {ids[bounds[i] : bounds[i + 1]].tobytes(): int(i) for i in brief}
    return Known(texts, vocabulary, long, short, gram_index(inside), rouge_index(inside, len(keys)))


def word_hits(texts: pl.DataFrame, known: Known, view: int = WHOLE) -> pl.DataFrame:
    """The first of the rules on words that holds for each text.

    Args:
        texts: columns sample_id, text.
        known: what they are compared with.
        view: WHOLE or QUESTION, what the texts are of their samples.

    Returns:
        Columns sample_id, view, rule, value, row of the evaluation texts, and of the run the first word there
        and its length; only of texts for which a rule holds.
    """
    from tasks.leak_grams import search_runs
    from tasks.leak_rouge import search_alike

    if texts.is_empty():
        return pl.DataFrame(schema=HIT)
    found = known_words(texts["text"], known.vocabulary)
    frames = [_equal(texts, found, known)]
    if len(known.long):
        runs = search_runs(found, known.grams)
        alike = search_alike(found, known.rouge, runs.rule == 0)
        rule = np.where(alike.text >= 0, ROUGE_RULE, runs.rule)
        row = known.long[np.where(alike.text >= 0, alike.text, runs.text)]
        first = runs.place - known.grams.words.bounds[runs.text]
        frames.append(_hits(texts, rule, np.maximum(runs.value, alike.f), row, first, runs.length))
    hits = pl.concat(frames).with_columns(view=pl.lit(view, pl.Int8))
    return hits.sort("rule", maintain_order=True).unique("sample_id", keep="first", maintain_order=True)


def _equal(texts: pl.DataFrame, found: Lists, known: Known) -> pl.DataFrame:
    """Rule 2 for short rows."""
    lengths = np.diff(found.bounds)
    row = np.full(len(lengths), -1)
    for i in np.flatnonzero((lengths > 0) & (lengths < 8)) if known.short else []:
        row[i] = known.short.get(found.items[found.bounds[i] : found.bounds[i + 1]].tobytes(), -1)
    rule, none = np.where(row >= 0, COVER_RULE, 0), np.zeros(len(row), np.int64)
    return _hits(texts, rule, np.ones(len(row)), row, none, none)


def _hits(texts: pl.DataFrame, rule: np.ndarray, *facts: np.ndarray) -> pl.DataFrame:
    columns = dict(zip(("value", "row", "first", "length"), facts, strict=True))
    frame = texts.select("sample_id", view=pl.lit(0)).with_columns(rule=rule, **columns).cast(HIT)
    return frame.filter(pl.col("rule") > 0)


def cosine_hits(vectors: pl.DataFrame, targets: np.ndarray) -> pl.DataFrame:
    """Texts whose cosine to an evaluation text reaches the threshold, each with the first of the highest.

    Args:
        vectors: columns sample_id, vector of length 1.
        targets: (m, d) float32 unit rows, NaN where there is none.
    """
    if vectors.is_empty() or not len(targets):
        return pl.DataFrame(schema=HIT)
    targets = np.where(np.isfinite(targets), targets, 0).astype(np.float32)
    rows = np.stack(vectors["vector"].to_numpy()).astype(np.float32)
    value, row = np.zeros(len(rows)), np.zeros(len(rows), np.int64)
    step = max(1, CELLS // len(targets))
    for start in range(0, len(rows), step):
        block = rows[start : start + step] @ targets.T
        best = block.max(axis=1)
        for i in np.flatnonzero(best >= THRESHOLDS[COSINE_RULE] - NEAR):
            near = np.flatnonzero(block[i] >= best[i] - NEAR)
            exact = targets[near].astype(np.float64) @ rows[start + i].astype(np.float64)
            value[start + i], row[start + i] = exact.max(), near[exact.argmax()]
    none = np.zeros(len(rows), np.int64)
    rule = np.where(value >= THRESHOLDS[COSINE_RULE], COSINE_RULE, 0)
    return _hits(vectors, rule, np.minimum(value, 1), row, none, none)
