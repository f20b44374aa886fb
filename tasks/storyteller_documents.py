"""The offline storyteller reads a document: queries for it, and instructions that it answers."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tasks.storyteller_kinds import Kind
from tasks.storyteller_phrases import Pen, book, tidy
from tasks.storyteller_tasks import phrases

_WORD = re.compile(r"[^\W\d_]{4,}(?:-[^\W\d_]+)*")
_LAST_PASSAGE = re.compile(r"(?:\A|.*\n)Document: ([^\n]+)\nQuery:\s*\Z", re.DOTALL)
_DOCUMENT = re.compile(r"--- text ---\n(.*)\n--- end of text ---\n.*\bWrite only the request\.", re.DOTALL)
_ANYTHING = ("matter", "question", "answer", "idea")  # what a text of few words is about


def subjects(text: str) -> list[str]:
    """The words that a text is about, lower-case, in its order, each once."""
    stop = set(book("talk")["stop"])
    return list(dict.fromkeys(word for word in map(str.lower, _WORD.findall(text)) if word not in stop))


def pen_on(seed: int, text: str, spread: bool = True) -> Pen:
    """A pen whose slots a to d are words of the text: of all of it, or else the first ones."""
    pen = Pen(seed, talk(), {})
    known = subjects(text)
    known = known if len(known) > 3 else list(dict.fromkeys([*known, *_ANYTHING]))
    chosen = pen.random.sample(known, 4) if spread else known[:4]
    pen.facts.update(zip("abcd", chosen, strict=True))
    return pen


def query(seed: int, document: str) -> str:
    """One query: some words of the document, mostly in a question."""
    pen = pen_on(seed, document)
    return pen.fill(pen.pick(pen.phrases["query"]))


def request(seed: int, document: str) -> str:
    """One instruction that a document could have been written for."""
    pen = pen_on(seed, document)
    return tidy(pen.fill(pen.pick(pen.phrases["request"])))


@cache
def talk() -> Mapping[str, Sequence[Any]]:
    """The phrases of conversations and judgements, and all that their slots hold."""
    return {**phrases(), **book("talk")}


KINDS = (
    Kind("query", _LAST_PASSAGE, lambda seed, hit, obey: query(seed, hit[1])),
    Kind("backward", _DOCUMENT, lambda seed, hit, obey: request(seed, hit[1])),
)
