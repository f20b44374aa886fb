"""How an instruction becomes the words of the user: a template drawn by seed, or parts in a drawn order.

Stage 5 of Self-Instruct (Wang et al. 2023, arXiv 2212.10560): one of several templates, and with a given
chance an input loses its only field name ("Text: ...") and its blank lines. Fields as in TinyStories-Instruct
(Eldan & Li 2023, arXiv 2305.07759): a random subset of labelled parts in random order.
"""

import random
import re
from collections.abc import Callable
from typing import Any

from schemas.recipe import Fields, Format
from tasks.rendering import render as fill

_FIELD_NAME = re.compile(r"(\w+):")


def formatted(format: Format, instruction: str, given: str, seed: int) -> str:
    """Instruction and input in one of the templates; the same for the same seed."""
    chance = random.Random(seed)
    if chance.random() < format.drop_field_name:
        given = bare(given)
    templates = format.with_input if given else format.without_input
    return fill(chance.choice(templates), {"instruction": instruction, "input": given})


def bare(given: str) -> str:
    """An input without its field name, if it has one distinct one and begins with it; no blank lines."""
    if len(set(_FIELD_NAME.findall(given))) == 1:
        given = re.sub(r"^\w+:", "", given).strip()
    return re.sub(r"\n(?:[^\S\n]*\n)+", "\n", given)


def fielded(
    fields: Fields, values: dict[str, Any], seed: int, render: Callable[[str, dict[str, Any]], str]
) -> str:
    """The drawn parts, one "label: text" below the other; a part whose text is empty is never drawn."""
    chance = random.Random(seed)
    texts = {label: render(template, values) for label, template in fields.parts.items()}
    parts = [f"{label}: {text}" for label, text in texts.items() if text]
    if fields.subset == "random":
        parts = _subset(parts, fields.at_least, chance)
    if fields.order == "random":
        chance.shuffle(parts)
    return "\n".join(parts)


def _subset(parts: list[str], at_least: int, chance: random.Random) -> list[str]:
    """Each part by an even coin, all coins again until `at_least` fell; all parts when there are no more."""
    if len(parts) <= at_least:
        return parts
    while True:
        drawn = [part for part in parts if chance.random() < 0.5]
        if len(drawn) >= at_least:
            return drawn
