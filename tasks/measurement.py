"""All statistics of one set of texts: spread, duplicates, templates, topics, coverage, leaks.

No one of them is enough: shuffling the words of every text raises Vendi by 38 deviations and lowers every
count of duplicates, and a collapse to one topic can raise both. They are meant as a conjunction. What each
is, its range and its sampling stand in docs/statistics.md; a value that cannot be known is null, never 0.

They are a function of the state of the set (tasks/state.py), which any order and any split of the rows gives
alike. A version names the definition, and after "/" the tokeniser or the codebook it was made with.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from schemas.ids import digest
from tasks import clusters, explore, lexical, neighbours, overlap, spread, tallies
from tasks.design import Design, design_of
from tasks.intervals import GROUPS, Estimate, jackknife, mean, median, share
from tasks.state import State, codebook, joined, of_texts, of_vectors
from warehouse.parts import polars_schema

__all__ = ["Design", "design_of", "measure", "measured", "labels"]

VERSION = "1"
WORDS = (
    "2/words-1"  # of counts of words: the sample is 20,000 texts since 2; tokeniser tasks.tokens, edition 1
)
PAIRED = "1/words-1"  # of ROUGE-L and Self-BLEU
M_ROUGE = 1_000  # texts for ROUGE-L of all pairs, and for the quantile of cosines
M_NOVELTY = 2_000  # rows compared with 20,000 earlier ones: novelty falls with the size of either
DRAWN = 5_000  # bigrams drawn by rarefaction
REPEATS = 0.7  # ROUGE-L above which a text repeats another (Self-Instruct)
SLAB = 20_000  # rows at once
NEAR = 0.9  # cosine above which a text means the same as another (deita, semhash)


class Row(NamedTuple):
    """One row of `metric` without its scope."""

    metric: str
    estimate: Estimate
    version: str = VERSION
    encoder: str | None = None


def measure(
    samples: pl.DataFrame,
    vectors: np.ndarray | None = None,
    encoder: str | None = None,
    design: Design = Design(),  # noqa: B008  (immutable)
    earlier: np.ndarray | None = None,
) -> pl.DataFrame:
    """All statistics of a set: columns metric, value, n, low, high, version, encoder, sorted by metric.

    Args:
        samples: n rows; columns sample_id, text, slots; optional: instruction (what seeds are compared with),
            truncated, language and output (in which features are looked for; without language they are not,
            without output it is text), and split (train or heldout), by which leaks are counted.
        vectors: (n, d), row by row those of the samples, NaN where there is none; None leaves out what
        needs them.
        encoder: id of the encoder of the vectors.
        design: what the texts were asked for.
        earlier: (m, d) vectors of what came before, for novelty and drift.
    """
    order = samples["sample_id"].arg_sort().to_numpy()
    slabs = [order[start : start + SLAB] for start in range(0, max(1, len(order)), SLAB)]
    states = [of_texts(samples[slab], design) for slab in slabs]
    if vectors is not None:
        states += [_of_rows(samples["sample_id"][slab], vectors[slab], encoder or "") for slab in slabs]
    return frame([*measured(joined(states), design, encoder or "", earlier), *_leaks(samples)])


def _of_rows(ids: pl.Series, vectors: np.ndarray, encoder: str) -> State:
    """The state of the rows that have a vector."""
    known = np.isfinite(vectors).all(axis=1)
    return of_vectors(ids.filter(pl.Series(known)).to_list(), vectors[known], encoder)


def measured(state: State, design: Design, encoder: str, earlier: np.ndarray | None = None) -> Iterator[Row]:
    """The statistics of a state; those of vectors where it has any."""
    n = state.counts["texts", "n"]
    estimates = tallies.estimates(state.counts, design.sizes)
    known = {name: each if n > 1 else Estimate(None, each.n) for name, each in estimates.items()}
    yield from (Row(name, estimate) for name, estimate in known.items())
    yield from (Row(name, estimate, WORDS) for name, estimate in words(state.texts["text"].to_list()).items())
    yield from (Row(name, estimate, PAIRED) for name, estimate in _likeness(state.texts, design).items())
    if state.sums is not None:
        yield from _of_vectors(state, encoder)
        if earlier is not None and len(earlier) and len(state.ids):
            yield from _against_earlier(state, encoder, earlier)


def words(texts: list[str]) -> dict[str, Estimate]:
    """What is counted in the words of texts in hash order, the order of which makes the groups."""
    corpus = lexical.read(texts)
    bigrams = lexical.ngrams(corpus, 2)
    repeats = lexical.once_per_text(lexical.ngrams(corpus, 4))
    return {
        "mean_words": mean(lexical.word_counts(corpus)),
        "opener_top10_share": _over(corpus, lexical.openers(corpus), lexical.top_share),
        "repeated_4gram_share": _over(corpus, repeats, lexical.repeated_share),
        "rarefied_bigrams": _over(corpus, bigrams, rarefied, float(DRAWN)),
        "good_turing_coverage": _over(corpus, lexical.ngrams(corpus, 1), lexical.turing_coverage),
        "distinct_2": _over(corpus, bigrams, lexical.distinct_share)._replace(low=None, high=None),
    }


def rarefied(counts: np.ndarray) -> float | None:
    """Types among DRAWN occurrences. Range: 1 to DRAWN; None when there are fewer."""
    return lexical.rarefied_types(counts, DRAWN)


def labels(state: State) -> Iterator[tuple[str, Row]]:
    """Of every label its share of the kept, its kept share, rarefied bigrams. Range: 0 to 1; 1 to DRAWN."""
    kept, made = (tallies.of(state.counts, name) for name in ("label_kept", "label_made"))
    total = sum(kept.values())
    for label in sorted(made) if len(made) > 1 else []:
        yield label, Row("label_share", share(kept.get(label, 0), total))
        yield label, Row("kept_share", share(kept.get(label, 0), made[label]))
        corpus = lexical.read(state.texts.filter(pl.col("label") == label)["text"].to_list())
        bigrams = _over(corpus, lexical.ngrams(corpus, 2), rarefied, float(DRAWN))
        yield label, Row("rarefied_bigrams", bigrams, WORDS)


def frame(rows: list[Row]) -> pl.DataFrame:
    """Columns metric, value, n, low, high, version, encoder, sorted by metric."""
    columns = ["metric", "value", "n", "low", "high", "version", "encoder"]
    schema = {name: kind for name, kind in polars_schema("metric").items() if name in columns}
    flat = [
        {"metric": row.metric, **row.estimate._asdict(), "version": row.version, "encoder": row.encoder}
        for row in rows
    ]
    return pl.DataFrame(flat, schema=schema).select(columns).sort("metric")


def _over(
    corpus: lexical.Corpus,
    grams: lexical.Occurrences,
    statistic: Callable[[np.ndarray], float | None],
    most: float = 1.0,
) -> Estimate:
    if corpus.n_texts < 2:
        return Estimate(None, corpus.n_texts)
    return jackknife(grams.types, grams.text % GROUPS, statistic, corpus.n_texts, (0.0, most))


def _likeness(texts: pl.DataFrame, design: Design) -> dict[str, Estimate]:
    few = texts.head(M_ROUGE)
    nearest = neighbours.nearest_rouge(few["text"].to_list())
    found = {"rouge_nn_share": _above(nearest and nearest.similarity, REPEATS, few.height)}
    if design.seeds:
        asked = few.select(pl.coalesce("instruction", "text")).to_series().to_list()
        found["seed_echo"] = _above(neighbours.rouge_to(asked, design.seeds), REPEATS, few.height)
    return found | explore.estimates(texts.head(explore.M)["text"].to_list())


def _leaks(samples: pl.DataFrame) -> list[Row]:
    if "split" not in samples.columns:
        return []
    train, heldout = (
        samples.filter(pl.col("split") == side)["text"].to_list() for side in ("train", "heldout")
    )
    n = overlap.leak_count(train, heldout)
    return [Row("leak_records", Estimate(None if n is None else float(n), len(train)), PAIRED)]


def _of_vectors(state: State, encoder: str) -> Iterator[Row]:
    few = state.vectors[: explore.M]
    named = {
        **spread.estimates(state.vectors, state.sums),
        **_semantic_neighbours(state.vectors),
        **explore.vector_estimates(few),
    }
    yield from (Row(name, estimate, VERSION, encoder) for name, estimate in named.items())
    d = len(state.sums.first)
    cells = tallies.of(state.counts, codebook(d, encoder))
    counts = np.array([cells.get(str(cell), 0) for cell in range(clusters.K)])
    frozen = f"{VERSION}/directions-{clusters.K}x{d}"
    yield Row("effective_clusters", clusters.effective_clusters_estimate(counts), frozen, encoder)


def _semantic_neighbours(vectors: np.ndarray) -> dict[str, Estimate]:
    nearest = neighbours.nearest_cosine(vectors)
    few = vectors[:M_ROUGE]
    return {
        "nn_cosine_share": _above(nearest and nearest.similarity, NEAR, len(vectors)),
        "nn_cosine_median": median(nearest.similarity) if nearest else Estimate(None, len(vectors)),
        "cosine_p99": Estimate(neighbours.cosine_quantile(few), len(few)),
    }


def _against_earlier(state: State, encoder: str, earlier: np.ndarray) -> Iterator[Row]:
    novelty = median(neighbours.novelty(state.vectors[:M_NOVELTY], earlier))
    yield Row("novelty_median", novelty, VERSION, encoder)
    fitted = clusters.spherical_k_means(earlier)
    counts = [clusters.cell_counts(rows, fitted) for rows in (state.vectors, earlier)]
    name = digest(np.round(fitted, 3).tolist())[:8]
    version = f"2/kmeans-{len(fitted)}x{fitted.shape[1]}-{name}"
    yield Row("cluster_js", clusters.js_estimate(*counts), version, encoder)


def _above(similarities: np.ndarray | None, threshold: float, n: int) -> Estimate:
    if similarities is None or n < 2:
        return Estimate(None, n)
    return share(int(np.sum(similarities > threshold)), n)
