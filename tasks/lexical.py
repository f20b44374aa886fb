"""How rich and how formulaic the words of a set of texts are.

Everything is a function of counts: of words, of word n-grams (n-grams never cross a text), or of the texts
that have an n-gram. Words as in `tasks.tokens`, so any language. Functions take texts, or a `Corpus` read
once.
Rarefaction: Hurlbert 1971. Coverage of a sample: Good 1953. Repeated n-grams and openers show templates,
which averages over embeddings do not. distinct-n (Li et al. 2016) falls with the number of texts: rarefied
counts do not.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tasks.words_kernel import first_in_text, number_pairs, number_words


class Corpus(NamedTuple):
    """The words of n texts, one after the other."""

    tokens: np.ndarray  # (N,) int64, ids of words in order of first appearance
    text: np.ndarray  # (N,) int64, which text each word stands in
    n_texts: int


class Occurrences(NamedTuple):
    """N occurrences of types: of n-grams, or of (text, n-gram) pairs."""

    types: np.ndarray  # (N,) int64 from 0 up; not every number need occur
    text: np.ndarray  # (N,) int64


def read(texts: Sequence[str] | Corpus) -> Corpus:
    """The words of texts as ids; a corpus is returned as it is."""
    if isinstance(texts, Corpus):
        return texts
    tokens, lengths = number_words(texts)
    return Corpus(tokens, np.repeat(np.arange(len(lengths)), lengths), len(lengths))


def ngrams(texts: Sequence[str] | Corpus, n: int) -> Occurrences:
    """Every n-gram of words inside a text, with exact ids (no hashing)."""
    corpus = read(texts)
    types, length = corpus.tokens, 1
    while length < n:
        step = min(length, n - length)  # two grams of this length that overlap, or touch, make the longer one
        types = number_pairs(types[: max(0, len(types) - step)], types[step:]).types
        length += step
    inside = corpus.text[: len(types)] == corpus.text[len(corpus.text) - len(types) :]
    # A gram that spans two texts has a number but no occurrence: its count is 0 everywhere.
    return Occurrences(types[inside], corpus.text[: len(types)][inside])


def once_per_text(grams: Occurrences) -> Occurrences:
    """Each n-gram at most once for each text: counts become document frequencies."""
    first = first_in_text(grams.types, grams.text)
    return Occurrences(grams.types[first], grams.text[first])


def openers(texts: Sequence[str] | Corpus, n: int = 3) -> Occurrences:
    """The first n words of every text that has as many."""
    corpus = read(texts)
    first = np.searchsorted(corpus.text, np.arange(corpus.n_texts))
    lengths = np.bincount(corpus.text, minlength=corpus.n_texts)
    starts = first[lengths >= n]
    types = corpus.tokens[starts]
    for i in range(1, n):
        types = number_pairs(types, corpus.tokens[starts + i]).types
    return Occurrences(types, np.flatnonzero(lengths >= n))


def top_share(counts: np.ndarray, top: int = 10) -> float | None:
    """Share of the `top` commonest types among all occurrences. Range: 0 to 1; None without occurrences."""
    total = counts.sum()
    return float(np.sort(counts)[-top:].sum() / total) if total else None


def repeated_share(counts: np.ndarray) -> float | None:
    """Share of occurrences whose type occurs more than once. Range: 0 to 1; None without occurrences."""
    total = counts.sum()
    return float(counts[counts > 1].sum() / total) if total else None


def rarefied_types(counts: np.ndarray, m: int) -> float | None:
    """Expected number of types among m occurrences drawn without replacement. Range: 1 to min(m, V).

    E_m = sum over r of f_r (1 - C(N-r, m) / C(N, m)), f_r types being seen r times (Hurlbert 1971). The
    ratio is a product of r factors 1 - m / (N - i), summed as logarithms: exact where lgamma would cancel.
    None when m > N.
    """
    total = int(counts.sum())
    if m < 1 or m > total:
        return None
    f = np.bincount(counts)
    seen = np.flatnonzero(f[1:]) + 1
    drawn = np.arange(int(seen[-1]))
    with np.errstate(divide="ignore"):
        # More than N - m copies cannot all be missed: the logarithm is -inf from there on.
        missed = np.cumsum(np.log1p(-np.minimum(1.0, m / (total - drawn))))
    return float(np.sum(f[seen] * -np.expm1(missed[seen - 1])))


def turing_coverage(counts: np.ndarray) -> float | None:
    """Good-Turing coverage 1 - f_1 / N. Range: 0 to 1; None without occurrences.

    The share of the next occurrences whose type was seen already (Good 1953): a natural rule to stop.
    """
    total = counts.sum()
    return float(1 - np.sum(counts == 1) / total) if total else None


def distinct_share(counts: np.ndarray) -> float | None:
    """Types per occurrence. Range: 0 to 1; None without occurrences. Falls with N: for equal sizes only."""
    total = counts.sum()
    return float(np.sum(counts > 0) / total) if total else None


def opener_share(texts: Sequence[str] | Corpus, top: int = 10, n: int = 3) -> float | None:
    """Share of texts that begin with one of the 10 commonest openers of 3 words.

    Range: 0 to 1; None for n < 2.

    Over texts of at least 3 words; of 10 texts or fewer it is 1 by construction.
    """
    corpus = read(texts)
    return None if corpus.n_texts < 2 else top_share(np.bincount(openers(corpus, n).types), top)


def repeated_ngram_share(texts: Sequence[str] | Corpus, n: int = 4) -> float | None:
    """sum_g df_g [df_g > 1] / sum_g df_g over 4-grams g, df texts that have g.

    Range: 0 to 1; None for n < 2.
    """
    corpus = read(texts)
    return None if corpus.n_texts < 2 else repeated_share(np.bincount(once_per_text(ngrams(corpus, n)).types))


def rarefied_ngrams(texts: Sequence[str] | Corpus, n: int = 2, m: int = 5000) -> float | None:
    """Different bigrams expected among m = 5000 (Hurlbert). Range: 1 to m; None with fewer than m bigrams.

    Safe against the number of texts, not against their length: show mean_words beside it.
    """
    return rarefied_types(np.bincount(ngrams(texts, n).types), m)


def distinct_ngrams(texts: Sequence[str] | Corpus, n: int = 2) -> float | None:
    """distinct-n, different n-grams per n-gram (Li et al. 2016).

    Range: 0 to 1; None for fewer than 2 texts.
    """
    corpus = read(texts)
    return None if corpus.n_texts < 2 else distinct_share(np.bincount(ngrams(corpus, n).types))


def good_turing(texts: Sequence[str] | Corpus) -> float | None:
    """Good-Turing coverage of words, 1 - f_1 / N (Good 1953). Range: 0 to 1; None for fewer than 2 texts."""
    corpus = read(texts)
    return None if corpus.n_texts < 2 else turing_coverage(np.bincount(corpus.tokens))


def word_counts(texts: Sequence[str] | Corpus) -> np.ndarray:
    """Words of each text, (n,) int64. Range: 0 and up."""
    corpus = read(texts)
    return np.bincount(corpus.text, minlength=corpus.n_texts)


def mean_words(texts: Sequence[str] | Corpus) -> float | None:
    """Mean number of words per text. Range: 0 and up; None for fewer than 2 texts."""
    corpus = read(texts)
    return None if corpus.n_texts < 2 else len(corpus.tokens) / corpus.n_texts
