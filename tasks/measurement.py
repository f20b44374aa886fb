"""All statistics of one set of texts: spread, duplicates, templates, topics, coverage, leaks.

No one of them is enough: shuffling the words of every text raises Vendi by 38 deviations and lowers every
count of duplicates, and a collapse to one topic can raise both. They are meant as a conjunction. What each
is, its range and its sampling stand in docs/statistics.md; a value that cannot be known is null, never 0.

Sampling is by smallest SHA-256 of the sample id, so any order and any split of the rows gives the same
values.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from schemas.ids import digest
from schemas.recipe import Recipe
from tasks import clusters, coverage, lexical, neighbours, overlap, spread
from tasks.features import feature_estimates, feature_hits
from tasks.intervals import GROUPS, Estimate, jackknife, mean, median, ratio, share
from tasks.pool import bootstrap_level, read_seeds
from tasks.slots import choices_of
from tasks.word_lists import word_list
from warehouse.parts import polars_schema

VERSION = "1"
M_ROUGE = 1_000  # texts for ROUGE-L of all pairs, and for the quantile of cosines
M_COSINE = 20_000  # rows for exact nearest cosines
M_NOVELTY = 2_000  # rows compared with M_COSINE earlier ones: novelty falls with the size of either
M_WORDS = 100_000  # texts for counts of n-grams
REPEATS = 0.7  # ROUGE-L above which a text repeats another (Self-Instruct)
NEAR = 0.9  # cosine above which a text means the same as another (deita, semhash)


class Design(NamedTuple):
    """What a recipe asks of its texts."""

    slots: tuple[str, ...] = ("words",)  # slots that hold words to be used
    sizes: tuple[int, ...] = ()  # words in the list of each, then items of each choice; empty when unknown
    seeds: tuple[str, ...] = ()  # seed tasks it may echo
    choices: tuple[str, ...] = ()  # slots of which one item is chosen, as topic and audience


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
    order = samples["sample_id"].arg_sort()
    samples = samples[order]
    rows = [*_of_texts(samples, design)]
    if vectors is not None:
        vectors = vectors[order.to_numpy()]
        known = np.isfinite(vectors).all(axis=1)
        ids = samples["sample_id"].filter(pl.Series(known)).to_list()
        rows += _of_vectors(ids, vectors[known], encoder, earlier)
    return _metrics(rows)


def design_of(recipe: Recipe | None) -> Design:
    """The design of a recipe; that of curated data, of which no recipe is known, asks for nothing."""
    if recipe is None:
        return Design()
    lists = {name: slot.each for name, slot in recipe.slots.items() if slot.each}
    choices = {name: len(choices_of(slot)) for name, slot in recipe.slots.items() if choices_of(slot)}
    level = bootstrap_level(recipe)
    return Design(
        tuple(lists),
        (*(len(word_list(words)) for each in lists.values() for words in each), *choices.values()),
        tuple(seed["instruction"] for seed in read_seeds(level.bootstrap.seeds)) if level else (),
        tuple(choices),
    )


_Row = tuple[str, Estimate, str, str | None]  # metric, estimate, version, encoder


def _of_texts(samples: pl.DataFrame, design: Design) -> Iterator[_Row]:
    named = [
        _words(samples),
        _neighbours(samples, design),
        _requests(samples, design),
        _flags(samples),
    ]
    for estimates in named:
        yield from ((name, estimate, VERSION, None) for name, estimate in estimates.items())


def _words(samples: pl.DataFrame) -> dict[str, Estimate]:
    chosen = neighbours.bottom(samples["sample_id"].to_list(), M_WORDS)  # the order of which makes the groups
    corpus = lexical.read(samples["text"].gather(chosen).to_list())
    unknown = Estimate(None, corpus.n_texts)

    def over(grams: lexical.Occurrences, statistic: Any, most: float = 1.0) -> Estimate:
        if corpus.n_texts < 2:
            return unknown
        return jackknife(grams.types, grams.text % GROUPS, statistic, corpus.n_texts, (0.0, most))

    bigrams = lexical.ngrams(corpus, 2)
    repeats = lexical.once_per_text(lexical.ngrams(corpus, 4))
    return {
        "mean_words": mean(lexical.word_counts(corpus)),
        "opener_top10_share": over(lexical.openers(corpus), lexical.top_share),
        "repeated_4gram_share": over(repeats, lexical.repeated_share),
        "rarefied_bigrams": over(bigrams, lambda counts: lexical.rarefied_types(counts, 5000), 5000.0),
        "good_turing_coverage": over(lexical.ngrams(corpus, 1), lexical.turing_coverage),
        "distinct_2": over(bigrams, lexical.distinct_share)._replace(low=None, high=None),
    }


def _neighbours(samples: pl.DataFrame, design: Design) -> dict[str, Estimate]:
    chosen = samples[neighbours.bottom(samples["sample_id"].to_list(), M_ROUGE)]
    nearest = neighbours.nearest_rouge(chosen["text"].to_list())
    found = {"rouge_nn_share": _above(nearest and nearest.similarity, REPEATS, chosen.height)}
    if design.seeds:
        asked = ["instruction", "text"] if "instruction" in samples.columns else ["text"]
        texts = chosen.select(pl.coalesce(asked)).to_series().to_list()
        found["seed_echo"] = _above(neighbours.rouge_to(texts, design.seeds), REPEATS, chosen.height)
    return found


def _requests(samples: pl.DataFrame, design: Design) -> dict[str, Estimate]:
    """Obedience, coverage and balance; nothing for texts that were asked for nothing."""
    requests = [coverage.requested_words(slots, design.slots) for slots in samples["slots"]]
    labels = [json.loads(slots).get("label") for slots in samples["slots"]]
    labels = [label for label in labels if isinstance(label, str)]
    found = {}
    asked = [coverage.look_up(*pair) for pair in zip(samples["text"], requests, strict=True)]
    if any(requests):
        hits, wanted = ([f(a) for a in asked] for f in (lambda a: sum(a.found), lambda a: len(a.words)))
        found["slot_hit_rate"] = ratio(np.array(hits), np.array(wanted))
    cells = [
        coverage.with_choices(a, json.loads(slots), design.choices)
        for a, slots in zip(asked, samples["slots"], strict=True)
    ]
    if design.sizes:
        found["word_coverage"] = coverage.cell_coverage(cells, design.sizes, 1)
    if len(design.sizes) > 1:
        found["pair_coverage"] = coverage.cell_coverage(cells, design.sizes, 2)
    found |= _features(samples)
    if labels:
        found["label_min_share"] = Estimate(coverage.label_min_share(labels), len(labels))
    return found


def _features(samples: pl.DataFrame) -> dict[str, Estimate]:
    """Features found of those asked for; nothing where no rule can tell."""
    if "language" not in samples.columns:
        return {}
    # Of a pair, `text` holds the instruction too, which may quote a sentence.
    answer = pl.coalesce(["output", "text"] if "output" in samples.columns else ["text"])
    rows = samples.select("slots", "language", answer=answer).iter_rows()
    return feature_estimates([feature_hits(json.loads(slots), text, code) for slots, code, text in rows])


def _flags(samples: pl.DataFrame) -> dict[str, Estimate]:
    """What optional columns tell: texts the encoder cut, training texts that leak."""
    found = {}
    if "truncated" in samples.columns:
        known = samples["truncated"].drop_nulls()
        found["truncated_share"] = share(int(known.sum()), len(known))
    if "split" in samples.columns:
        train, heldout = (
            samples.filter(pl.col("split") == side)["text"].to_list() for side in ("train", "heldout")
        )
        n = overlap.leak_count(train, heldout)
        found["leak_records"] = Estimate(None if n is None else float(n), len(train))
    return found


def _of_vectors(
    ids: list[str], vectors: np.ndarray, encoder: str | None, earlier: np.ndarray | None
) -> Iterator[_Row]:
    frozen = clusters.directions(vectors.shape[1])
    named = {**spread.estimates(vectors), **_semantic_neighbours(ids, vectors)}
    yield from ((name, estimate, VERSION, encoder) for name, estimate in named.items())
    counts = clusters.cell_counts(vectors, frozen)
    codebook = f"{VERSION}/directions-{len(frozen)}x{frozen.shape[1]}"
    yield "effective_clusters", clusters.effective_clusters_estimate(counts), codebook, encoder
    if earlier is not None and len(earlier) and len(vectors):
        yield from _against_earlier(ids, vectors, encoder, earlier)


def _semantic_neighbours(ids: list[str], vectors: np.ndarray) -> dict[str, Estimate]:
    chosen = neighbours.bottom(ids, M_COSINE)
    nearest = neighbours.nearest_cosine(vectors[chosen])
    similarity = np.empty(0) if nearest is None else nearest.similarity
    few = vectors[chosen[:M_ROUGE]]
    return {
        "nn_cosine_share": _above(nearest and nearest.similarity, NEAR, len(chosen)),
        "nn_cosine_median": median(similarity) if nearest else Estimate(None, len(chosen)),
        "cosine_p99": Estimate(neighbours.cosine_quantile(few), len(few)),
    }


def _against_earlier(
    ids: list[str], vectors: np.ndarray, encoder: str | None, earlier: np.ndarray
) -> Iterator[_Row]:
    chosen = neighbours.bottom(ids, M_NOVELTY)
    yield "novelty_median", median(neighbours.novelty(vectors[chosen], earlier)), VERSION, encoder
    codebook = clusters.spherical_k_means(earlier)
    counts = [clusters.cell_counts(rows, codebook) for rows in (vectors, earlier)]
    fitted = digest(np.round(codebook, 3).tolist())[:8]
    version = f"{VERSION}/kmeans-{len(codebook)}x{codebook.shape[1]}-{fitted}"
    yield "cluster_js", clusters.js_estimate(*counts), version, encoder


def _above(similarities: np.ndarray | None, threshold: float, n: int) -> Estimate:
    if similarities is None or n < 2:
        return Estimate(None, n)
    return share(int(np.sum(similarities > threshold)), n)


_COLUMNS = ["metric", "value", "n", "low", "high", "version", "encoder"]


def _metrics(rows: list[_Row]) -> pl.DataFrame:
    schema = {name: kind for name, kind in polars_schema("metric").items() if name in _COLUMNS}
    flat = [dict(zip(_COLUMNS, (name, *e, version, code), strict=True)) for name, e, version, code in rows]
    return pl.DataFrame(flat, schema=schema).select(_COLUMNS).sort("metric")
