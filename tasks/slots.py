"""What each tree of a recipe is asked for: drawn words and features (Eldan & Li 2023), topics, audiences.

Every draw has a seed of its own, made from recipe, edition and index: the thousandth tree is the same whether
it is drawn first, last, alone or on another machine.
"""

import random
from typing import Any

from schemas.ids import seed_for
from schemas.recipe import Recipe, Slot
from tasks.recipe import word_list


def draw(recipe: Recipe, edition: str, index: int) -> dict[str, Any]:
    """The slots of tree number `index`: name -> list of items, or one item for `choice`."""
    chance = random.Random(seed_for(recipe.name, edition, "slots", index))
    return {name: _draw_one(slot, chance) for name, slot in recipe.slots.items()}


def _draw_one(slot: Slot, chance: random.Random) -> list[str] | str:
    if slot.each:
        return [chance.choice(word_list(name)) for name in slot.each]
    if slot.coins:
        return [item for item, probability in slot.coins.items() if chance.random() < probability]
    return chance.choice(slot.choice)
