"""The nearest other text of each text, by cosine of vectors and by ROUGE-L of words.

Near-duplicates move averages over all pairs by nothing: 10% exact copies leave Vendi, mean cosine and
NovelSum where they were. The nearest neighbour sees each of them. Exact throughout: blocks of a matrix
product, and bit-parallel longest common subsequences (tasks/rouge.py) on word ids. ROUGE-L: Lin 2004; its
use as a novelty rule, above 0.7 is not new: Wang et al. 2023, Self-Instruct.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tasks.rouge import rouge_l_matrix
from tasks.spread import unit
from tasks.tokens import words

BLOCK = 1024  # rows of the similarity matrix at a time
TEXTS = 64  # the same of texts
LONG = 10_000  # words: two texts this long cost a millisecond and more, growing with the square


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

    O(n^2 d), about 2 CPU-seconds for n = 20,000 and d = 384; memory BLOCK x n.
    """
    rows = unit(vectors).astype(np.float32)
    if len(rows) < 2:
        return None
    found = _nearest(len(rows), BLOCK, lambda start, stop: rows[start:stop] @ rows[start:].T)
    return Nearest(np.clip(found.similarity, -1, 1), found.index)


def _nearest(n: int, block: int, similar: Callable[[int, int], np.ndarray]) -> Nearest:
    """The nearest other row from the upper half of a symmetric matrix, block by block; the first of equals.

    `similar(start, stop)` gives rows start to stop of it against all rows from start on.
    """
    similarity, index = np.full(n, -np.inf), np.full(n, -1, dtype=np.int64)
    for start in range(0, n, block):
        stop = min(start + block, n)
        scores = similar(start, stop)
        here = np.arange(stop - start)
        scores[here, here] = -np.inf
        _nearer(similarity[start:stop], index[start:stop], scores, start)
        later = scores[:, stop - start :]
        if later.shape[1]:
            _nearer(similarity[stop:], index[stop:], later.T, start)
    return Nearest(similarity, index)


def _nearer(similarity: np.ndarray, index: np.ndarray, scores: np.ndarray, start: int) -> None:
    """Put into place what is nearer than what was found; `scores` begin at column `start`."""
    best = scores.argmax(axis=1)
    value = np.take_along_axis(scores, best[:, None], axis=1)[:, 0]
    nearer = value > similarity
    similarity[nearer], index[nearer] = value[nearer], start + best[nearer]


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
    return _nearest(len(tokens), TEXTS, lambda start, stop: _rouge_rows(tokens, start, stop))


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


def _rouge_rows(tokens: list[tuple[int, ...]], start: int, stop: int) -> np.ndarray:
    """F of rows start to stop to all from start on, but of a long one to itself, which costs most."""
    some = tokens[start:stop]
    found = rouge_l_matrix([() if len(each) > LONG else each for each in some], tokens[start:])
    for i, each in enumerate(some):
        if len(each) > LONG:
            others = [*tokens[start : start + i], (), *tokens[start + i + 1 :]]
            found[i] = rouge_l_matrix([each], others)[0]
    return found


def _token_ids(texts: Sequence[str], vocabulary: dict[str, int]) -> list[tuple[int, ...]]:
    return [tuple(vocabulary.setdefault(w, len(vocabulary)) for w in words(text)) for text in texts]
