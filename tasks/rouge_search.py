"""The text most like another by ROUGE-L, exactly, in a pool that grows: the inner loops, compiled.

Words are numbers. The first and the second of a word in one text are two elements, so that the elements which
two texts share bound their longest common subsequence from above (LCS <= sum of the smaller counts). An
inverted index counts them for the whole pool at once, at one addition a shared element. The count and both
lengths bound F, and only texts whose bound reaches the best F found so far have their LCS computed, those of
the highest bound first. A bound is never below the value and both are rounded alike, so nothing is missed:
neither the highest F nor the first of the texts that share it. The LCS is bit-parallel (Hyyro 2004), 64 words
at a time. Memory is linear in the words. All is in one file because numba's cache only sees changes of this
file.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

_U8, _U64 = np.uint8, np.uint64
_ONE, _ALL = _U64(1), _U64(0xFFFFFFFFFFFFFFFF)
BITS = 64


class Texts(NamedTuple):
    """Texts as word ids, end to end."""

    words: np.ndarray  # int32, equal ids for equal words
    bounds: np.ndarray  # (n + 1,) int64, text i is words[bounds[i]:bounds[i + 1]]


class Found(NamedTuple):
    """What each text met among the pool before it."""

    score: np.ndarray  # (n,) float64, its highest F; 0 for the texts that were not judged
    witness: np.ndarray  # (n,) int64, the first text with that F; -1 when it is 0
    pairs: int  # pairs of texts that were judged
    compared: int  # those whose LCS was computed


class _Index(NamedTuple):
    """Which texts of the pool hold an element; texts by length, so that one length is one slice."""

    elements: np.ndarray  # int32, beside the words
    bounds: np.ndarray  # (e + 1,) int64, room for the texts with an element
    ends: np.ndarray  # (e,) int64, where the room is filled to
    places: np.ndarray  # int32, the places of texts
    place: np.ndarray  # (n,) int32, of a text
    owner: np.ndarray  # (n,) int64, the text at a place
    lengths: np.ndarray  # (l,) int64, the different numbers of words
    slices: np.ndarray  # (l + 1,) int64, texts of length i are at slices[i]:slices[i + 1]


class _Scratch(NamedTuple):
    """Memory that one text after the other uses."""

    shared: np.ndarray  # (n,) int32, elements shared with the text at a place
    most: np.ndarray  # (l,) int64, the highest of these at a length, or a bound of it
    near: np.ndarray  # (n,) int64, places worth a comparison
    bound: np.ndarray  # (n,) float64, and the F they can have at most
    masks: np.ndarray  # uint64, where a word stands among 64 of a text
    carries: np.ndarray  # uint8, what the 64 words before these 64 pass on


def search(texts: Texts, n_known: int, threshold: float) -> Found:
    """Each text beyond the first `n_known` against these and against the earlier ones that were accepted.

    Args:
        texts: in the order in which they are judged.
        n_known: how many at the start are in the pool without being judged.
        threshold: a text joins the pool when its highest F is not above this.
    """
    index = _index(texts)
    return Found(*_search(texts, n_known, threshold, index, _scratch(index)))


@njit(cache=True, nogil=True)
def _search(
    texts: Texts, n_known: int, threshold: float, index: _Index, scratch: _Scratch
) -> tuple[np.ndarray, np.ndarray, int, int]:
    n = len(texts.bounds) - 1
    score, witness = np.zeros(n), np.full(n, -1, np.int64)
    pool, pairs, compared = 0, 0, 0
    for i in range(n):
        if i >= n_known:
            score[i], witness[i], made = _nearest(texts, i, index, scratch)
            pairs += pool
            compared += made
        if i < n_known or score[i] <= threshold:
            pool += 1
            for element in index.elements[texts.bounds[i] : texts.bounds[i + 1]]:
                index.places[index.ends[element]] = index.place[i]
                index.ends[element] += 1
    return score, witness, pairs, compared


@njit(cache=True, nogil=True)
def f_measure(lcs: int, a: int, b: int) -> float:
    """F of two texts of a and b words, rounded as `rouge_score` rounds: which is symmetric in a and b."""
    if lcs == 0:
        return 0.0
    precision, recall = lcs / b, lcs / a
    return 2 * precision * recall / (precision + recall)


def _index(texts: Texts) -> _Index:
    """Room for all texts, none of them in it yet."""
    length = np.diff(texts.bounds)
    owner = np.argsort(length, kind="stable")
    place = np.empty(len(length), np.int32)
    place[owner] = np.arange(len(length))
    lengths, first = np.unique(length[owner], return_index=True)
    elements, n_elements = _elements(texts, 1 + texts.words.max(initial=0))
    bounds = np.concatenate([[0], np.cumsum(np.bincount(elements, minlength=n_elements))])
    places = np.empty(len(elements), np.int32)
    slices = np.append(first, len(length))
    return _Index(elements, bounds, bounds[:-1].copy(), places, place, owner, lengths, slices)


def _scratch(index: _Index) -> _Scratch:
    n, longest = len(index.owner), index.lengths.max(initial=0)
    return _Scratch(
        np.zeros(n, np.int32), np.empty(len(index.lengths), np.int64), np.empty(n, np.int64), np.empty(n),
        np.zeros(len(index.ends), np.uint64), np.empty(longest, np.uint8),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _elements(texts: Texts, n_ids: int) -> tuple[np.ndarray, int]:
    """Ids of the elements, and how many there are; that of a word's first time is the word's own."""
    text_of, latest = np.full(n_ids, -1, np.int64), np.zeros(n_ids, np.int32)
    following = np.full(n_ids + len(texts.words), -1, np.int32)  # the id of one repetition more
    elements = np.empty(len(texts.words), np.int32)
    for i in range(len(texts.bounds) - 1):
        for j in range(texts.bounds[i], texts.bounds[i + 1]):
            word = texts.words[j]
            element = word
            if text_of[word] == i:
                element = following[latest[word]]
                if element < 0:
                    element = following[latest[word]] = n_ids
                    n_ids += 1
            text_of[word], latest[word] = i, element
            elements[j] = element
    return elements, n_ids


@njit(cache=True, nogil=True)
def _nearest(texts: Texts, i: int, index: _Index, scratch: _Scratch) -> tuple[float, int, int]:
    """Highest F of text i over the pool, the first text with it (-1: none), and how many LCS it took."""
    a = texts.bounds[i + 1] - texts.bounds[i]
    for element in index.elements[texts.bounds[i] : texts.bounds[i + 1]]:
        for k in range(index.bounds[element], index.ends[element]):
            scratch.shared[index.places[k]] += 1
    likely = _most_promising(a, index, scratch)
    best, witness, compared = 0.0, -1, 0
    if likely >= 0:
        witness = index.owner[likely]
        best = _f(texts, i, witness, scratch)
        compared = 1
    n_near = _gather(a, best, index, scratch)
    for at in np.argsort(-scratch.bound[:n_near]):
        other = index.owner[scratch.near[at]]
        if scratch.bound[at] < best:
            break
        if scratch.bound[at] > best or other < witness:
            f = _f(texts, i, other, scratch)
            compared += 1
            if f > best or (f == best and other < witness):
                best, witness = f, other
    scratch.shared[:] = 0
    return best, witness, compared


@njit(cache=True, nogil=True)
def _most_promising(a: int, index: _Index, scratch: _Scratch) -> int:
    """The first place with the highest bound, -1 when no text shares a word; fills `scratch.most`."""
    highest, group = 0.0, -1
    for g in range(len(index.lengths)):
        b = index.lengths[g]
        scratch.most[g] = min(a, b)
        if f_measure(scratch.most[g], a, b) <= highest:
            continue
        most = 0
        for place in range(index.slices[g], index.slices[g + 1]):
            most = max(most, scratch.shared[place])
        scratch.most[g] = most
        if f_measure(most, a, b) > highest:
            highest, group = f_measure(most, a, b), g
    if group < 0:
        return -1
    place = index.slices[group]
    while scratch.shared[place] < scratch.most[group]:
        place += 1
    return place


@njit(cache=True, nogil=True)
def _gather(a: int, best: float, index: _Index, scratch: _Scratch) -> int:
    """Fill `scratch.near` with the places whose bound is not below the best F; how many there are."""
    n_near = 0
    for g in range(len(index.lengths)):
        b = index.lengths[g]
        if f_measure(scratch.most[g], a, b) < best or scratch.most[g] == 0:
            continue
        least = max(1, int(best * (a + b) / 2))  # rounded down, perhaps one too low
        while f_measure(least, a, b) < best:
            least += 1
        for place in range(index.slices[g], index.slices[g + 1]):
            if scratch.shared[place] >= least:
                scratch.near[n_near] = place
                scratch.bound[n_near] = f_measure(scratch.shared[place], a, b)
                n_near += 1
    return n_near


@njit(cache=True, nogil=True)
def _f(texts: Texts, i: int, other: int, scratch: _Scratch) -> float:
    """F of two texts, from their LCS."""
    begin, last = texts.bounds[i], texts.bounds[i + 1]
    length = texts.bounds[other + 1] - texts.bounds[other]
    scratch.carries[:length] = 0
    lcs = 0
    for start in range(begin, last, BITS):
        end = min(start + BITS, last)
        for j in range(start, end):
            scratch.masks[texts.words[j]] |= _ONE << _U64(j - start)
        lcs += _lcs_of_marked(texts, other, end - start, scratch)
        for j in range(start, end):
            scratch.masks[texts.words[j]] = 0
    return f_measure(lcs, last - begin, length)


@njit(cache=True, nogil=True)
def _lcs_of_marked(texts: Texts, i: int, n_marked: int, scratch: _Scratch) -> int:
    """What the marked words add to the LCS with text i, given the carries of those before them."""
    v = _ALL
    first = texts.bounds[i]
    for j in range(first, texts.bounds[i + 1]):
        hit = v & scratch.masks[texts.words[j]]
        partial = v + hit
        total = partial + _U64(scratch.carries[j - first])
        scratch.carries[j - first] = _U8(partial < v) | _U8(total < partial)
        v = total | (v & ~hit)
    zeros, lcs = ~v & (_ALL >> _U64(BITS - n_marked)), 0
    while zeros != 0:
        zeros &= zeros - _ONE
        lcs += 1
    return lcs
