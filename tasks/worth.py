"""What a dollar brings: the novelty of the texts that a recipe, or an item of a choice, added for its money.

Novelty of a text = 1 - its largest cosine to any text before it, times a factor for its topic: for the cell
of the frozen codebook (tasks/clusters.py) that it falls into the even share over its share, from 1/BOUND to
BOUND. The cosine sees repetition, the factor a collapse to few topics, which the cosine can miss. What came
before is read from a bottom-m hash sample (tasks/neighbours.py): novelty falls with the number of texts that
are compared with, so that number is held still.

Money goes where it brings most, but no recipe gets less than 1/BOUND or more than BOUND times its designed
share: the user asked for all of them, worth is measured on few texts with one encoder, and what is rare and
dear may be why a recipe was asked for. A recipe worth as much as the others gets its designed share.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from schemas.recipe import Recipe
from tasks import clusters
from tasks.lacking import PRIOR, Tree
from tasks.neighbours import BLOCK, bottom
from tasks.slots import Weights, choices_of

M_BEFORE = 2_000  # texts of before that novelty is measured against
M_FRESH = 8_000  # new texts that are measured
M_ITEMS = 20_000  # texts that items of choices are measured by
BOUND = 2.0
LABEL = "label"  # slot of gold labels, which a release needs even
STILL = 0.1  # deviation from 1 below which all weights of a choice are taken as noise


class Texts(NamedTuple):
    """Kept final samples and where they lie."""

    ids: list[str]
    vectors: np.ndarray  # (n, d), unit rows

    def at(self, places: Sequence[int] | np.ndarray) -> "Texts":
        """Some of them."""
        return Texts([self.ids[i] for i in places], self.vectors[np.asarray(places, dtype=np.int64)])


def money(calls: pl.DataFrame) -> pl.DataFrame:
    """What each call cost: columns request_id, recipe, level, money; a reply that served twice was paid once.

    Money is USD where every reply has a price and one is above 0, else tokens of prompts and completions
    where all are counted, else requests. Range: 0 or more. The unit depends on all calls given.
    """
    paid = calls.sort("request_id", "recipe", "level").unique("request_id", keep="first", maintain_order=True)
    replied = paid.filter(pl.col("reply").is_not_null())
    counted = pl.col("n_prompt_tokens") + pl.col("n_completion_tokens")
    for amount in (pl.col("cost_usd").cast(pl.Float64), counted.cast(pl.Float64)):
        if not replied.select(amount.is_null().any()).item() and replied.select(amount.sum()).item() > 0:
            return paid.select("request_id", "recipe", "level", money=amount.fill_null(0.0))
    return paid.select("request_id", "recipe", "level", money=pl.lit(1.0))


def novelty(fresh: Texts, before: Texts) -> dict[str, float]:
    """Novelty of at most M_FRESH new texts by id, each against what was before and those that precede it.

    They precede each other by the hash of their ids, so that of two that repeat each other one is new, and no
    order of rows counts. The first text of all has novelty 1. Range: 0 to 2, times the factor of the topic.
    """
    fresh = fresh.at(bottom(fresh.ids, M_FRESH))
    if not fresh.ids:
        return {}
    known = before.at(bottom(before.ids, M_BEFORE))
    rows, targets = _float32(fresh), _float32(known)
    nearest = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        cosines = block @ rows[: start + len(block)].T
        here = start + np.arange(len(block))
        cosines[np.arange(cosines.shape[1]) >= here[:, None]] = -1.0  # itself and those that come after it
        nearest[here] = np.maximum(cosines.max(axis=1), (block @ targets.T).max(axis=1, initial=-1.0))
    if not known.ids:
        nearest[0] = 0.0
    return _valued(fresh, nearest, [fresh, before])


def apartness(texts: Texts) -> dict[str, float]:
    """How far each of at most M_ITEMS texts lies from a hash sample of the others, by id; as `novelty`."""
    texts = texts.at(bottom(texts.ids, M_ITEMS))
    rows = _float32(texts)
    others = rows[:M_BEFORE]  # the smallest hashes come first
    nearest = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        cosines = rows[start : start + BLOCK] @ others.T
        here = start + np.arange(len(cosines))
        cosines[here[:, None] == np.arange(len(others))] = -1.0
        nearest[here] = cosines.max(axis=1, initial=-1.0)
    return _valued(texts, nearest, [texts])


def topic_factors(cells: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Even share of a cell over its share in (k,) counts, for each of (n,) cells; 1/BOUND to BOUND."""
    even = counts.sum() / len(counts)
    return np.clip(even / np.maximum(counts[cells], 1), 1 / BOUND, BOUND)


