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
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tasks.intervals import Estimate, Z
from tasks.lemma import realised


class Asked(NamedTuple):
    """The words one text was asked for, one of each list, and which of them it has."""

    words: tuple[str, ...]
    found: tuple[bool, ...]


def look_up(text: str, requested: Sequence[str]) -> Asked:
    """Which of the requested words a text has, in any inflected form."""
    return Asked(tuple(requested), tuple(realised(word, text) for word in requested))


def with_choices(asked: Asked, slots: dict[str, Any], choices: Sequence[str]) -> Asked:
    """The same with the items of these choices; an item is realised by a kept text that was made of it."""
    items = tuple(slots[name] for name in choices if isinstance(slots.get(name), str))
    return Asked(asked.words + items, asked.found + (True,) * len(items))


def requested_words(slots: str, names: Sequence[str]) -> list[str]:
    """The words that the JSON of `sample.slots` asks for under these names, in order."""
    asked = json.loads(slots)
    lists = [asked[name] for name in names if isinstance(asked.get(name), list)]
    return [word for words in lists for word in words if isinstance(word, str)]


def slot_hit_rate(texts: Sequence[str], requests: Sequence[Sequence[str]]) -> float | None:
    """Share of the requested words that are in their text. Range: 0 to 1; None when nothing was requested."""
    asked = [look_up(text, request) for text, request in zip(texts, requests, strict=True)]
    total = sum(len(a.words) for a in asked)
    return sum(sum(a.found) for a in asked) / total if total else None


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
    seen, expected, variance = 0, 0.0, 0.0
    whole = [a for a in asked if len(a.words) == len(sizes)]
    for lists in itertools.combinations(range(len(sizes)), order):
        k = math.prod(sizes[i] for i in lists)
        seen += len({tuple(a.words[i] for i in lists) for a in whole if all(a.found[i] for i in lists)})
        expected += k * expected_coverage(k, len(whole))
        variance += (k * coverage_sd(k, len(whole))) ** 2
    if expected == 0 or len(whole) < 2:
        return Estimate(None, len(whole))
    value, half = seen / expected, Z * math.sqrt(variance) / expected
    return Estimate(value, len(whole), max(0.0, value - half), value + half)


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
    counts = np.unique(np.asarray(labels, dtype=object).astype(str), return_counts=True)[1]
    k = n_labels or len(counts)
    return float(counts.min() / len(labels) * k) if len(counts) >= k else 0.0
