"""The offline storyteller's tasks: new instructions from a grammar, and the way back from an instruction.

An instruction is a question of one family (exercise, label, pair or open task), mostly with a sentence before
it and one behind it. Every part has slots, so that two instructions seldom share most of their words.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from tasks.storyteller_phrases import Pen, book, lists, tidy


class Family(NamedTuple):
    """Tasks that are answered in the same way."""

    kind: str  # exercises, labels, pairs or open
    asks: tuple[tuple[str, re.Pattern[str]], ...]  # its questions, each behind its longest piece
    sign: re.Pattern[str]  # what is typical of them in anybody's wording
    entry: Mapping[str, Any]  # its table in the phrase book

    def question_in(self, instruction: str) -> str | None:
        """The question of this family in a lower-case instruction, without the sentences around it."""
        for piece, pattern in self.asks:
            if piece in instruction and (hit := pattern.search(instruction)):
                return hit[0]
        return None


class Style(NamedTuple):
    """How often a kind of task comes, and what stands around its question."""

    share: float
    context: float
    finish: float
    finishes: str


_STYLES = {
    "exercises": Style(0.17, 0.95, 0.6, "sum_finish"),
    "labels": Style(0.2, 0.96, 0.6, "label_finish"),
    "pairs": Style(0.18, 0.96, 0.7, "pair_finish"),
    "open": Style(0.45, 0.55, 0.8, "open_finish"),
}
_PLAIN_SIGNS = ("labels", "pairs")  # their signs are words, the others' are patterns


def new_task(pen: Pen) -> str:
    """One new instruction."""
    kind = pen.random.choices(list(_STYLES), [style.share for style in _STYLES.values()])[0]
    style = _STYLES[kind]
    family = pen.pick([family for family in families() if family.kind == kind])
    question = pen.fill(pen.pick(family.entry["ask"]))
    before = pen.fill(pen.pick(pen.phrases["context"])) + " " if pen.chance(style.context) else ""
    after = " " + pen.fill(pen.pick(pen.phrases[style.finishes])) if pen.chance(style.finish) else ""
    whole = before + question + ("" if question.endswith("?") else ".") + after
    return tidy(whole.replace(",.", "."))


def new_tasks(seed: int, first: int) -> str:
    """Some new instructions, numbered on from `first`, one per line."""
    pen = Pen(seed, phrases(), {})
    return _numbered([new_task(pen) for _ in range(pen.pick((5, 6, 7, 8)))], first)


def stock_tasks(seed: int, first: int) -> str:
    """The same few instructions again, with 0 to 3 words changed."""
    pen = Pen(seed, phrases(), {})
    stock = pen.random.sample(book("stock")["task"], pen.pick((5, 6, 7, 8)))
    return _numbered([tidy(pen.fill(task)) for task in stock], first)


def unfit_tasks(seed: int, first: int) -> str:
    """New instructions among which stand some that a text model cannot do."""
    pen = Pen(seed, phrases(), {})
    tasks = [new_task(pen) for _ in range(3)] + [pen.line(book("stock")["unfit"]) for _ in range(3)]
    pen.random.shuffle(tasks)
    return _numbered(tasks, first)


def _numbered(tasks: Sequence[str], first: int) -> str:
    return "\n".join(f"{number}. {task}" for number, task in enumerate(tasks, first))


def family_of(instruction: str) -> Family | None:
    """The family that an instruction belongs to, in any letter case; None for a strange one.

    The storyteller's own questions are found word for word, others by a sign: an open task by the sign that
    comes first in its text, since what follows is what it is about.
    """
    lower = instruction.lower()
    for family in families():
        if family.question_in(lower):
            return family
    hits = [(family, hit.start()) for family in families() if (hit := family.sign.search(lower))]
    return min(hits, key=lambda found: (found[0].kind == "open") * (1 + found[1]))[0] if hits else None


@cache
def families() -> tuple[Family, ...]:
    """All families, closed tasks before open ones."""
    return tuple(
        Family(kind, tuple(map(_question, entry["ask"])), re.compile(_sign(kind, entry["sign"])), entry)
        for kind in _STYLES
        for entry in book(kind)["task"]
    )


def _sign(kind: str, sign: str) -> str:
    return re.escape(sign) if kind in _PLAIN_SIGNS else sign


def _question(ask: str) -> tuple[str, re.Pattern[str]]:
    """(longest piece between slots, pattern that finds the question with anything in its slots)."""
    parts = re.split(r"\{\w+\}", ask.lower())
    literal = [re.sub(r"(^|\\ )a\\ $", r"\1an?\\ ", re.escape(part)) for part in parts]
    pattern = "[^.?!]+?".join(literal) + ("" if parts[-1] else "[^.?!]*")
    return max((re.sub(r"(^| )a $", "", part) for part in parts), key=len), re.compile(pattern)


@cache
def phrases() -> Mapping[str, Sequence[str]]:
    """What the slots of tasks and answers hold."""
    extra = {f"{slot}{i}": lists()[slot] for slot in ("animal", "food") for i in (2, 3)}
    slots = {**lists(), **extra, **book("tasks"), "sequence": book("exercises")["sequence"]}
    return {**slots, "adjective": [*lists()["look"], *lists()["feel"]]}
