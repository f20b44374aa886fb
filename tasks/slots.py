"""What each tree of a recipe is asked for: drawn words and features (Eldan & Li 2023), topics, audiences.

Every draw has a seed of its own, made from recipe, edition and index: the thousandth tree is the same whether
it is drawn first, last, alone or on another machine. Word lists and choices are the axes of one grid; the
balanced sampler (tasks/sampling.py) goes through its cells so that every item comes equally often and every
pair once before any comes twice. Coins and subsets are independent draws.
"""

import math
import random
from collections.abc import Sequence
from typing import Any

from schemas.ids import seed_for
from schemas.recipe import Recipe
from schemas.slot import Slot
from tasks.feature_subsets import read_subsets
from tasks.sampling import Grid, random_cell
from tasks.word_lists import word_list

_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)

Weights = dict[str, dict[str, float]]  # slot -> item of its choice -> how much more often than others


def draw(
    recipe: Recipe,
    edition: str,
    index: int,
    fields: dict[str, Any] | None = None,
    cell: int | None = None,
    weights: Weights | None = None,
    design: str = "",
) -> dict[str, Any]:
    """The slots of tree number `index`: name -> list of items, or one item for a choice.

    Args:
        recipe: whose slots.
        edition: with recipe and index it decides the draw.
        index: of the tree.
        fields: of the source row, when trees grow from one.
        cell: number of the cell of the grid, when it is not that of the tree.
        weights: items of a choice that are drawn by weight instead of by the grid.
        design: what decides the order of the cells, when it is not the edition.
    """
    chance = random.Random(seed_for(recipe.name, edition, "slots", index))
    axes = axes_of(recipe)
    items = iter(_cell(recipe, design or edition, axes, index if cell is None else cell))
    drawn: dict[str, Any] = {}
    for place, (name, slot) in enumerate(recipe.slots.items()):
        given = [next(items) for _ in range(_n_axes(slot))]
        if slot.choice or slot.choice_of:
            drawn[name] = _allowed(slot, given[0], fields, chance)
            if weights and name in weights:
                shift = seed_for(recipe.name, edition, "weights", name)
                drawn[name] = _weighted(weights[name], shift, index, place)
        else:
            drawn[name] = given if slot.each else _by_chance(slot, chance)
    return drawn


def axes_of(recipe: Recipe) -> list[Sequence[str]]:
    """The lists of items that make up the grid of a recipe, in the order of its slots."""
    return [axis for slot in recipe.slots.values() for axis in _axes(slot)]


def choices_of(slot: Slot) -> Sequence[str]:
    """The items of a slot of which one is drawn; empty for any other slot."""
    return word_list(slot.choice_of) if slot.choice_of else slot.choice


def _axes(slot: Slot) -> list[Sequence[str]]:
    options = choices_of(slot)
    return [options] if options else [word_list(name) for name in slot.each]


def _n_axes(slot: Slot) -> int:
    return 1 if slot.choice or slot.choice_of else len(slot.each)


def _cell(recipe: Recipe, edition: str, axes: list[Sequence[str]], index: int) -> list[str]:
    if not axes:
        return []
    sizes, seed = tuple(map(len, axes)), seed_for(recipe.name, edition, "grid")
    random_one = recipe.sampler == "random"
    places = random_cell(sizes, seed, index) if random_one else Grid(sizes, seed).cell(index)
    return [axis[place] for axis, place in zip(axes, places, strict=True)]


def _weighted(weights: dict[str, float], shift: int, index: int, slot: int) -> str:
    """An item by its weight: of n draws in a row each comes n times its share, up to a few.

    Turns by the square root of a prime fill the circle evenly (Weyl 1916), and those of several slots fill
    their square; independent draws would leave gaps of the size of a root of n.
    """
    turn = (shift / 2**63 + index * math.sqrt(_PRIMES[slot % len(_PRIMES)])) % 1.0
    left = turn * sum(weights.values())
    for item, weight in weights.items():
        left -= weight
        if left < 0:
            return item
    return max(weights, key=weights.__getitem__)  # what rounding left over


def _allowed(slot: Slot, item: str, fields: dict[str, Any] | None, chance: random.Random) -> str:
    """The item, or, where the row lacks what it needs, another that needs nothing it lacks."""
    if not slot.needs:
        return item
    lacking = {slot.choice[int(n) - 1] for n, field in slot.needs.items() if not (fields or {}).get(field)}
    fitting = [each for each in slot.choice if each not in lacking]
    return item if item not in lacking else chance.choice(fitting)


def _by_chance(slot: Slot, chance: random.Random) -> list[str]:
    if slot.coins:
        while True:
            fell = [item for item, probability in slot.coins.items() if chance.random() < probability]
            if len(fell) >= slot.at_least:
                return fell
    subsets = read_subsets(slot.subsets_file) if slot.subsets_file else _named(slot)
    return list(chance.choices(list(subsets), list(subsets.values()))[0])


def _named(slot: Slot) -> dict[tuple[str, ...], float]:
    return {
        tuple(each for each in names.split("+") if each): weight for names, weight in slot.subsets.items()
    }
