"""Runs of words that a text shares with evaluation texts, compiled: the first two rules of decontamination.

The 8 words that begin at each place are looked up by their hash among those of the evaluation texts, and a
hit is compared word by word: exact. 13 words in a row hold 6 such runs in a row, so one index serves both
rules. The work for a text is linear in its words and in what it shares; it does not grow with the texts.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from tasks.leak_words import Lists, Table, look_up, table_of

RUN, GRAM, COVER = 13, 8, 0.5
SAME_RUN, COVERED = 1, 2  # the rule that holds, 0 for none
_ROLL, _MIX, _HALF = np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0xD6E8FEB86659FD93), np.uint64(32)


class GramIndex(NamedTuple):
    """All runs of GRAM words of the evaluation texts."""

    words: Lists  # ids of the words of each text
    text_of: np.ndarray  # (words,) int32, the text that a place belongs to
    grams: Table  # hash to the number of the gram
    places: Lists  # where each gram begins, ascending


class Runs(NamedTuple):
    """What was found for each of n texts."""

    rule: np.ndarray  # (n,) int8
    value: np.ndarray  # (n,) float64, length of the run in words, or share covered
    text: np.ndarray  # (n,) int32, the evaluation text; of equals the first
    place: np.ndarray  # (n,) int64, where the shared run begins, among the words of all evaluation texts
    length: np.ndarray  # (n,) int64, words in it


def gram_index(words: Lists) -> GramIndex:
    """An index of texts, none of which has fewer than GRAM words."""
    lengths = np.diff(words.bounds)
    text_of = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    hashes = gram_hashes(words)
    begins = np.flatnonzero(hashes)
    keys, grams = np.unique(hashes[begins], return_inverse=True)
    counts = np.bincount(grams, minlength=len(keys))
    places = begins[np.argsort(grams, kind="stable")].astype(np.int32)
    return GramIndex(words, text_of, table_of(keys), Lists(np.concatenate([[0], counts.cumsum()]), places))


def search_runs(words: Lists, index: GramIndex) -> Runs:
    """The first of the two rules that holds for each text, words as ids of the index."""
    return _search(words, look_up(index.grams, gram_hashes(words)), index)


@njit(cache=True, nogil=True)
def gram_hashes(words: Lists) -> np.ndarray:
    """Hash of the GRAM words that begin at each place, uint64; 0 where they are not known or cross a text."""
    found = np.zeros(len(words.items), np.uint64)
    for i in range(len(words.bounds) - 1):
        known = 0
        for j in range(words.bounds[i], words.bounds[i + 1]):
            known = known + 1 if words.items[j] >= 0 else 0
            if known >= GRAM:
                h = np.uint64(0)
                for word in words.items[j - GRAM + 1 : j + 1]:
                    h = (h + np.uint64(word + 1)) * _ROLL
                    h ^= h >> _HALF
                found[j - GRAM + 1] = max(h * _MIX, np.uint64(1))
    return found


@njit(cache=True, nogil=True)
def _search(words: Lists, grams: np.ndarray, index: GramIndex) -> Runs:
    n = len(words.bounds) - 1
    runs = Runs(
        np.zeros(n, np.int8),
        np.zeros(n),
        np.full(n, -1, np.int32),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )
    seen = np.full(len(index.places.bounds), -1, np.int32)
    for i in range(n):
        first, last = words.bounds[i], words.bounds[i + 1]
        if _confirm(words.items[first:last], grams[first:last], index) and not _same_run(
            i, words.items[first:last], grams[first:last], index, runs
        ):
            _covered(i, _shared_places(i, grams[first:last], index, seen), index, runs)
    return runs


@njit(cache=True, nogil=True)
def _confirm(words: np.ndarray, grams: np.ndarray, index: GramIndex) -> int:
    """Take back the grams that are equal by hash only; how many are left."""
    n = 0
    for j in range(len(grams)):
        if grams[j] >= 0:
            if _run(words[j:], index.places.items[index.places.bounds[grams[j]]], index) >= GRAM:
                n += 1
            else:
                grams[j] = -1
    return n


@njit(cache=True, nogil=True)
def _run(words: np.ndarray, place: int, index: GramIndex) -> int:
    """How many of the first words are those of the evaluation text from a place on."""
    most = min(len(words), index.words.bounds[index.text_of[place] + 1] - place)
    n = 0
    while n < most and words[n] == index.words.items[place + n]:
        n += 1
    return n


@njit(cache=True, nogil=True)
def _same_run(i: int, words: np.ndarray, grams: np.ndarray, index: GramIndex, runs: Runs) -> bool:
    """The first run of RUN words, in the first evaluation text that has it, as far as it goes there."""
    row = 0
    for j in range(len(grams)):
        row = row + 1 if grams[j] >= 0 else 0
        if row <= RUN - GRAM:
            continue
        first = j - (RUN - GRAM)
        gram = grams[first]
        for place in index.places.items[index.places.bounds[gram] : index.places.bounds[gram + 1]]:
            n = _run(words[first:], place, index)
            if n >= RUN:
                runs.rule[i], runs.value[i], runs.text[i] = SAME_RUN, n, index.text_of[place]
                runs.place[i], runs.length[i] = place, n
                return True
    return False


@njit(cache=True, nogil=True)
def _shared_places(i: int, grams: np.ndarray, index: GramIndex, seen: np.ndarray) -> np.ndarray:
    """Where the grams of text i begin in the evaluation texts, ascending."""
    n = 0
    for gram in grams:
        if gram >= 0 and seen[gram] != i:
            seen[gram] = i
            n += index.places.bounds[gram + 1] - index.places.bounds[gram]
    found, n = np.empty(n, np.int32), 0
    for gram in grams:
        if gram >= 0 and seen[gram] == i:
            seen[gram] = -1
            for place in index.places.items[index.places.bounds[gram] : index.places.bounds[gram + 1]]:
                found[n] = place
                n += 1
    return np.sort(found)


@njit(cache=True, nogil=True)
def _covered(i: int, places: np.ndarray, index: GramIndex, runs: Runs) -> None:
    """The evaluation text of which the largest share lies in shared grams, if that is half of it.

    Grams that overlap or touch make one run; the longest of the text is told.
    """
    text, covered, begun, end, longest, place = -1, 0, 0, 0, 0, 0
    for at in places:
        if index.text_of[at] != text:
            text, covered, end, longest = index.text_of[at], 0, -1, 0
        if at > end:
            begun = at
        covered += at + GRAM - max(at, end)
        end = at + GRAM
        if end - begun > longest:
            longest, place = end - begun, begun
        share = covered / (index.words.bounds[text + 1] - index.words.bounds[text])
        if share >= COVER and (share > runs.value[i] or text == runs.text[i]):
            runs.rule[i], runs.value[i], runs.text[i] = COVERED, share, text
            runs.place[i], runs.length[i] = place, longest
