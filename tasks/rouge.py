"""ROUGE-L novelty, as Self-Instruct uses it: a task is new when it resembles nothing in the pool.

F = 2 LCS / (|a| + |b|) over word tokens, no stemmer, in [0, 1] (Lin 2004; Wang et al. 2023). A candidate is
dropped when its F to the seeds, to any task accepted earlier or to any accepted just before it is above the
threshold; exactly the threshold passes, as in the authors' code. The LCS is bit-parallel (rapidfuzz) on token
ids; the tokens are Unicode words, which on English are those of `rouge_score`.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from schemas.partition import Partition
from tasks.pool import accepted, bootstrap_level, pool_of
from tasks.recipe import load_recipe
from tasks.tokens import words
from warehouse.parts import polars_schema
from warehouse.run import Run

BLOCK = 8_192  # pool texts compared at a time: bounds the matrix of similarities


def rouge_l(a: str, b: str) -> float:
    """ROUGE-L F-measure of two texts, in [0, 1]; 0 when either has no words."""
    left, right = words(a), words(b)
    if not left or not right:
        return 0.0
    return 2 * LCSseq.similarity(left, right) / (len(left) + len(right))


def rouge_l_matrix(left: list[tuple[int, ...]], right: list[tuple[int, ...]]) -> np.ndarray:
    """ROUGE-L F of every pair of token id lists: (len(left), len(right)) float64 in [0, 1]."""
    lcs = cdist(left, right, scorer=LCSseq.similarity, dtype=np.int32)
    lengths = np.add.outer([len(a) for a in left], [len(b) for b in right])
    return np.divide(2.0 * lcs, lengths, out=np.zeros(lcs.shape), where=lengths > 0)


def judge(candidates: pl.DataFrame, pool: pl.DataFrame, threshold: float, run_id: str) -> pl.DataFrame:
    """Verdicts on candidates, one after the other, each against the pool and the accepted ones before it.

    Args:
        candidates: columns sample_id, text, in the order in which they are judged.
        pool: columns sample_id, text.
        threshold: F above which a candidate is dropped.
        run_id: the run that judges.
    """
    if candidates.is_empty():
        return pl.DataFrame(schema=polars_schema("verdict"))
    tokens = _token_ids(candidates["text"].to_list())
    best, witness = _nearest_in_pool(tokens, pool)
    among = rouge_l_matrix(tokens, tokens)
    accepted: list[int] = []
    rows = []
    ids = candidates["sample_id"].to_list()
    for i, sample_id in enumerate(ids):
        nearest = max(accepted, key=lambda j, i=i: among[i, j], default=None)
        if nearest is not None and among[i, nearest] > best[i]:
            best[i], witness[i] = among[i, nearest], ids[nearest]
        if best[i] <= threshold:
            accepted.append(i)
        rows.append(_verdict(sample_id, run_id, best[i], threshold, witness[i]))
    return pl.DataFrame(rows, schema=polars_schema("verdict"))


_VOCABULARY: dict[str, int] = {}  # token -> id; ids only need to be equal for equal tokens


def _token_ids(texts: list[str]) -> list[tuple[int, ...]]:
    return [_ids_of(text) for text in texts]


@lru_cache(maxsize=200_000)  # the pool is compared again in every round
def _ids_of(text: str) -> tuple[int, ...]:
    return tuple(_VOCABULARY.setdefault(word, len(_VOCABULARY)) for word in words(text))


def _nearest_in_pool(
    tokens: list[tuple[int, ...]], pool: pl.DataFrame
) -> tuple[np.ndarray, list[str | None]]:
    """The highest F of each candidate over the pool, and whose it is (the first of equals)."""
    best = np.zeros(len(tokens))
    witness: list[str | None] = [None] * len(tokens)
    for start in range(0, pool.height, BLOCK):
        block = pool.slice(start, BLOCK)
        scores = rouge_l_matrix(tokens, _token_ids(block["text"].to_list()))
        ids = block["sample_id"].to_list()
        for i, j in enumerate(scores.argmax(axis=1)):
            if scores[i, j] > best[i]:
                best[i], witness[i] = scores[i, j], ids[j]
    return best, witness


def _verdict(
    sample_id: str, run_id: str, score: float, threshold: float, witness: str | None
) -> dict[str, Any]:
    keep = bool(score <= threshold)
    return {
        "sample_id": sample_id,
        "run_id": run_id,
        "filter": "rouge",
        "keep": keep,
        "score": float(score),
        "threshold": threshold,
        "witness_id": witness,
        "reason": None if keep else f"ROUGE-L {score:.3f} to an earlier task, above {threshold}",
    }


@task(name="rouge", cache_policy=NO_CACHE)
def rouge(
    run: Run, found: list[Partition], pool: list[Partition], recipe: str, among: str
) -> list[Partition]:
    """Judge the well-formed candidates of one round against the whole pool."""
    bootstrap = bootstrap_level(load_recipe(recipe)).bootstrap
    threshold = bootstrap.rouge

    def make() -> dict[str, pl.DataFrame]:
        candidates = accepted(run, recipe, found)
        known = pool_of(run, recipe, pool, among)
        return {"verdict": judge(candidates, known, threshold, run.run_id)}

    return run.once("rouge", [*found, *pool], {"threshold": threshold, "among": among}, make)
