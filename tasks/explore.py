"""Statistics for looking closer: well known, but moved by length or number of texts. No gate reads them.

All are taken of a hash sample of a fixed size, so that two values of the same n can be compared. DCScore: Zhu
et al. 2025, BlueWhaleLab/DCScore, of unit rows. NovelSum: Yang et al. 2025 (arXiv 2502.17184), within the set
and by cosine throughout, without itself among a row's neighbours. MTLD and HD-D: McCarthy & Jarvis 2010. EAD:
Liu et al. 2022. Self-BLEU: Zhu et al. 2018 (Texygen), BLEU with the smoothing of one tenth. Compression:
Shaib et al. 2024, but of sorted texts: a ratio in the order of rows moves with the order.
"""

import lzma
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tasks.intervals import Estimate, mean
from tasks.lexical import Occurrences, ngrams, rarefied_types, read, word_counts
from tasks.spread import unit
from tasks.tokens import words

M = 1_000  # texts and vectors of the hash sample
FACTOR = 0.72  # of MTLD: types per word at which a factor is full
DRAWN = 42  # words drawn by HD-D
ORDERS = 4  # of Self-BLEU
SMOOTHED = 0.1  # matches when there are none
VOCABULARY = 30_522  # of EAD: a free choice, the size of BERT's
LEAST = 1e-6  # distance below which two rows are one


def estimates(texts: Sequence[str]) -> dict[str, Estimate]:
    """mtld, hdd, ead, self_bleu and compression_ratio of n texts, n at most M in practice."""
    n = len(texts)
    tokens = [words(text) for text in texts]
    each_mtld, each_hdd = ([f(t) for t in tokens] for f in (mtld, hdd))
    return {
        "mtld": mean(np.array([v for v in each_mtld if v is not None])),
        "hdd": mean(np.array([v for v in each_hdd if v is not None])),
        "ead": Estimate(ead(texts), n),
        "self_bleu": Estimate(self_bleu(texts), n),
        "compression_ratio": Estimate(compression_ratio(texts), n),
    }


def vector_estimates(vectors: np.ndarray) -> dict[str, Estimate]:
    """dc_score and novel_sum of (n, d) rows."""
    n = len(vectors)
    return {
        "dc_score": Estimate(dc_score(vectors), n),
        "novel_sum": Estimate(novel_sum(vectors), n),
    }


def mtld(tokens: Sequence[str]) -> float | None:
    """Words for which types per word stay above 0.72, mean of both directions. Range: 1 and up.

    None for fewer than 2 words. Unstable below 100 words; shuffled words score high.
    """
    if len(tokens) < 2:
        return None
    return (_words_per_factor(tokens) + _words_per_factor(tokens[::-1])) / 2


def _words_per_factor(tokens: Sequence[str]) -> float:
    factors, seen, n = 0.0, set(), 0
    for token in tokens:
        seen.add(token)
        n += 1
        if len(seen) / n <= FACTOR:
            factors, seen, n = factors + 1, set(), 0
    if n:
        factors += (1 - len(seen) / n) / (1 - FACTOR)  # the last one is not full
    return len(tokens) / factors if factors else float(len(tokens))


def hdd(tokens: Sequence[str], drawn: int = DRAWN) -> float | None:
    """HD-D: expected types among 42 words of the text, over 42. Range: 1/42 to 1; None below 42 words."""
    if len(tokens) < max(2, drawn):
        return None
    types = rarefied_types(np.array(list(Counter(tokens).values()), np.int64), drawn)
    return None if types is None else types / drawn


def ead(texts: Sequence[str], vocabulary: int = VOCABULARY) -> float | None:
    """Types over those expected of as many words drawn evenly from a vocabulary. Range: 0 and up.

    D / (V (1 - ((V-1)/V)^C)); V is a free choice and the value can be above 1. None for fewer than 2 texts.
    """
    tokens = [word for text in texts for word in words(text)]
    if len(texts) < 2 or not tokens:
        return None
    return len(set(tokens)) / (vocabulary * -math.expm1(len(tokens) * math.log1p(-1 / vocabulary)))


