"""The nearest other text of each text, by cosine of vectors and by ROUGE-L of words.

Near-duplicates move averages over all pairs by nothing: 10% exact copies leave Vendi, mean cosine and
NovelSum where they were. The nearest neighbour sees each of them. Exact throughout: blocks of a matrix
product, and bit-parallel longest common subsequences (tasks/rouge.py) on word ids. ROUGE-L: Lin 2004; its
use as a novelty rule, above 0.7 is not new: Wang et al. 2023, Self-Instruct.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tasks.rouge import rouge_l_matrix
from tasks.spread import unit
from tasks.tokens import words

BLOCK = 1024  # rows of the similarity matrix at a time


class Nearest(NamedTuple):
    """For each of n rows the similarity of its nearest other row, and which row that is."""

    similarity: np.ndarray  # (n,) float64
    index: np.ndarray  # (n,) int64


def bottom(ids: Sequence[str], m: int) -> np.ndarray:
    """Places of the m ids with the smallest SHA-256, in that order: a sample that every order agrees on.

    Mergeable: the bottom of a union is the bottom of the union of the bottoms.
    """
    keys = [hashlib.sha256(i.encode()).digest() for i in ids]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__)[:m], dtype=np.int64)


def nearest_cosine(vectors: np.ndarray) -> Nearest | None:
    """Cosine of each row of (n, d) to its nearest other row, exact. Range: -1 to 1; None for n < 2.

    O(n^2 d), about 3 CPU-seconds for n = 20,000 and d = 384; memory BLOCK x n.
    """
    rows = unit(vectors).astype(np.float32)
    if len(rows) < 2:
        return None
    similarity, index = np.empty(len(rows)), np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), BLOCK):
        cosines = rows[start : start + BLOCK] @ rows.T
        here = np.arange(len(cosines))
        cosines[here, start + here] = -np.inf
        index[start : start + BLOCK] = best = cosines.argmax(axis=1)
        similarity[start : start + BLOCK] = cosines[here, best]
    return Nearest(np.clip(similarity, -1, 1), index)


def cosine_to(vectors: np.ndarray, others: np.ndarray) -> np.ndarray | None:
    """Largest cosine of each row of (n, d) to any of the (m, d) others. Range: -1 to 1; None when m = 0."""
    if not len(others):
        return None
    rows, targets = unit(vectors).astype(np.float32), unit(others).astype(np.float32)
    blocks = [(rows[i : i + BLOCK] @ targets.T).max(axis=1) for i in range(0, len(rows), BLOCK)]
    return np.clip(np.concatenate([np.empty(0), *blocks]), -1, 1)


def novelty(vectors: np.ndarray, earlier: np.ndarray) -> np.ndarray | None:
    """1 - largest cosine of each row to what came before.

    Range: 0 (repeated) to 2; None with nothing before.
    """
    cosines = cosine_to(vectors, earlier)
    return None if cosines is None else 1 - cosines


def cosine_quantile(vectors: np.ndarray, q: float = 0.99) -> float | None:
    """Quantile q of the cosine of two different rows, over all pairs. Range: -1 to 1; None for n < 2.

    What counts as near depends on the encoder and on the texts; this is where their own near begins. O(n^2).
    """
    rows = unit(vectors).astype(np.float32)
    if len(rows) < 2:
        return None
    return float(np.quantile((rows @ rows.T)[np.triu_indices(len(rows), 1)], q))


def share_above(similarities: np.ndarray, threshold: float) -> float | None:
    """Share of the values that are greater than the threshold.

    Range: 0 to 1; None for fewer than 2 values.
    """
    return float(np.mean(np.asarray(similarities) > threshold)) if len(similarities) > 1 else None


def nearest_rouge(texts: Sequence[str]) -> Nearest | None:
    """ROUGE-L F of each text to its nearest other text, exact. Range: 0 to 1; None for n < 2.

    F = 2 LCS / (words of a + words of b), 0 when neither has a word. O(n^2) at 0.2 to 0.7 us a pair on one
    core.
    """
    if len(texts) < 2:
        return None
    tokens = _token_ids(texts, {})
    similarity, index = np.empty(len(tokens)), np.empty(len(tokens), dtype=np.int64)
    for start in range(0, len(tokens), BLOCK):
        scores = rouge_l_matrix(tokens[start : start + BLOCK], tokens)
        here = np.arange(len(scores))
        scores[here, start + here] = -1
        index[start : start + BLOCK] = best = scores.argmax(axis=1)
        similarity[start : start + BLOCK] = scores[here, best]
    return Nearest(similarity, index)


def rouge_to(texts: Sequence[str], others: Sequence[str]) -> np.ndarray | None:
    """Largest ROUGE-L F of each text to any of the others: the echo of seeds. Range: 0 to 1.

    None without others.
    """
    if not len(others):
        return None
    vocabulary: dict[str, int] = {}
    targets, tokens = _token_ids(others, vocabulary), _token_ids(texts, vocabulary)
    blocks = [
        rouge_l_matrix(tokens[i : i + BLOCK], targets).max(axis=1) for i in range(0, len(tokens), BLOCK)
    ]
    return np.concatenate([np.empty(0), *blocks])


def _token_ids(texts: Sequence[str], vocabulary: dict[str, int]) -> list[tuple[int, ...]]:
    return [tuple(vocabulary.setdefault(w, len(vocabulary)) for w in words(text)) for text in texts]
