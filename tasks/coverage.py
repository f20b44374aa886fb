"""What was asked for and what came: words of the slots in the texts, pairs of the grid, balance of labels.

A grid recipe (Eldan & Li 2023, TinyStories) draws one word of each list for every text. Of K equally likely
cells, N draws are expected to see K (1 - (1 - 1/K)^N): the coupon collector. Coverage is counted over words
that really are in the text (tasks/lemma.py), and reported as a ratio to that expectation, since the share
of K itself only says how many texts there are. Triples are never a target: their share stays at N / K
whatever the sampler.
"""

import itertools
import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from tasks.intervals import Estimate, Z
from tasks.lemma import forms, realised
from tasks.tokens import words


class Asked(NamedTuple):
    """The words one text was asked for, one of each list, and which of them it has."""

    words: tuple[str, ...]
    found: tuple[bool, ...]


def look_up(text: str, requested: Sequence[str]) -> Asked:
    """Which of the requested words a text has, in any inflected form."""
    lower = text.lower() if text.isascii() else None
    found = (realised(word, text) if lower is None else _is_in(word, text, lower) for word in requested)
    return Asked(tuple(requested), tuple(found))


def _is_in(word: str, text: str, lower: str) -> bool:
    """`realised` of an ASCII text, ten times as fast: no list of its words is made."""
    known = _forms(word)
    return realised(word, text) if known is None else any(_stands(form, lower) for form in known)


@lru_cache(maxsize=65_536)
def _forms(word: str) -> tuple[str, ...] | None:
    """The forms of one ASCII word; None for anything else."""
    parts = words(word) if word.isascii() else []
    return tuple(sorted(forms(parts[0]), key=len)) if len(parts) == 1 else None


def _stands(form: str, lower: str) -> bool:
    """Whether a form stands between two characters that belong to no word."""
    at = lower.find(form)
    while at >= 0:
        end = at + len(form)
        if not lower[max(0, at - 1) : at].isalnum() and not lower[end : end + 1].isalnum():
            return True
        at = lower.find(form, at + 1)
    return False


def with_choices(asked: Asked, slots: dict[str, Any], choices: Sequence[str]) -> Asked:
    """The same with the items of these choices; an item is realised by a kept text that was made of it."""
    items = tuple(slots[name] for name in choices if isinstance(slots.get(name), str))
    return Asked(asked.words + items, asked.found + (True,) * len(items))


def requested_words(slots: str, names: Sequence[str]) -> list[str]:
    """The words that the JSON of `sample.slots` asks for under these names, in order."""
    return listed_words(json.loads(slots), names)


def listed_words(asked: dict[str, Any], names: Sequence[str]) -> list[str]:
    """The same of slots that were read already."""
    lists = [asked[name] for name in names if isinstance(asked.get(name), list)]
    return [word for words_of in lists for word in words_of if isinstance(word, str)]


def slot_hit_rate(texts: Sequence[str], requests: Sequence[Sequence[str]]) -> float | None:
    """Share of the requested words that are in their text. Range: 0 to 1; None for n < 2 or no request."""
    asked = [look_up(text, request) for text, request in zip(texts, requests, strict=True)]
    total = sum(len(a.words) for a in asked)
    return sum(sum(a.found) for a in asked) / total if total and len(asked) > 1 else None


def expected_coverage(k: int, n: int) -> float:
    """Expected share of k cells seen by n independent even draws, 1 - (1 - 1/k)^n. Range: 0 to 1."""
    if n < 1:
        return 0.0
    return 1.0 if k <= 1 else -math.expm1(n * math.log1p(-1 / k))


def coverage_sd(k: int, n: int) -> float:
    """Standard deviation of that share. Range: 0 to 0.5.

    With a = (1 - 1/k)^n and b = (1 - 2/k)^n the number seen has variance k a (1 - a) + k (k - 1) (b - a^2);
    b - a^2 is taken as a^2 ((1 - 1/(k-1)^2)^n - 1), which does not cancel.
    """
    if n < 1 or k <= 1:
        return 0.0
    a = math.exp(n * math.log1p(-1 / k))
    both = -a * a if k == 2 else a * a * math.expm1(n * math.log1p(-1 / (k - 1) ** 2))
    return math.sqrt(max(0.0, a * expected_coverage(k, n) / k + (1 - 1 / k) * both))


def cell_coverage(asked: Sequence[Asked], sizes: Sequence[int], order: int) -> Estimate:
    """Realised cells over expected cells, summed over all choices of `order` lists; n = texts.

    The interval is that of a sampler that draws independently, around the value: 1.96 deviations of the
    ratio.
    """
    whole = [a for a in asked if len(a.words) == len(sizes)]
    seen = {cell for a in whole for cell in cells(a, order)}
    return coverage_estimate(len(seen), sizes, len(whole), order)


def cells(asked: Asked, order: int) -> Iterator[tuple[tuple[int, ...], tuple[str, ...]]]:
    """The cells that one text realised: which `order` lists, and the word of each."""
    for lists in itertools.combinations(range(len(asked.words)), order):
        if all(asked.found[i] for i in lists):
            yield lists, tuple(asked.words[i] for i in lists)


def coverage_estimate(seen: int, sizes: Sequence[int], n: int, order: int) -> Estimate:
    """Different cells seen by n texts over those expected, summed over all choices of `order` lists."""
    grids = [math.prod(chosen) for chosen in itertools.combinations(sizes, order)]
    expected = sum(k * expected_coverage(k, n) for k in grids)
    variance = sum((k * coverage_sd(k, n)) ** 2 for k in grids)
    if expected == 0 or n < 2:
        return Estimate(None, n)
    value, half = seen / expected, Z * math.sqrt(variance) / expected
    return Estimate(value, n, max(0.0, value - half), value + half)


def pair_coverage(
    texts: Sequence[str], requests: Sequence[Sequence[str]], sizes: Sequence[int]
) -> float | None:
    """Realised pairs of requested words over those expected of as many independent draws.

    Range: 0 to about 1.

    Above 1 only for a sampler that spreads better than chance. None for n < 2 or fewer than two lists.

    Args:
        texts: n texts.
        requests: the words each was asked for, one of each list.
        sizes: words in each list.
    """
    asked = [look_up(text, request) for text, request in zip(texts, requests, strict=True)]
    return cell_coverage(asked, sizes, 2).value


def word_coverage(
    texts: Sequence[str], requests: Sequence[Sequence[str]], sizes: Sequence[int]
) -> float | None:
    """Realised words of the lists over those expected of independent draws.

    Range: 0 to about 1; None for n < 2.
    """
    asked = [look_up(text, request) for text, request in zip(texts, requests, strict=True)]
    return cell_coverage(asked, sizes, 1).value


def label_min_share(labels: Sequence[str], n_labels: int | None = None) -> float | None:
    """Share of the rarest label times the number of labels. Range: 0 to 1, balanced is 1; None for n < 2.

    Args:
        labels: one for each text.
        n_labels: how many there should be; None takes those that occur.
    """
    if len(labels) < 2:
        return None
    return least_share(Counter(labels).values(), n_labels)


def least_share(counts: Collection[int], n_labels: int | None = None) -> float | None:
    """`label_min_share` of how often each label occurs. Range: 0 to 1; None for fewer than 2 texts."""
    n, k = sum(counts), n_labels or len(counts)
    if n < 2:
        return None
    return float(min(counts) / n * k) if len(counts) >= k else 0.0
