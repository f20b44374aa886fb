"""What a recipe asks of its texts, as far as the statistics of coverage and obedience need it."""

from typing import NamedTuple

from schemas.recipe import Recipe
from tasks.pool import bootstrap_level, read_seeds
from tasks.slots import choices_of
from tasks.word_lists import word_list


class Design(NamedTuple):
    """What a recipe asks of its texts."""

    slots: tuple[str, ...] = ("words",)  # slots that hold words to be used
    sizes: tuple[int, ...] = ()  # words in the list of each, then items of each choice; empty when unknown
    seeds: tuple[str, ...] = ()  # seed tasks it may echo
    choices: tuple[str, ...] = ()  # slots of which one item is chosen, as topic and audience


def design_of(recipe: Recipe | None) -> Design:
    """The design of a recipe; that of curated data, of which no recipe is known, asks for nothing."""
    if recipe is None:
        return Design()
    lists = {name: slot.each for name, slot in recipe.slots.items() if slot.each}
    choices = {name: len(choices_of(slot)) for name, slot in recipe.slots.items() if choices_of(slot)}
    level = bootstrap_level(recipe)
    return Design(
        tuple(lists),
        (*(len(word_list(words)) for each in lists.values() for words in each), *choices.values()),
        tuple(seed["instruction"] for seed in read_seeds(level.bootstrap.seeds)) if level else (),
        tuple(choices),
    )


def together(designs: list[Design]) -> Design:
    """The design of several recipes: of one its own, of more no grid, which each has for itself."""
    if len(designs) == 1:
        return designs[0]
    slots = {slot for design in designs for slot in design.slots}
    seeds = {seed for design in designs for seed in design.seeds}
    return Design(tuple(sorted(slots)), (), tuple(sorted(seeds)))
