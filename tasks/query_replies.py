"""Synthetic queries for a passage: InPars (Bonifacio et al. 2022, arXiv 2202.05144) and Promptagator.

A query is the first line of a reply. InPars keeps those of 3 to 1,000 tokens and can leave out what was
copied from the passage; tokens are words here (tasks.tokens), the same under every model.
"""

import re
from typing import Any, NamedTuple

from schemas.errors import BadInput
from tasks.replies import Piece, Told, parser
from tasks.tokens import words

_LABEL = re.compile(r"^(?:relevant )?(?:query|question)\s*:\s*", re.I)
_QUOTED = re.compile(r'^["“](.*)["”]$')


class Limits(NamedTuple):
    """What a query may be; `document` is the level or field that holds its passage."""

    min_words: int = 3
    max_words: int = 1000
    copied: bool = True  # False: a query whose words stand in the passage in the same order is refused
    document: str = "document"


LIMITS = Limits()


@parser("query", gives=("query",), options=True)
def query(told: Told) -> list[Piece]:
    """One query; trained on as the question that its whole passage answers.

    Its text is the query alone: queries of one passage would otherwise repeat each other. Options
    `min_words`, `max_words`, `copied` and `document`.

    Raises:
        BadInput: for an unknown option, or when nothing is named as `document` says.
    """
    limits = _limits(told.options)
    if limits.document not in told.slots:
        raise BadInput(f'reply = "query": no level or field {limits.document!r}; known: {sorted(told.slots)}')
    passage = str(told.slots[limits.document])
    asked = query_in(told.text)
    fault = query_fault(asked, passage, limits)
    if told.finish_reason == "length" and "\n" not in told.text.strip():
        fault = "cut by length"
    return [Piece(asked, fault, instruction=asked, input="", output=passage, slots={"query": asked})]


def query_in(reply: str) -> str:
    """The first line of a reply, without a label and the quotation marks around it."""
    line = reply.strip().partition("\n")[0].strip()
    return _QUOTED.sub(r"\1", _LABEL.sub("", line)).strip()


def query_fault(asked: str, passage: str, limits: Limits = LIMITS) -> str | None:
    """Why a query is not used; None when it is."""
    found = words(asked)
    if not limits.min_words <= len(found) <= limits.max_words:
        return f"{len(found)} words; queries have {limits.min_words} to {limits.max_words}"
    if not limits.copied and f" {' '.join(found)} " in f" {' '.join(words(passage))} ":
        return "copied from its passage"
    return None


def _limits(options: dict[str, Any]) -> Limits:
    if strange := sorted(set(options) - set(Limits._fields)):
        raise BadInput(f'reply = "query": no option {strange[0]!r}; known: {list(Limits._fields)}')
    limits = Limits(**options)
    if limits.min_words > limits.max_words:
        raise BadInput(f'reply = "query": min_words {limits.min_words} is above {limits.max_words}')
    return limits
