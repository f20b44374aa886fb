"""The offline storyteller's Python exercises: signature, docstring with a worked example, and a body.

The first word of the function's name chooses the family (tasks/storybook/code.toml); parameter names, limits,
wording, body and example are drawn. What the example shows is computed here, not by running the told code.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from tasks.storyteller_kinds import Kind
from tasks.storyteller_phrases import Pen, book
from tasks.word_lists import word_list

SOLVED: dict[str, Callable[[Any, int], object]] = {  # family -> what it gives for values and a number k
    "above": lambda values, k: sum(value > k for value in values),
    "capped": lambda values, k: sum(min(value, k) for value in values),
    "mean_share": lambda values, k: sum(values) / len(values) / k if values else 0.0,
    "within": lambda values, k: all(0 <= value <= k for value in values),
    "longer": lambda values, k: [value for value in values if len(value) > _few(k)],
    "by_length": lambda values, k: sorted(values, key=lambda value: (len(value), value)),
    "turned": lambda values, k: _turned(values, _few(k)),
    "grouped": lambda values, k: {
        len(value): [v for v in values if len(v) == len(value)] for value in values
    },
    "dashed": lambda values, k: ("-" * k).join(value.upper() for value in values),
}


def exercise(seed: int, name: str, topic: str, obey: float) -> str:
    """A function with docstring, mostly fenced; with probability 1 - obey under another name."""
    pen = Pen(seed, {}, {})
    chosen = _family_of(name) or pen.pick(list(SOLVED))
    family, solved = book("code")["family"][chosen], SOLVED[chosen]
    of_numbers = family["takes"] == "list[int]"
    k = pen.random.randint(2, 60 if of_numbers else 9)
    told = name if pen.chance(obey) else pen.pick(("solution", f"my_{name}", f"{name}_2", "answer"))
    pen.facts.update(p=pen.pick(book("code")["parameters"][family["takes"]]), k=str(k), n=str(_few(k)))
    pen.facts.update(topic=topic, m=str(pen.random.randint(12, 900)), nothing=repr(solved([], k)))
    shown = [f">>> {told}({values!r})\n{solved(values, k)!r}" for values in _examples(pen, of_numbers)]
    says, about, empty = (pen.fill(pen.pick(each)) for each in (family["says"], *_around()))
    inside = "\n".join(
        [f'"""{says}.\n\n{about} {empty}\n', *shown, '"""', pen.fill(pen.pick(family["bodies"]))]
    )
    lead = pen.pick(book("code")["lead"])
    signature = f"def {told}({pen.facts['p']}: {family['takes']}) -> {family['returns']}:"
    return f"{lead}{signature}\n{_indented(inside)}" + ("\n```" if lead else "")


def _family_of(name: str) -> str | None:
    """The family that the first word of a function name stands for."""
    first = name.split("_", 1)[0]
    families = book("code")["family"]
    return next((each for each in families if first in families[each]["first_words"]), None)


def _around() -> tuple[Sequence[str], Sequence[str]]:
    return book("code")["about"], book("code")["empty"]


def _examples(pen: Pen, of_numbers: bool) -> list[list[Any]]:
    """One or two arguments."""
    sizes = [pen.random.randint(2, 5) for _ in range(pen.pick((1, 2)))]
    if of_numbers:
        return [[pen.random.randint(-5, 90) for _ in range(size)] for size in sizes]
    return [pen.random.sample(word_list("nouns"), size) for size in sizes]


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.split("\n"))


def _few(k: int) -> int:
    """A small number that goes with k."""
    return 2 + k % 5


def _turned(values: Sequence[str], by: int) -> list[str]:
    cut = by % len(values) if values else 0
    return [*values[cut:], *values[:cut]]


KINDS = (
    Kind(
        "code",
        re.compile(
            r"^Write an exercise for learners of Python\b.*?^Function name: (\w+)\s*^Data: (.+?)$",
            re.M | re.S,
        ),
        lambda seed, hit, obey: exercise(seed, hit[1], hit[2].strip(), obey),
    ),
)
