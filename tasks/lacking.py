"""What the texts lack of what was asked: words and pairs of words that none holds, labels that came short.

The grid of a recipe (tasks/sampling.py) promises every item of its axes within a block of draws, every pair
within a whole pass. Until then a fresh cell asks for more that is new than any cell that was asked before:
of its three words the text that came holds two or three. What so many draws promised and no kept text holds
is asked again, with all the slots of then, unless a fresh cell would bring more. A word counts when it is in
the text (tasks/lemma), an item of a choice when a text for it was kept. A call that failed left no sample,
so its cell is not known.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from operator import contains
from typing import Any, NamedTuple

import polars as pl

from schemas.recipe import Recipe
from schemas.slot import Slot
from tasks.growth import PLACES
from tasks.lemma import realised
from tasks.recipe import recipe_of
from tasks.sampling import modulus
from tasks.slots import Weights, axes_of, choices_of
from tasks.word_lists import word_list
from warehouse.run import Run

TIMES = 3  # times that a cell is asked at most
LABELS = 20  # items of a choice whose balance is kept by weights; of longer lists the grid keeps it
LEAST = 0.25  # of its even share of the draws comes to every item, however well the others need them
PRIOR = 20  # trees: how much evidence the mean keep rate of all items weighs
Item = tuple[int, str]  # axis, and what was asked of it


class Tree(NamedTuple):
    """One tree: what was asked for, and the final samples of it that no filter dropped."""

    slots: dict[str, Any]
    ids: list[str]
    held: list[list[Item]]  # what each of these samples holds of it


class Earlier(NamedTuple):
    """Trees of earlier runs, oldest first, and how many cells of the grid steered ones have used."""

    trees: list[Tree]
    cells: int


def trees_of(recipe: Recipe, samples: pl.DataFrame, kept: pl.DataFrame) -> list[Tree]:
    """The trees of one run of a recipe that draws them, by number.

    Args:
        recipe: whose trees.
        samples: of every level; columns recipe, level, ordinal, sample_id, root_id, slots.
        kept: the final ones that no filter drops, maybe with others that none drops; columns root_id,
            sample_id, final, text, output.
    """
    return [tree for _, tree in _numbered(recipe, samples, kept)]


def again(recipe: Recipe, trees: Sequence[Tree], most: int) -> list[dict[str, Any]]:
    """Slots to be asked again: those of at most `most` trees, no gap asked for by two of them.

    Those that lack most come first, then the oldest. One that lacks less than a fresh cell, which asks for as
    many items or pairs and lacks them as often as all do, is left.

    Args:
        recipe: whose trees.
        trees: all that were asked so far, oldest first.
        most: trees to be asked again.
    """
    times = Counter(_key(tree.slots) for tree in trees)
    strength = promised([len(axis) for axis in axes_of(recipe)], len(times))
    if not strength or most < 1 or _is_cold(recipe):
        return []
    asked = [set(combinations(_asked(recipe, tree.slots), strength)) for tree in trees]
    there = {group for tree in trees for items in tree.held for group in combinations(items, strength)}
    every = set().union(*asked)
    fresh = max(map(len, asked)) * len(every - there) / len(every)
    chosen: list[dict[str, Any]] = []
    for place in sorted(range(len(trees)), key=lambda i: (-len(asked[i] - there), i)):
        missing, slots = asked[place] - there, trees[place].slots
        if len(chosen) < most and len(missing) >= max(fresh, 1) and times[_key(slots)] < TIMES:
            chosen.append(slots)
            there |= missing
    return chosen


def held(recipe: Recipe, slots: dict[str, Any], text: str) -> list[Item]:
    """What a kept text has of the items it was asked for, one of each axis of the grid."""
    words = [bool(slot.each) for slot in recipe.slots.values() for _ in slot.each or choices_of(slot)[:1]]
    return [item for item in _asked(recipe, slots) if not words[item[0]] or realised(item[1], text)]


def promised(sizes: Sequence[int], cells: int) -> int:
    """How many axes at a time so many cells of the grid must have covered: 0 none yet, 1 items, 2 pairs."""
    if not sizes:
        return 0
    block = max(sizes) if len(sizes) < 3 else modulus(sizes)
    whole = math.prod(sizes) if len(sizes) < 3 else block**2
    if cells >= whole and len(sizes) > 1:
        return 2
    return 1 if cells >= block else 0


def short(recipe: Recipe, trees: Sequence[Tree], asked: Sequence[dict[str, Any]], n: int) -> Weights:
    """Weights of the items of each choice that make its kept samples as even as `n` more trees can.

    Item i has k_i kept samples and p_i of them a tree, drawn towards the mean of all items by PRIOR trees. It
    gets the draws that lift it to a common level, max(LEAST n / items, (level - k_i) / p_i), n in all: in the
    long run inverse to p_i. Nothing while counts differ by two at most, which is the grid's own evenness.

    Args:
        recipe: whose trees.
        trees: of this run.
        asked: slots that are asked again anyway.
        n: further trees.
    """
    found: Weights = {}
    for name, slot in recipe.slots.items():
        items = list(choices_of(slot))
        if slot.needs or not 1 < len(items) <= LABELS or n < 1:
            continue
        kept, rates = _yields(name, items, trees)
        if kept and max(kept) - min(kept) > 2:
            coming = Counter(slots[name] for slots in asked)
            known = [k + coming[item] * p for item, k, p in zip(items, kept, rates, strict=True)]
            draws = levelled(known, rates, n)
            found[name] = {item: round(x / n, 6) for item, x in zip(items, draws, strict=True)}
    return found


def levelled(kept: Sequence[float], rates: Sequence[float], n: int) -> list[float]:
    """Draws of each item that bring all to one level, `n` in all; none below LEAST of its even share."""
    least = LEAST * n / len(kept)
    low, high = 0.0, max(kept) + n * max(rates) + 1.0
    for _ in range(100):
        level = (low + high) / 2
        draws = [max(least, (level - k) / p) for k, p in zip(kept, rates, strict=True)]
        low, high = (level, high) if sum(draws) < n else (low, level)
    return draws


def earlier(run: Run, recipe: str, among: str) -> Earlier:
    """What earlier runs asked of the recipe and kept, so far as the lineage `among` counts them."""
    return Earlier([], 0) if among in ("", "false") else _earlier(run.model_dump_json(), recipe, among)


@lru_cache(maxsize=16)  # every round of a run asks for the same
def _earlier(told: str, recipe: str, among: str) -> Earlier:
    run = Run.model_validate_json(told)
    loaded = recipe_of(run, recipe)
    condition = f"recipe = '{loaded.name}' AND ({among})"
    runs = run.earlier(
        "SELECT run_id, coalesce(json_extract_string(parameters, '$.steer') = 'coverage', false) FROM run "
        f"WHERE flow = 'corpus' AND run_id IN (SELECT run_id FROM sample WHERE {condition}) "
        "ORDER BY started_at, run_id"
    )
    trees, cells, seen = [], 0, set()
    for run_id, steered in runs.rows():
        these = f"{condition} AND run_id = '{run_id}'"
        samples = run.earlier(
            "SELECT recipe, level, ordinal, sample_id, root_id, slots FROM sample "
            f"WHERE {these} AND parent_id IS NULL"
        )
        kept = run.earlier(
            f"SELECT root_id, sample_id, final, text, output FROM clean_sample WHERE final AND {these}"
        )
        numbered = _numbered(loaded, samples, kept)
        keys = {_key(tree.slots) for _, tree in numbered} - seen
        if steered and numbered:  # trees that asked for nothing new took no cell
            cells += numbered[-1][0] + 1 - (len(numbered) - len(keys))
        seen |= keys
        trees += [tree for _, tree in numbered if _fits(loaded, tree.slots)]
    return Earlier(trees, cells)


def _numbered(recipe: Recipe, samples: pl.DataFrame, kept: pl.DataFrame) -> list[tuple[int, Tree]]:
    """Trees with their numbers; a reply that made several roots is one tree."""
    roots_of = {x.name: x.children for x in recipe.levels if x.parent is None and x.bootstrap is None}
    ours = (pl.col("recipe") == recipe.name) & pl.col("level").is_in(list(roots_of))
    children = pl.col("level").replace_strict(roots_of, default=1, return_dtype=pl.Int64)
    tree = pl.col("ordinal") // PLACES // children
    roots = samples.filter(ours).with_columns(tree=tree).sort("tree", "sample_id")
    # Of a pair, `text` also holds the instruction, which names the words.
    answer = pl.coalesce("output", "text")
    finals = kept.filter("final").sort("sample_id").select("root_id", "sample_id", answer=answer)
    texts: dict[str, list[tuple[str, str]]] = {}
    for root_id, *final in finals.iter_rows():
        texts.setdefault(root_id, []).append(tuple(final))
    found: dict[int, Tree] = {}
    for number, root_id, slots in roots.select("tree", "sample_id", "slots").iter_rows():
        if number not in found:
            known = json.loads(slots)
            if not recipe.slots.keys() <= known.keys():
                continue
            found[number] = Tree({name: known[name] for name in recipe.slots}, [], [])
        for final_id, text in texts.get(root_id, []):
            found[number].ids.append(final_id)
            found[number].held.append(held(recipe, found[number].slots, text))
    return list(found.items())


def _yields(name: str, items: list[str], trees: Sequence[Tree]) -> tuple[list[int], list[float]]:
    """Kept samples of each item, and how many a tree of it brings, shrunken; empty when none was kept."""
    asked, kept = Counter(), Counter()
    for tree in trees:
        asked[tree.slots[name]] += 1
        kept[tree.slots[name]] += len(tree.ids)
    if not kept.total():
        return [], []
    mean = kept.total() / asked.total()
    rates = [(kept[item] + PRIOR * mean) / (asked[item] + PRIOR) for item in items]
    return [kept[item] for item in items], rates


def _asked(recipe: Recipe, slots: dict[str, Any]) -> list[Item]:
    """What a tree was asked for, one item of each axis of the grid."""
    items = [
        item
        for name, slot in recipe.slots.items()
        for item in (slots[name] if slot.each else [slots[name]] if choices_of(slot) else [])
    ]
    return list(enumerate(items))


def _is_cold(recipe: Recipe) -> bool:
    """Whether asking again would bring the same reply."""
    return any(level.parent is None and level.sampling.temperature == 0 for level in recipe.levels)


def _fits(recipe: Recipe, slots: dict[str, Any]) -> bool:
    """Whether the recipe, as its lists are now, could have asked for these slots."""
    return all(_allows(slot, slots[name]) for name, slot in recipe.slots.items())


def _allows(slot: Slot, value: Any) -> bool:
    if slot.each:
        return len(value) == len(slot.each) and all(map(contains, map(word_list, slot.each), value))
    return value in choices_of(slot) if choices_of(slot) else True


def _key(slots: dict[str, Any]) -> str:
    return json.dumps(slots, sort_keys=True, ensure_ascii=False)
