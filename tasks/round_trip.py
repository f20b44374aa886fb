"""Filter `round_trip`: does a search for a synthetic query find the document that it was written for?

Promptagator (Dai et al. 2022, arXiv 2209.11755) keeps a query when a retriever trained on the queries ranks
its document first. Here the retriever is BM25, which needs no training (InPars' first stage):

    score(q, d) = sum over the words t of q of  idf(t) * tf / (tf + k1 * (1 - b + b * |d| / mean |d|))
    idf(t) = ln(1 + (N - df + 1/2) / (df + 1/2)),  k1 = 0.9, b = 0.4 as in Anserini

on the words of tasks.tokens, any language, without stemming or stop words. The verdict's score is the rank of
the query's own document, 1 or more; documents of equal score are ranked by sample_id. Kept up to rank `top`.
Every query is compared with every document, block by block: memory is bounded, 40,000 queries in 5,000
documents take some seconds.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from scipy import sparse

from schemas.partition import Partition
from tasks.tokens import words
from warehouse.parts import polars_schema
from warehouse.run import Run

K1, B = 0.9, 0.4
CELLS = 8_000_000  # query-document scores held at once: 64 MB


class Index(NamedTuple):
    """Documents ready to be searched."""

    vocabulary: dict[str, int]
    weights: sparse.csr_array  # (n_words, n_documents): what one occurrence in a query adds


class Found(NamedTuple):
    """What a search for each query found."""

    rank: np.ndarray  # (n_queries,) place of the wanted document, from 1
    best: np.ndarray  # (n_queries,) number of the document in the first place


def index(documents: Sequence[str], k1: float = K1, b: float = B) -> Index:
    """The BM25 weights of documents; linear in their words."""
    tokens = [words(text) for text in documents]
    vocabulary = {word: number for number, word in enumerate(sorted(set(chain(*tokens))))}
    tf = _counts(tokens, vocabulary).T.tocsr()  # one row per word
    df = np.diff(tf.indptr)
    idf = np.log1p((len(tokens) - df + 0.5) / (df + 0.5))
    lengths = np.array([len(each) for each in tokens], dtype=float)
    norm = k1 * (1 - b + b * lengths / max(lengths.mean(), 1e-9)) if len(tokens) else lengths
    tf.data = np.repeat(idf, df) * tf.data / (tf.data + norm[tf.indices])
    return Index(vocabulary, tf)


def search(index: Index, queries: Sequence[str], wanted: np.ndarray) -> Found:
    """Rank of the wanted document of each query; equal scores in the order of the documents.

    Args:
        index: of the documents, in the order that decides between equals.
        queries: their texts.
        wanted: (n_queries,) the number of each one's document.
    """
    n_documents = index.weights.shape[1]
    blocks = [_search(index, queries[rows], wanted[rows]) for rows in _blocks(len(queries), n_documents)]
    ranks, best = ([block[i] for block in blocks] for i in range(2))
    return Found(*(np.concatenate([np.empty(0, dtype=np.int64), *each]) for each in (ranks, best)))


def judge(samples: pl.DataFrame, documents: pl.DataFrame, top: int, run_id: str) -> pl.DataFrame:
    """Verdicts `round_trip` on the final samples: the rank of their document, kept up to `top`.

    Args:
        samples: rows of `sample`; the document of a final one is its root.
        documents: `sample_id, text` of all roots that are searched.
        top: worst rank that is kept; 1 in Promptagator.
        run_id: the run that judges.
    """
    documents = documents.unique("sample_id").sort("sample_id").with_row_index("number")
    own = documents.select("number", root_id="sample_id")
    queries = samples.filter("final").join(own, on="root_id").sort("sample_id")
    found = search(
        index(documents["text"].to_list()), queries["text"].to_list(), queries["number"].to_numpy()
    )
    best = documents["sample_id"].gather(found.best)
    judged = queries.select("sample_id").with_columns(rank=pl.Series(found.rank, dtype=pl.Int64), first=best)
    keep = pl.col("rank") <= top
    verdicts = judged.select(
        "sample_id",
        run_id=pl.lit(run_id),
        filter=pl.lit("round_trip"),
        keep=keep,
        score=pl.col("rank").cast(pl.Float64),
        threshold=pl.lit(float(top)),
        witness_id=pl.when(~keep).then("first"),
        reason=pl.when(~keep).then(pl.format(f"its document is found in place {{}}; {top} at most", "rank")),
    )
    return verdicts.cast(polars_schema("verdict"))


def _blocks(n_queries: int, n_documents: int) -> Iterator[slice]:
    size = max(1, CELLS // max(1, n_documents))
    return (slice(start, start + size) for start in range(0, n_queries, size))


def _search(index: Index, queries: Sequence[str], wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores = (_counts([words(text) for text in queries], index.vocabulary) @ index.weights).toarray()
    rank = [
        1 + np.count_nonzero(row > row[own]) + np.count_nonzero(row[:own] == row[own])
        for row, own in zip(scores, wanted, strict=True)
    ]
    return np.array(rank), scores.argmax(axis=1)


def _counts(tokens: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> sparse.csr_array:
    """(n_texts, n_words): how often each known word stands in each text."""
    numbers = [[vocabulary[word] for word in each if word in vocabulary] for each in tokens]
    ends = np.cumsum([0, *map(len, numbers)])
    flat = np.fromiter(chain.from_iterable(numbers), dtype=np.int64, count=int(ends[-1]))
    shape = (len(tokens), len(vocabulary))
    counts = sparse.csr_array((np.ones(len(flat)), flat, ends), shape=shape)
    counts.sum_duplicates()
    return counts


@task(name="round_trip", cache_policy=NO_CACHE)
def round_trip(run: Run, samples: list[Partition], top: int) -> list[Partition]:
    """Verdicts on all final samples of a recipe against all documents that its trees grew from."""
    return run.once("round_trip", samples, {"top": top}, lambda: _verdicts(run, samples, top))


def _verdicts(run: Run, samples: list[Partition], top: int) -> dict[str, pl.DataFrame]:
    columns = ["sample_id", "parent_id", "root_id", "recipe", "final", "text"]
    frames = [run.read(part).select(columns) for part in samples if part.table == "sample"]
    if not frames:
        return {}
    recipes = pl.concat(frames).partition_by("recipe")
    judged = [judge(each, _documents(each), top, run.run_id) for each in recipes]
    return {"verdict": pl.concat(judged)}


def _documents(samples: pl.DataFrame) -> pl.DataFrame:
    return samples.filter(pl.col("parent_id").is_null() & ~pl.col("final")).select("sample_id", "text")
