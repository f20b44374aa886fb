"""ROUGE-L novelty, as Self-Instruct uses it: a task is new when it resembles nothing in the pool.

F = 2 LCS / (|a| + |b|) over word tokens, no stemmer, in [0, 1] (Lin 2004; Wang et al. 2023). A candidate is
dropped when its F to the seeds, to any task accepted earlier or to any accepted just before it is above the
threshold.

The tokens are Unicode words. On ASCII text they are those of `rouge_score`, which knows no other letters:
there "résumé" is "r" and "sum". So our words drop 6 of Alpaca's 52,002 instructions, all with such letters,
and its words drop none. To replay what was published, split with `ascii_words`.

F is rounded as `rouge_score` rounds it, 2pr / (p + r) of the rounded p and r, also for the sake of replays.
Where F is the threshold by arithmetic, that formula may give a unit in the last place more, and then drops:
at 0.7, in 434 of the 940 such cases among texts of at most 200 words (an LCS of 7 of 7 and 13 words is
dropped, 7 of 10 and 10 passes). It is symmetric: which text is called the prediction does not matter.

Judging is exact, and the score is the true highest F also where it is below the threshold; one pair in
10,000 has its LCS computed (`tasks/rouge_search.py`). Alpaca's 52,002 instructions one after the other, 1.35
billion pairs, cost 3.5 CPU seconds on one core and 50 MB; 26,000 cost 1.0 and 13,000 0.3. What grows with
the square of the pool is one addition for each word that two texts share (2 ns a pair); the LCS computed
grow in proportion to it, 2 to 3 a text. Only to decide, without the score of what passes, would cost 2.4. A
round of a few candidates costs what its pool costs to index, 0.05 s for 52,000. Figures:
tests/bench/rouge.py.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from schemas.partition import Partition
from tasks.pool import accepted, bootstrap_level, by_instruction, pool_of
from tasks.recipe import recipe_of
from tasks.rouge_search import Texts, search
from tasks.tokens import words
from warehouse.parts import polars_schema
from warehouse.run import Run

Split = Callable[[str], list[str]]  # a text to its tokens
BLOCK = 128  # texts whose F to all others is held at a time: bounds the matrix of similarities


class Similar(NamedTuple):
    """What Self-Instruct stores with an accepted task."""

    nearest: list[tuple[int, float]]  # index and F of the most similar, falling; the first of equals first
    mean: float | None  # F over all it was compared with; None without any


def rouge_l(a: str, b: str) -> float:
    """ROUGE-L F-measure of two texts, in [0, 1]; 0 when either has no words."""
    return float(rouge_l_matrix([_ids_of(a, words)], [_ids_of(b, words)])[0, 0])


def rouge_l_matrix(left: list[tuple[int, ...]], right: list[tuple[int, ...]]) -> np.ndarray:
    """ROUGE-L F of every pair of token id lists: (len(left), len(right)) float64 in [0, 1]."""
    lcs = cdist(left, right, scorer=LCSseq.similarity, dtype=np.int32)
    a, b = (np.maximum([len(each) for each in side], 1) for side in (left, right))  # of 0 words: LCS is 0
    f = np.zeros(lcs.shape)
    for i, row in enumerate(lcs):  # by row: the steps of the formula stay in the cache
        recall, precision = row / a[i], row / b
        np.divide(2 * precision * recall, precision + recall, out=f[i], where=row > 0)
    return f


def ascii_words(text: str) -> list[str]:
    """The tokens of `rouge_score` without a stemmer: runs of a to z and 0 to 9 in the lower-cased text."""
    return re.findall("[a-z0-9]+", text.lower())


def nearest(texts: list[str], n_known: int, k: int = 10, split: Split = words) -> Iterator[Similar]:
    """For each text beyond the first `n_known`, its `k` most similar of all texts before it and their mean F.

    It is what the authors' code stores, save that an unstable sort orders equals there. Cost: the LCS of each
    pair, some 30 CPU seconds for 52,000 texts.
    """
    tokens = _token_ids(texts, split)
    for start in range(n_known, len(texts), BLOCK):
        stop = min(start + BLOCK, len(texts))
        scores = rouge_l_matrix(tokens[start:stop], tokens[:stop])
        for i in range(start, stop):
            before = scores[i - start, :i]
            yield Similar(_highest(before, k), float(before.mean()) if i else None)


def judge(
    candidates: pl.DataFrame, pool: pl.DataFrame, threshold: float, run_id: str, split: Split = words
) -> pl.DataFrame:
    """Verdicts on candidates, one after the other, each against the pool and the accepted ones before it.

    The score is the highest F, also below the threshold; the witness is the first text with that F, pool
    first; none when no text shares a word.

    Args:
        candidates: columns sample_id, text, in the order in which they are judged.
        pool: columns sample_id, text.
        threshold: F above which a candidate is dropped.
        run_id: the run that judges.
        split: `words`, or `ascii_words` to decide as `rouge_score` does outside ASCII too.
    """
    if candidates.is_empty():
        return pl.DataFrame(schema=polars_schema("verdict"))
    n_known = pool.height
    ids = [*pool["sample_id"], *candidates["sample_id"]]
    found = search(end_to_end([*pool["text"], *candidates["text"]], split), n_known, threshold)
    rows = [
        _verdict(
            ids[i], run_id, found.score[i], threshold, ids[by] if (by := found.witness[i]) >= 0 else None
        )
        for i in range(n_known, len(ids))
    ]
    return pl.DataFrame(rows, schema=polars_schema("verdict"))


def end_to_end(texts: list[str], split: Split = words) -> Texts:
    """Texts as `search` takes them: ids of their words, equal for equal words in this process."""
    tokens = _token_ids(texts, split)
    bounds = np.fromiter(accumulate(map(len, tokens), initial=0), np.int64, len(tokens) + 1)
    return Texts(np.fromiter(chain.from_iterable(tokens), np.int32, bounds[-1]), bounds)


_VOCABULARY: dict[str, int] = {}  # token -> id; ids only need to be equal for equal tokens


def _token_ids(texts: list[str], split: Split) -> list[tuple[int, ...]]:
    return [_ids_of(text, split) for text in texts]


@lru_cache(maxsize=200_000)  # the pool is compared again in every round
def _ids_of(text: str, split: Split) -> tuple[int, ...]:
    return tuple(_VOCABULARY.setdefault(word, len(_VOCABULARY)) for word in split(text))


def _highest(scores: np.ndarray, k: int) -> list[tuple[int, float]]:
    """Places and values of the `k` highest, falling; of equals those that stand first."""
    least = np.partition(scores, -k)[-k] if k < len(scores) else -np.inf
    places = np.flatnonzero(scores >= least)
    first = places[np.argsort(-scores[places], kind="stable")[:k]]
    return list(zip(first.tolist(), scores[first].tolist(), strict=True))


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
    bootstrap = bootstrap_level(recipe_of(run, recipe)).bootstrap
    threshold = bootstrap.rouge

    def make() -> dict[str, pl.DataFrame]:
        candidates = by_instruction(accepted(run, recipe, found))
        known = pool_of(run, recipe, pool, among)
        return {"verdict": judge(candidates, known, threshold, run.run_id)}

    return run.once("rouge", [*found, *pool], {"threshold": threshold, "among": among}, make)
