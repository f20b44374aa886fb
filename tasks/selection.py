"""Which of the clean samples a release trains on: all, good and different ones, equal shares, or chance.

Only the training side is selected; the held-out side is whole, and the same for a selection and its
control, so that models trained on the two can be compared. A budget counts training rows, or words
(`tasks.tokens`) of their texts, or both. Strata are label x recipe x cell of a frozen codebook
(`tasks.clusters.directions`).

* `greedy_diverse`: strata take turns, always the one that has used least; each takes its row of highest
  quality x novelty among those whose cosine to everything taken so far is at most t, the semantic threshold
  or 0.9 (`tasks.greedy_diverse`). Samples without a vector are not taken.
* `quota`: the same turns, within a stratum by chance: equal shares, and what a small stratum leaves goes to
  the others in equal shares; of the last rows that do not go round each stratum gets one by chance.
* `random`: by chance.

Chance is the blake2b of the sample id with a word, so the same sample is drawn wherever it lies. What is
selected comes with a control: as many rows by chance (as many words, where a budget of words was given),
since most ways of selecting fail to beat chance at scale (Xia et al. 2024, Diddee & Ippolito 2024).
"""

import hashlib
import json
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from schemas.partition import Partition
from schemas.settings import Curation
from tasks.clusters import assign, directions
from tasks.tokens import words
from tasks.vectors import earlier_pages, encoder_of, matrix, unit_rows
from warehouse.run import Run

MOST_COSINE = 0.9  # to what was taken, when there is no semantic threshold: the bound of deita


class Selection(NamedTuple):
    """The rows of a release and of its control, and how they were chosen."""

    chosen: pl.DataFrame  # rows of `sample` with `split`
    control: pl.DataFrame  # the same
    how: dict[str, Any]  # JSON


class Pool(NamedTuple):
    """What there is to choose from: n training samples, by quality and sample_id."""

    rows: pl.DataFrame  # sample_id, quality, stratum, n_words
    vectors: np.ndarray  # (n, d) float32 unit rows, NaN where there is none


def select(run: Run, parts: list[Partition], samples: pl.DataFrame, curation: Curation) -> Selection:
    """Choose among the training samples.

    Args:
        run: the run that freezes.
        parts: all its parts.
        samples: rows of `sample` with `split`, in the order of the release.
        curation: how to select and how many.
    """
    pool = pool_of(run, parts, samples.filter(pl.col("split") == "train"), curation.select != "random")
    most_rows = curation.select_rows or pool.rows.height
    most_words = float("inf") if curation.select_tokens is None else curation.select_tokens
    taken = take(pool, curation, most_rows, most_words)
    n_words = int(pool.rows["n_words"].gather(taken).sum())
    by_words = curation.select_tokens is not None
    bounds = (pool.rows.height, n_words) if by_words else (len(taken), float("inf"))
    control = by_chance(pool.rows, "control", *bounds)
    how = {
        "select": curation.select,
        "select_rows": curation.select_rows,
        "select_tokens": curation.select_tokens,
        "cosine_at_most": most_cosine(curation) if curation.select == "greedy_diverse" else None,
        "strata": pool.rows["stratum"].n_unique() if curation.select != "random" else None,
        "candidates": pool.rows.height,
        "rows": len(taken),
        "tokens": n_words,
        "control_rows": len(control),
        "control_tokens": int(pool.rows["n_words"].gather(control).sum()),
    }
    return Selection(_among(samples, pool, taken), _among(samples, pool, control), how)


def take(pool: Pool, curation: Curation, rows: int, budget: float) -> list[int]:
    """Places of what is selected, at most so many rows and words, in the order of taking."""
    if curation.select == "random":
        return by_chance(pool.rows, "random", rows, budget)
    from tasks.greedy_diverse import Diverse, in_turns

    codes = pool.rows["stratum"].rank("dense").to_numpy() - 1
    strata = pool.rows["stratum"].unique().sort()
    tie = np.argsort(_by_hash(strata, "stratum")).tolist()
    cost = _cost(pool.rows, budget)
    if curation.select == "quota":
        queues = [iter(q.tolist()) for q in _split(_by_hash(pool.rows["sample_id"], "quota"), codes)]
        return in_turns(tie, lambda stratum: next(queues[stratum], None), cost, rows, budget)
    members = _split(np.arange(pool.rows.height), codes)
    known = np.isfinite(pool.vectors).all(axis=1)
    members = [places[known[places]] for places in members]
    quality = np.maximum(pool.rows["quality"].to_numpy(), 0)
    diverse = Diverse(pool.vectors, quality, members, most_cosine(curation))
    return in_turns(tie, diverse.next_of, cost, rows, budget)


