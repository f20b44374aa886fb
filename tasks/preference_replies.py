"""A pairwise judgement: which of two answers is better, `[[A]]`, `[[B]]` or, for a tie, `[[C]]` (MT-Bench).

Zheng et al. 2023 (arXiv 2306.05685), own wording of the prompt. The judge sees the answers in both orders,
since it favours a place; the parser turns its letter back into the answer that was meant.
"""

import re

from schemas.errors import BadInput
from tasks.replies import Piece, Told, parser

_VERDICT = re.compile(r"\[\[([ABC])\]\]")
FIRST, SECOND, TIE = "first", "second", "tie"


@parser("preference", gives=("preferred",), options=True)
def preference(told: Told) -> list[Piece]:
    """The judgement, with `preferred`: first, second or tie, in the order in which the answers were made.

    Option `swap` says that a prompt with an odd `child` showed the answers the other way round. A reply
    without a verdict, or with two that differ, is refused.

    Raises:
        BadInput: for an unknown option.
    """
    if strange := sorted(set(told.options) - {"swap"}):
        raise BadInput(f"reply = \"preference\": no option {strange[0]!r}; known: ['swap']")
    text = told.text.strip()
    letters = sorted(set(_VERDICT.findall(text)))
    if len(letters) != 1:
        said = f"two verdicts, {' and '.join(letters)}" if letters else "no verdict [[A]], [[B]] or [[C]]"
        return [Piece(text, "cut by length" if told.finish_reason == "length" else said)]
    swapped = bool(told.options.get("swap")) and told.slots.get("child", 0) % 2 == 1
    return [Piece(text, slots={"preferred": meant(letters[0], swapped)})]


def meant(letter: str, swapped: bool) -> str:
    """Which answer a letter means: first, second or tie, as they were made and not as they were shown."""
    if letter == "C":
        return TIE
    return FIRST if (letter == "A") != swapped else SECOND
