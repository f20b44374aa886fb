"""How the offline storyteller misbehaves: the ways in which real models spoil a reply, at a known rate."""

import re
from collections.abc import Callable
from typing import NamedTuple

from tasks.storyteller_phrases import Pen, book
from tasks.storyteller_tasks import phrases, unfit_tasks

TOKEN = re.compile(r"\w+|[^\w\s]")
_MARKER = re.compile(r"(?m)^(?:\d+\. |Example \d+\n|Input: |Output: |Class label: )")


class Spoilt(NamedTuple):
    """A bad reply, and why it ended."""

    text: str
    finish_reason: str


def spoilt(seed: int, kind: str, prompt: str, good: str) -> Spoilt:
    """One of the faults that fit this kind of reply, each equally likely."""
    pen = Pen(seed, phrases(), {})
    faults = [*FAULTS, "unfit"] if kind == "tasks" else list(FAULTS)
    fault = pen.pick(faults)
    if fault == "unfit":
        first = int(good.split(".", 1)[0])
        return Spoilt(unfit_tasks(seed, first), "stop")
    return FAULTS[fault](pen, kind, prompt, good)


def _empty(pen: Pen, kind: str, prompt: str, good: str) -> Spoilt:
    return Spoilt("", "stop")


def _cut(pen: Pen, kind: str, prompt: str, good: str) -> Spoilt:
    """Ends in the middle of a sentence, after 30 to 80 % of the words."""
    ends = [hit.end() for hit in re.finditer(r"\w+", good)]
    keep = int(len(ends) * (0.3 + 0.5 * pen.random.random()))
    return Spoilt(good[: ends[keep - 1]] if keep else "", "length")


def _refusal(pen: Pen, kind: str, prompt: str, good: str) -> Spoilt:
    return Spoilt(pen.pick(book("stock")["refusal"]), "stop")


def _unformatted(pen: Pen, kind: str, prompt: str, good: str) -> Spoilt:
    """Chatter before the text, and the markers that the prompt asked for are missing."""
    if kind == "flag":
        return Spoilt("It depends", "stop")
    body = _MARKER.sub("", good).replace("\n", " ") if _MARKER.search(good) else good
    return Spoilt(f"{pen.pick(book('stock')['preamble'])}\n{body}", "stop")


def _echo(pen: Pen, kind: str, prompt: str, good: str) -> Spoilt:
    return Spoilt(prompt.strip(), "stop")


def _foreign(pen: Pen, kind: str, prompt: str, good: str) -> Spoilt:
    return Spoilt(pen.pick(book("stock")["foreign"]), "stop")


FAULTS: dict[str, Callable[[Pen, str, str, str], Spoilt]] = {
    "empty": _empty,
    "cut": _cut,
    "refusal": _refusal,
    "unformatted": _unformatted,
    "echo": _echo,
    "foreign": _foreign,
}