def by_chance(pool: pl.DataFrame, word: str, rows: int, budget: float) -> list[int]:
    """Places in the order of their hashes, until the next would break the bound; needs sample_id, n_words."""
    order = _by_hash(pool["sample_id"], word)[:rows]
    within = np.cumsum(pool["n_words"].to_numpy()[order]) <= budget
    return order[: int(within.argmin()) if not within.all() else len(order)].tolist()


def most_cosine(curation: Curation) -> float:
    """How near a row may be to what was taken."""
    return MOST_COSINE if curation.semantic is None else curation.semantic


def pool_of(run: Run, parts: list[Partition], train: pl.DataFrame, with_vectors: bool) -> Pool:
    """The training samples with what selection reads of them."""
    rows = train.select(
        "sample_id",
        "recipe",
        label=pl.Series([_label(slots) for slots in train["slots"]], dtype=pl.String),
        n_words=pl.Series([len(words(text)) for text in train["text"]], dtype=pl.Int64),
    )
    rows = rows.join(_quality(run, parts, rows.select("sample_id")), on="sample_id", how="left")
    least = rows["quality"].min()
    rows = rows.with_columns(pl.col("quality").fill_null(1.0 if least is None else least))
    rows = rows.sort("quality", "sample_id", descending=[True, False])
    vectors = _vectors(run, parts, rows["sample_id"]) if with_vectors else np.full((rows.height, 1), np.nan)
    cell = np.full(rows.height, -1)
    known = np.isfinite(vectors).all(axis=1)
    if known.any():
        cell[known] = assign(vectors[known], directions(vectors.shape[1]))
    stratum = pl.concat_str("recipe", "label", pl.Series("cell", cell), separator="\x1f")
    return Pool(rows.with_columns(stratum=stratum).drop("recipe", "label"), vectors)


def _label(slots: str) -> str:
    return json.dumps(json.loads(slots).get("label"))


def _vectors(run: Run, parts: list[Partition], ids: pl.Series) -> np.ndarray:
    """Unit vectors of this run's and of earlier samples under this run's encoder, NaN where there is none."""
    embeddings = [part for part in parts if part.table == "embedding"]
    encoder = encoder_of(run, embeddings)
    if encoder is None:
        return np.full((len(ids), 1), np.nan, dtype=np.float32)
    vectors = unit_rows(matrix(run, embeddings, ids, encoder))
    for page in earlier_pages(run, ids, encoder):
        vectors[page.ranks] = page.vectors
    return vectors


def _quality(run: Run, parts: list[Partition], ids: pl.DataFrame) -> pl.DataFrame:
    """Columns sample_id, quality of these samples, in this run and earlier."""
    earlier = run.earlier(
        "SELECT sample_id, score AS quality FROM verdict SEMI JOIN asked USING (sample_id) "
        "WHERE filter = 'quality' AND score IS NOT NULL",
        asked=ids,
    )
    frames = [earlier.cast({"quality": pl.Float64})]
    for part in parts:
        if part.table == "verdict":
            rows = run.read(part, ["sample_id", "filter", "score"]).filter(pl.col("filter") == "quality")
            frames.append(rows.select("sample_id", quality="score").drop_nulls())
    return pl.concat(frames).unique("sample_id", keep="last", maintain_order=True)


def _cost(pool: pl.DataFrame, budget: float) -> np.ndarray:
    """What turns count: words under a budget of words, rows otherwise."""
    return np.ones(pool.height) if budget == float("inf") else pool["n_words"].to_numpy()


def _among(samples: pl.DataFrame, pool: Pool, places: list[int]) -> pl.DataFrame:
    """The held-out samples and these training samples, in the order of the release."""
    ids = pool.rows["sample_id"].gather(places)
    return samples.filter((pl.col("split") == "heldout") | pl.col("sample_id").is_in(ids.implode()))


def _split(places: np.ndarray, codes: np.ndarray) -> list[np.ndarray]:
    """Places by stratum, codes 0 and up, each stratum in the order given."""
    sizes = np.bincount(codes)
    return np.split(places[np.argsort(codes[places], kind="stable")], np.cumsum(sizes)[:-1])


def _by_hash(ids: pl.Series, word: str) -> np.ndarray:
    """Places in the order of the hashes of a word and the ids, (n,) int64."""
    keys = [hashlib.blake2b(f"{word}\x1f{i}".encode(), digest_size=8).digest() for i in ids]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
