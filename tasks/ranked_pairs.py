"""Ranked pairs: one order out of several rankings of the same items (Tideman 1987).

For each two items the margin is how many more rankings place the one above the other. The pairs are locked
from the greatest margin to the smallest, and a pair that would close a circle is passed over; what is locked
is the order. OpenAssistant merges the rankings of its replies so (Köpf et al. 2023, arXiv 2304.07327).
"""

from collections.abc import Sequence
from graphlib import TopologicalSorter
from itertools import permutations


def tideman(rankings: Sequence[Sequence[str]]) -> list[str]:
    """The merged order, best first, of the items that every ranking holds.

    Ties, of margins and of two items that each is as often above, go to the item that comes first by name;
    so the order is total and depends on no order of the rankings.

    Args:
        rankings: each an order of items, best first, none twice.
    """
    if not rankings:
        return []
    items = sorted(set.intersection(*map(set, rankings)))
    places = [{item: place for place, item in enumerate(ranking)} for ranking in rankings]
    margins = {
        (a, b): sum(1 if place[a] < place[b] else -1 for place in places) for a, b in permutations(items, 2)
    }
    beaten_by: dict[str, set[str]] = {item: set() for item in items}
    for a, b in sorted(margins, key=lambda pair: (-margins[pair], pair)):
        if margins[a, b] >= 0 and not _reaches(beaten_by, a, b):
            beaten_by[b].add(a)
    return list(TopologicalSorter(beaten_by).static_order())


def _reaches(beaten_by: dict[str, set[str]], item: str, goal: str) -> bool:
    """Whether `goal` is locked above `item`, directly or by way of others."""
    seen, line = {item}, [item]
    while line:
        above = beaten_by[line.pop()] - seen
        if goal in above:
            return True
        seen |= above
        line += above
    return False