def self_bleu(texts: Sequence[str]) -> float | None:
    """Mean BLEU-4 of each text with all others as references. Range: 0 to 1; None for fewer than 2 texts.

    Linear in the words: the most of an n-gram in any other text is the most of all texts or the second most.
    """
    n = len(texts)
    if n < 2:
        return None
    corpus = read(texts)
    logs = sum(np.log(_precisions(ngrams(corpus, order), n)) for order in range(1, ORDERS + 1))
    lengths = word_counts(corpus)
    scores = np.exp(logs / ORDERS) * _brevity(lengths)
    return float(np.mean(np.where(lengths > 0, scores, 0)))


def _precisions(grams: Occurrences, n: int) -> np.ndarray:
    """Share of the n-grams of each text that another has as often, (n,); SMOOTHED matches when none."""
    v = int(grams.types.max(initial=0)) + 1
    pairs, counts = np.unique(grams.text.astype(np.int64) * v + grams.types, return_counts=True)
    order = np.lexsort((-counts, pairs % v))  # by n-gram, the text that has it most often first
    text, types, counts = (pairs // v)[order], (pairs % v)[order], counts[order]
    first = np.diff(types, prepend=-1) != 0
    second = np.roll(np.where(first, 0, counts), -1)  # of a first row the next one, if it is of its n-gram
    most = counts[first][np.cumsum(first) - 1]
    hits = np.bincount(text, np.minimum(counts, np.where(first, second, most)), n)
    return np.where(hits > 0, hits, SMOOTHED) / np.maximum(1, np.bincount(text, counts, n))


def _brevity(lengths: np.ndarray) -> np.ndarray:
    """BLEU's penalty of each text against the other of nearest length, of two the shorter."""
    known, place, often = np.unique(lengths, return_inverse=True, return_counts=True)
    below = np.concatenate([[-np.inf], known[:-1]])[place]
    above = np.concatenate([known[1:], [np.inf]])[place]
    shorter = (often[place] == 1) & (above - lengths < lengths - below) & (lengths > 0)
    return np.exp(np.where(shorter, 1 - above / np.maximum(lengths, 1), 0))


def compression_ratio(texts: Sequence[str]) -> float | None:
    """Bytes of the sorted texts, one to a line, over those of their xz. Range: above 0; None for n < 2.

    Texts without a character have none. Grows with the number of texts; the order of rows does not matter.
    """
    raw = "\n".join(sorted(texts)).encode()
    if len(texts) < 2 or not any(texts):
        return None
    return len(raw) / len(lzma.compress(raw, preset=6))


def dc_score(vectors: np.ndarray, tau: float = 1.0) -> float | None:
    """Sum over rows of the softmax of their cosines at themselves. Range: 1 to n; None for n < 2.

    At tau = 1 orthonormal rows reach only n e / (e + n - 1), below e: values crowd there. O(n^2).
    """
    if len(vectors) < 2:
        return None
    rows = unit(vectors)
    weights = np.exp((rows @ rows.T - 1) / tau)
    return float(np.sum(np.diagonal(weights) / weights.sum(axis=1)))


def novel_sum(vectors: np.ndarray, alpha: float = 1.0, beta: float = 0.5, k: int = 10) -> float | None:
    """Mean over rows of the sum over others j of rank^-alpha sigma_j^beta d_ij. Range: 0 up; None for n < 2.

    d is 1 - cosine, rank that of j by d from i (1 the nearest), sigma_j one over the sum of d from j to its k
    nearest, at most LEAST apart counting as LEAST. Compare at equal n only. O(n^2 log n).
    """
    n = len(vectors)
    if n < 2:
        return None
    rows = unit(vectors)
    distance = np.clip(1 - rows @ rows.T, 0, 2)
    np.fill_diagonal(distance, np.inf)
    order = np.argsort(distance, axis=1, kind="stable")[:, : n - 1]
    ordered = np.take_along_axis(distance, order, axis=1)
    sigma = np.maximum(ordered[:, :k], LEAST).sum(axis=1) ** -beta
    weights = np.arange(1, n) ** -alpha
    return float(np.mean(np.sum(weights * sigma[order] * ordered, axis=1)))
