"""What two texts have in common and where they differ: word by word, and as the filters measure it.

The difference is a longest common subsequence of words and signs as they are written (`git diff --word-diff`
shows such). Only white space is passed over.
"""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import polars as pl
import regex
from rapidfuzz.distance import LCSseq

from tasks.shingles import shingle_sets
from tasks.tokens import words

CELLS = 400_000_000  # of the table behind a common subsequence, a bit each
EQUAL, DELETE, INSERT = "equal", "delete", "insert"
_PIECE = regex.compile(
    r"(?:[\p{Han}\p{Hiragana}\p{Katakana}]\p{M}*"
    r"|(?:(?![\p{Han}\p{Hiragana}\p{Katakana}])[\p{L}\p{N}\p{M}])+|\S)\s*|\A\s+"
)


def word_difference(old: str, new: str) -> list[tuple[str, str]]:
    """The steps that turn one text into the other: (`equal`, `delete` or `insert`, text), in order.

    Equal and deleted texts together are the old text to the letter, equal and inserted ones the new one up to
    white space. Where the table would be too large, all between the common beginning and end is replaced.
    """
    left, right = _PIECE.findall(old), _PIECE.findall(new)
    a, b = ([piece.rstrip() for piece in side] for side in (left, right))
    begin = _common(a, b)
    end = _common(a[begin:][::-1], b[begin:][::-1])
    a, b = a[begin : len(a) - end], b[begin : len(b) - end]
    steps = [(EQUAL, left[:begin]), *_between(a, b, left[begin:], right[begin:])]
    steps.append((EQUAL, left[len(left) - end :]))
    return [(what, "".join(pieces)) for what, pieces in _merged(steps)]


def jaccard(a: str, b: str, n: int) -> float | None:
    """|A and B| / |A or B| of their sets of word n-grams, as `minhash` decides. Range: 0 to 1.

    None when neither has a word.
    """
    bounds, hashes = shingle_sets(pl.Series([a, b]), n)
    left, right = hashes[: bounds[1]], hashes[bounds[1] :]
    union = len(np.union1d(left, right))
    return len(np.intersect1d(left, right)) / union if union else None


def rouge_l(a: str, b: str) -> float | None:
    """ROUGE-L F of two texts, as `tasks.rouge` computes it. Range: 0 to 1; None for very long texts."""
    left, right = words(a), words(b)
    if len(left) * len(right) > 64 * CELLS:
        return None
    lcs = LCSseq.similarity(left, right)
    if lcs == 0:
        return 0.0
    precision, recall = lcs / len(right), lcs / len(left)
    return 2 * precision * recall / (precision + recall)


def _merged(steps: list[tuple[str, list[str]]]) -> Iterator[tuple[str, list[str]]]:
    """Steps that are not empty; between two equal ones at most what goes, then what comes."""
    for _, near in groupby((step for step in steps if step[1]), key=lambda step: step[0] == EQUAL):
        same = list(near)
        for what in (EQUAL, DELETE, INSERT):
            if pieces := [piece for each, some in same if each == what for piece in some]:
                yield what, pieces


def _common(a: list[str], b: list[str]) -> int:
    """How many of the first elements are the same."""
    n = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        n += 1
    return n


def _between(a: list[str], b: list[str], left: list[str], right: list[str]) -> list[tuple[str, list[str]]]:
    """Steps between the keys a and b, told by the pieces that they are keys of."""
    if len(a) * len(b) > CELLS:
        return [(DELETE, left[: len(a)]), (INSERT, right[: len(b)])]
    steps = []
    for step in LCSseq.opcodes(a, b):
        if step.tag == EQUAL:
            steps.append((EQUAL, left[step.src_start : step.src_end]))
        else:
            steps.append((DELETE, left[step.src_start : step.src_end]))
            steps.append((INSERT, right[step.dest_start : step.dest_end]))
    return steps
