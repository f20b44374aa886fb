"""How much of a text repeats itself: shares of its characters in word n-grams, or in lines, that came before.

Rae et al. 2021 (Gopher), table A1, "duplicate n-grams" and "duplicate lines". Both shares are in [0, 1]: 0
for a text that never repeats, 1/2 for one written twice, near 1 for a loop.
"""

import numpy as np
import polars as pl

# The words of tasks.tokens, in the syntax of the engine that polars uses: count and extract without Python.
_KANA = r"[\p{Han}\p{Hiragana}\p{Katakana}]"
WORD = rf"{_KANA}\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}]--{_KANA}]+"
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: a rolling hash keeps all its bits
_SPREAD = np.uint64(0xD6E8FEB86659FD93)


def repeated_ngrams(texts: pl.Series, n: int) -> np.ndarray:
    """Share of each text's word characters that lie in an n-gram seen earlier in it, (rows,) float64.

    Words in lower case, n-grams by 64-bit hashes: among a million two collide in one of 37 million batches.
    """
    words = _words(texts)
    row = words["row"].to_numpy()  # (words,) the text each belongs to
    sizes = words["word"].str.len_chars().to_numpy().astype(np.int64)
    inside = _covered(_repeats(row, words["word"].hash(seed=1).to_numpy(), n), n)
    total = np.bincount(row, sizes, len(texts))
    repeated = np.bincount(row, sizes * inside, len(texts))
    return np.divide(repeated, total, out=np.zeros(len(texts)), where=total > 0)


def _words(texts: pl.Series) -> pl.DataFrame:
    words = texts.str.normalize("NFKC").str.to_lowercase().str.extract_all(WORD)
    return pl.DataFrame({"row": np.arange(len(texts)), "word": words}).explode("word").drop_nulls("word")


def _repeats(row: np.ndarray, hashes: np.ndarray, n: int) -> np.ndarray:
    """(words,) bool: whether the n-gram that begins here occurred before in the same text."""
    starts = len(row) - n + 1
    repeats = np.zeros(len(row), bool)
    if starts < 1:
        return repeats
    grams = row[:starts].astype(np.uint64) * _SPREAD  # equal grams of two texts differ
    for k in range(n):
        grams = grams * _MIX + hashes[k : k + starts]
    _, first = np.unique(grams, return_index=True)
    again = np.ones(starts, bool)
    again[first] = False
    repeats[:starts] = again & (row[:starts] == row[n - 1 :])
    return repeats


def _covered(repeats: np.ndarray, n: int) -> np.ndarray:
    """(words,) bool: whether a repeated n-gram covers the word."""
    steps = np.zeros(len(repeats) + n, np.int64)
    starts = np.flatnonzero(repeats)
    steps[starts] += 1
    steps[starts + n] -= 1
    return np.cumsum(steps)[: len(repeats)] > 0


def repeated_lines(texts: pl.Series) -> np.ndarray:
    """Share of each text's characters in lines that stood in it before, (rows,) float64.

    Lines without a letter or digit are left out: blank ones, and the rules of a table, repeat by right.
    """
    lines = pl.DataFrame({"row": np.arange(len(texts)), "line": texts.str.split("\n")}).explode("line")
    lines = lines.with_columns(pl.col("line").str.strip_chars()).filter(
        pl.col("line").str.contains(r"[\p{L}\p{N}]")
    )
    again = ~lines.select(pl.struct("row", "line").is_first_distinct()).to_series().to_numpy()
    row, sizes = lines["row"].to_numpy(), lines["line"].str.len_chars().to_numpy().astype(np.int64)
    total = np.bincount(row, sizes, len(texts))
    repeated = np.bincount(row, sizes * again, len(texts))
    return np.divide(repeated, total, out=np.zeros(len(texts)), where=total > 0)
