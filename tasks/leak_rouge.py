"""Evaluation texts that a text resembles by ROUGE-L, compiled: the third rule of decontamination.

F = 2 LCS / (a + b) over words (Lin 2004). F > 0.7 needs LCS > 0.35 (a + b), hence LCS > 7/13 of either
length. The first and the second of a word in one text are two elements; texts that share that many elements
have a common one among the rarest 6/13 of each (prefix filter: Bayardo et al. 2007), so only those are looked
up; then lengths and the elements shared bound F, and the LCS of what remains is bit-parallel (Hyyro 2004).
Nothing is missed. `tasks.rouge_search` finds the nearest of all texts at any F, at more than ten times the
cost; here only what is above 0.7 counts. All is in one file because numba's cache only sees its changes.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from tasks.leak_words import Lists

ROUGE = 0.7
_LEAST, _OF = 7, 13  # LCS > 0.35 (a + b) and LCS <= b give LCS > 0.35 / 0.65 a
_U64 = np.uint64
_ONE, _ALL = _U64(1), _U64(0xFFFFFFFFFFFFFFFF)


class RougeIndex(NamedTuple):
    """The evaluation texts by length, shortest first, and by their rarest elements."""

    words: Lists  # ids of the words of each text
    name: np.ndarray  # (n,) int32, the place of a text among those that were given
    elements: Lists  # for each word its first, second, ... time in a text: rank by rarity
    ranked: np.ndarray  # int32, elements of each text, rarest first, beside the words
    holders: Lists  # for each element the texts that have it among their rarest, ascending
    at: np.ndarray  # int32, and how many rarer ones they have


class Alike(NamedTuple):
    """What was found for each of n texts."""

    f: np.ndarray  # (n,) float64, highest F above ROUGE, else 0
    text: np.ndarray  # (n,) int32, the first evaluation text with that F, else -1


class _Scratch(NamedTuple):
    """Memory that one text after the other uses."""

    element: np.ndarray  # (longest,) int32
    times: np.ndarray  # (vocabulary,) int32, zero between two texts
    seen: np.ndarray  # (texts,) int32, the number of a text
    masks: np.ndarray  # (vocabulary + 1,) uint64, where a word stands among 64; the last of unknown ones
    carries: np.ndarray  # (longest evaluation text,) uint8


def rouge_index(words: Lists, n_words: int) -> RougeIndex:
    """An index of texts with words, ids below n_words."""
    words, name = _by_length(words)
    times = _times_before(words, n_words)
    most = int(times.max(initial=0)) + 1
    keys, elements, counts = np.unique(
        words.items.astype(np.int64) * most + times, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(keys), np.int32)
    rank[np.lexsort([keys, counts])] = np.arange(len(keys))  # rarest first
    text_of = np.repeat(np.arange(len(name), dtype=np.int32), np.diff(words.bounds))
    ranked = rank[elements]
    ranked = ranked[np.lexsort([ranked, text_of])]
    of_word = Lists(np.searchsorted(keys, np.arange(n_words + 1) * most), rank)
    return RougeIndex(words, name, of_word, ranked, *_holders(words.bounds, ranked, text_of, len(keys)))


def _by_length(words: Lists) -> tuple[Lists, np.ndarray]:
    lengths = np.diff(words.bounds)
    name = np.argsort(lengths, kind="stable").astype(np.int32)
    bounds = np.concatenate([np.zeros(1, np.int64), lengths[name].cumsum()])
    shift = np.repeat(words.bounds[name] - bounds[:-1], lengths[name])
    return Lists(bounds, words.items[shift + np.arange(len(shift))]), name


def _holders(
    bounds: np.ndarray, ranked: np.ndarray, text_of: np.ndarray, n_elements: int
) -> tuple[Lists, np.ndarray]:
    """For each element the texts that have it among their rarest, and its place there."""
    lengths = np.diff(bounds)
    rarest = lengths - -(-lengths * _LEAST // _OF) + 1
    at = (np.arange(len(ranked)) - bounds[text_of]).astype(np.int32)
    inside = at < rarest[text_of]
    held = ranked[inside]
    order = np.argsort(held, kind="stable")
    ends = np.concatenate([np.zeros(1, np.int64), np.bincount(held, minlength=n_elements).cumsum()])
    return Lists(ends, text_of[inside][order]), at[inside][order]


@njit(cache=True, nogil=True)
def search_alike(words: Lists, index: RougeIndex, wanted: np.ndarray) -> Alike:
    """The most similar evaluation text of each text that is wanted, (n,) bool; words as ids of the index."""
    n = len(words.bounds) - 1
    alike = Alike(np.zeros(n), np.full(n, -1, np.int32))
    scratch = _scratch(words.bounds, index)
    for i in range(n):
        if wanted[i]:
            _nearest(i, words.items[words.bounds[i] : words.bounds[i + 1]], index, scratch, alike)
    return alike


@njit(cache=True, nogil=True)
def _scratch(bounds: np.ndarray, index: RougeIndex) -> _Scratch:
    n_words, n_texts = len(index.elements.bounds) - 1, len(index.words.bounds) - 1
    return _Scratch(
        np.empty(np.diff(bounds).max(), np.int32), np.zeros(n_words, np.int32),
        np.full(n_texts, -1, np.int32), np.zeros(n_words + 1, np.uint64),
        np.zeros(np.diff(index.words.bounds).max(), np.uint8),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _times_before(words: Lists, n_words: int) -> np.ndarray:
    """How often each word stood in its text before, int64 beside the words."""
    latest, times = np.full(n_words, -1, np.int32), np.zeros(n_words, np.int64)
    found = np.empty(len(words.items), np.int64)
    for i in range(len(words.bounds) - 1):
        for j in range(words.bounds[i], words.bounds[i + 1]):
            word = words.items[j]
            times[word] = times[word] + 1 if latest[word] == i else 0
            latest[word], found[j] = i, times[word]
    return found


@njit(cache=True, nogil=True)
def _nearest(i: int, words: np.ndarray, index: RougeIndex, scratch: _Scratch, alike: Alike) -> None:
    m = len(words)
    n_known = _find_elements(words, index, scratch)
    rarest = n_known - (m * _LEAST + _OF - 1) // _OF + 1  # unknown words come first: they are the rarest
    if rarest <= 0:
        return
    ranked = np.sort(scratch.element[:n_known])
    for j in range(rarest):
        last = index.holders.bounds[ranked[j] + 1]
        for k in range(_first_long_enough(m, ranked[j], index), last):
            text = index.holders.items[k]
            length = index.words.bounds[text + 1] - index.words.bounds[text]
            if length * _LEAST > m * _OF:
                break
            if scratch.seen[text] != i:
                scratch.seen[text] = i
                least = max(ROUGE, alike.f[i])
                if _share(ranked[j:], text, index.at[k], _needed(least, m, length), index):
                    f = f_measure(_lcs(words, text, index, scratch), m, length)
                    if f > ROUGE and (
                        f > alike.f[i] or (f == alike.f[i] and index.name[text] < alike.text[i])
                    ):
                        alike.f[i], alike.text[i] = f, index.name[text]


@njit(cache=True, nogil=True)
def _first_long_enough(m: int, element: int, index: RougeIndex) -> int:
    """The first holder of an element that has at least 7/13 of m words."""
    low, high = index.holders.bounds[element], index.holders.bounds[element + 1]
    while low < high:
        middle = (low + high) // 2
        text = index.holders.items[middle]
        if (index.words.bounds[text + 1] - index.words.bounds[text]) * _OF < m * _LEAST:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _needed(least: float, a: int, b: int) -> int:
    """The shortest common subsequence with which F is not below the least that counts."""
    n = max(1, int(least * (a + b) / 2))  # rounded down, perhaps one too low
    while f_measure(n, a, b) < least:
        n += 1
    return n


@njit(cache=True, nogil=True)
def _find_elements(words: np.ndarray, index: RougeIndex, scratch: _Scratch) -> int:
    """Fill `scratch.element` with those that evaluation texts have; how many there are."""
    n = 0
    for word in words:
        if word >= 0:
            at = index.elements.bounds[word] + scratch.times[word]
            scratch.times[word] += 1
            if at < index.elements.bounds[word + 1]:
                scratch.element[n] = index.elements.items[at]
                n += 1
    for word in words:
        if word >= 0:
            scratch.times[word] = 0
    return n


@njit(cache=True, nogil=True)
def _share(left: np.ndarray, text: int, at: int, needed: int, index: RougeIndex) -> bool:
    """Whether ascending elements and those of a text, from one on, have that many in common."""
    right = index.ranked[index.words.bounds[text] + at : index.words.bounds[text + 1]]
    i, j, n, m = 0, 0, len(left), len(right)
    while needed > 0 and min(n - i, m - j) >= needed:
        a, b = left[i], right[j]
        needed -= a == b
        i += a <= b
        j += b <= a
    return needed <= 0


@njit(cache=True, nogil=True)
def f_measure(lcs: int, a: int, b: int) -> float:
    """F of two texts of a and b words, rounded as `rouge_score` rounds."""
    if lcs == 0:
        return 0.0
    precision, recall = lcs / b, lcs / a
    return 2 * precision * recall / (precision + recall)


@njit(cache=True, nogil=True)
def _lcs(words: np.ndarray, text: int, index: RougeIndex, scratch: _Scratch) -> int:
    """Longest common subsequence with an evaluation text, 64 words of the first at a time."""
    others = index.words.items[index.words.bounds[text] : index.words.bounds[text + 1]]
    scratch.carries[: len(others)] = 0
    lcs = 0
    for start in range(0, len(words), 64):
        block = words[start : start + 64]
        for j in range(len(block)):
            scratch.masks[block[j]] |= _ONE << _U64(j)
        lcs += _lcs_of_marked(others, len(block), scratch)
        for word in block:
            scratch.masks[word] = 0
    return lcs


@njit(cache=True, nogil=True)
def _lcs_of_marked(others: np.ndarray, n_marked: int, scratch: _Scratch) -> int:
    """What the marked words add to the LCS, given the carries of those before them."""
    v = _ALL
    for j in range(len(others)):
        hit = v & scratch.masks[others[j]]
        partial = v + hit
        total = partial + _U64(scratch.carries[j])
        scratch.carries[j] = np.uint8(partial < v) | np.uint8(total < partial)
        v = total | (v & ~hit)
    zeros, lcs = ~v & (_ALL >> _U64(64 - n_marked)), 0
    while zeros != 0:
        zeros &= zeros - _ONE
        lcs += 1
    return lcs