def item_weights(recipe: Recipe, trees: Sequence[Tree], worth: Mapping[str, float]) -> Weights:
    """Weights of the items of each choice by the worth of their kept samples a tree; 1/BOUND to BOUND.

    The mean of an item is drawn towards that of the recipe by PRIOR trees. A choice with fewer trees than
    PRIOR for each item, or no weight further from 1 than STILL, is left to the grid, which keeps pairs apart;
    so are gold labels.

    Args:
        recipe: whose trees.
        trees: of this run.
        worth: of kept samples, by id.
    """
    found: Weights = {}
    for name, slot in recipe.slots.items():
        items = list(choices_of(slot))
        if name == LABEL or slot.needs or len(items) < 2 or len(trees) < PRIOR * len(items):
            continue
        total, n = dict.fromkeys(items, 0.0), dict.fromkeys(items, 0)
        for tree in trees:
            total[tree.slots[name]] += sum(worth.get(each, 0.0) for each in tree.ids)
            n[tree.slots[name]] += 1
        mean = sum(total.values()) / len(trees)
        if mean > 0:
            ratio = {item: (total[item] / mean + PRIOR) / (n[item] + PRIOR) for item in items}
            weights = {item: round(min(max(x, 1 / BOUND), BOUND), 3) for item, x in ratio.items()}
            if max(abs(weight - 1) for weight in weights.values()) > STILL:
                found[name] = weights
    return found


def divided(
    amount: float, designed: Mapping[str, float], worth: Mapping[str, float], limits: Mapping[str, float]
) -> dict[str, float]:
    """Money among recipes by designed share times worth, each from 1/BOUND to BOUND times its designed share.

    What a recipe cannot use goes to the others; what none may use is left.

    Args:
        amount: to be divided.
        designed: share of each recipe as designed, together 1.
        worth: of a dollar in each; a recipe without one is worth as much as the others on average.
        limits: the most that each can use, where there is a limit.
    """
    whole = sum(designed[name] for name in worth) or 1.0
    mean = sum(designed[name] * value for name, value in worth.items()) / whole
    relative = {name: round(worth.get(name, mean) / mean, 3) if mean else 1.0 for name in designed}
    most = {name: min(BOUND * share * amount, limits.get(name, amount)) for name, share in designed.items()}
    least = {name: min(share * amount / BOUND, most[name]) for name, share in designed.items()}

    def at(scale: float) -> dict[str, float]:
        wish = {name: scale * share * relative[name] * amount for name, share in designed.items()}
        return {name: min(max(wish[name], least[name]), most[name]) for name in designed}

    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(at(middle).values()) <= amount else (low, middle)
    return at(low)


def _valued(texts: Texts, nearest: np.ndarray, all_of: Sequence[Texts]) -> dict[str, float]:
    """1 - nearest cosine, times the factor of the topic, whose share is counted in all these texts."""
    if not texts.ids:
        return {}
    frozen = clusters.directions(texts.vectors.shape[1])
    counts = sum(clusters.cell_counts(each.vectors, frozen) for each in all_of if each.ids)
    factors = topic_factors(clusters.assign(texts.vectors, frozen), counts)
    return dict(zip(texts.ids, ((1 - np.clip(nearest, -1, 1)) * factors).tolist(), strict=True))


def _float32(texts: Texts) -> np.ndarray:
    return texts.vectors.astype(np.float32)
