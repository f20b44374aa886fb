"""The offline storyteller's textbook sections: heading, explanation, a worked example, a closing line.

Every sentence is drawn from tasks/storybook/lessons.toml with slots of its own; the numbers of the example
are drawn and its answer is computed. It is template text about any topic, not teaching.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from tasks.storyteller_kinds import Kind
from tasks.storyteller_phrases import Pen, articles, book, lists, tidy

_LISTS = (
    "name", "place_of_work", "time_span", "heading", "opening", "explanation", "importance",
    "example_start", "example_end", "link", "close",
)  # fmt: skip

EXAMPLES: dict[str, Callable[[int, int, int], tuple[str, str]]] = {  # (x, y) from a, b, c
    "table": lambda a, b, c: (str(a * b), ""),
    "sharing": lambda a, b, c: (str(a // b), str(a % b)),
    "mean": lambda a, b, c: (f"{(a + b + c) / 3:.1f}", str(a + b + c)),
    "change": lambda a, b, c: (str(a + b * c), str(b * c)),
    "percent": lambda a, b, c: (f"{a * b / 100:g}", f"{a / 100:g}"),
}


def section(seed: int, topic: str, reader: str, obey: float) -> str:
    """A section of 150 to 300 words about the topic; readers are addressed with probability `obey`."""
    pen = Pen(seed, _phrases(), {"topic": topic, "topic_title": topic[:1].upper() + topic[1:]})
    pen.facts["reader"] = reader if pen.chance(obey) else "readers"
    lines = pen.phrases
    blocks = [
        [pen.pick(lines["heading"])],
        [*pen.random.sample(lines["opening"], 1 + pen.chance(0.4))],
        pen.random.sample(lines["explanation"], pen.pick((3, 4, 5))),
        [pen.pick(lines["importance"])],
        [pen.pick(lines["example_start"])],
    ]
    told = ["\n\n".join(" ".join(_said(pen, line) for line in block) for block in blocks)]
    worked = [*_example(pen), *([_said(pen, pen.pick(lines["link"]))] if pen.chance(0.7) else [])]
    told += [" ".join(worked), _said(pen, pen.pick(lines["close"]))]
    return "\n\n".join(told)


def _said(pen: Pen, line: str) -> str:
    """One line of the phrase book; a heading keeps its mark."""
    said = pen.fill(line)
    mark, _, words = said.partition(" ") if said.startswith("#") else ("", "", said)
    return f"{mark} {articles(words)}" if mark else tidy(said)


def _example(pen: Pen) -> list[str]:
    """A problem with drawn numbers, worked out, and its answer."""
    name = pen.pick(list(EXAMPLES))
    a, b, c = pen.random.randint(20, 96), pen.random.randint(3, 19), pen.random.randint(2, 12)
    x, y = EXAMPLES[name](a, b, c)
    facts = {"a": str(a), "b": str(b), "c": str(c), "x": x, "y": y, "answer": x}
    worker = Pen(pen.random.getrandbits(62), pen.phrases, pen.facts | facts)
    worker.facts["name"], worker.facts["name2"] = worker.random.sample(pen.phrases["name"], 2)
    problem = worker.pick(book("lessons")["example"][name])
    return [tidy(worker.fill(problem)), tidy(worker.fill(worker.pick(pen.phrases["example_end"])))]


@cache
def _phrases() -> Mapping[str, Sequence[str]]:
    told: dict[str, Any] = {name: book("lessons")[name] for name in _LISTS}
    numbers = {"small": [str(n) for n in range(3, 20)], "large": [str(n) for n in range(40, 999, 7)]}
    return {**lists(), **told, **numbers, "noun2": lists()["noun"], "name2": told["name"]}


KINDS = (
    Kind(
        "textbook",
        re.compile(r"^Write a section of a textbook\b.*?^Topic: (.+?)$\s*^Readers: (.+?)$", re.M | re.S),
        lambda seed, hit, obey: section(seed, hit[1].strip(), hit[2].strip(), obey),
    ),
)
