"""A judge's reply: reasoning first, then a line `Score: n` (Humpback's self-curation, Li et al. 2023).

How that line is read decides what is kept: in a replication of Humpback the kept set went from 21,301 to
15,521 of 482,963 between two readings. So both are here, as the option `form`:

    loose   "score:", digits, end of text; letter case does not count, nor what stands before on the line
    strict  the last line is exactly `Score: n`, and no other line of the reply gives a score
"""

import re
from typing import Any, NamedTuple

from schemas.errors import BadInput
from tasks.replies import Piece, Told, parser

_LOOSE = re.compile(r"score:\s*([0-9]{1,9})\s*\Z", re.I)
_STRICT = re.compile(r"(?:\A|\n)Score: ([0-9]{1,9})\s*\Z")
_ANY = re.compile(r"score\s*:\s*\W*[0-9]", re.I)
FORMS = ("loose", "strict")


class Scale(NamedTuple):
    """How a score is written and between which whole numbers it lies, both ends included."""

    form: str = "loose"
    low: int = 1
    high: int = 5


@parser("score", options=True)
def score(told: Told) -> list[Piece]:
    """The whole reply with the score at its end, in [low, high]; options `form`, `low` and `high`.

    Raises:
        BadInput: for an unknown option or form, or an empty scale.
    """
    scale = _scale(told.options)
    text = told.text.strip()
    if told.finish_reason == "length":  # a last digit may be the first of two, or of 4.5
        return [Piece(text, "cut by length")]
    found = score_in(text, scale.form)
    if found is None:
        return [Piece(text, f"no score at its end ({scale.form} form)")]
    if not scale.low <= found <= scale.high:
        return [Piece(text, f"score {found}; the scale goes from {scale.low} to {scale.high}")]
    return [Piece(text, score=float(found))]


def score_in(text: str, form: str = "loose") -> int | None:
    """The number that a text ends with, in one of FORMS; None when there is none."""
    if form == "strict" and len(_ANY.findall(text)) > 1:
        return None
    hit = (_STRICT if form == "strict" else _LOOSE).search(text)
    return int(hit[1]) if hit else None


def scored(reasoning: str, number: int) -> str:
    """The way back: reasoning, then the line of the score, as both forms read it."""
    return f"{reasoning}\nScore: {number}".lstrip("\n")


def _scale(options: dict[str, Any]) -> Scale:
    if strange := sorted(set(options) - set(Scale._fields)):
        raise BadInput(f'reply = "score": no option {strange[0]!r}; known: {list(Scale._fields)}')
    scale = Scale(**options)
    if scale.form not in FORMS:
        raise BadInput(f'reply = "score": no form {scale.form!r}; known: {list(FORMS)}')
    if not (isinstance(scale.low, int) and isinstance(scale.high, int) and scale.low < scale.high):
        raise BadInput(f'reply = "score": from {scale.low!r} to {scale.high!r} is no scale of whole numbers')
    return scale
