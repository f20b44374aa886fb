"""Preference pairs: a question, the winning and the losing answer, for reward models and DPO.

Both orders must agree (Zheng et al. 2023, arXiv 2306.05685): what a judge turns round with the order is
a tie, and a tie has no winner and makes no pair. Such a pair is kept all the same, as a row with its reason.
"""

from typing import Any

from schemas.errors import BadInput
from tasks.instruction_replies import instance_text
from tasks.makers import Given, maker
from tasks.preference_replies import FIRST, SECOND, TIE
from tasks.replies import Piece

ORDERS = 2


@maker("preference", gives=("preferred",))
def preference(given: Given) -> list[Piece]:
    """One pair of a question's two answers; its output is the winner, `rejected` the loser.

    Options `answers` and `judgements` name the gathered levels, "answer" and "judgement" when not given.

    Raises:
        BadInput: for an unknown option, or a level that is not gathered.
    """
    answers, judgements = (_gathered(given, name) for name in ("answers", "judgements"))
    texts = [row["text"] for row in answers]
    said = [row["slots"].get("preferred", TIE) for row in judgements]
    slots = {"preferred": said}
    if fault := pair_fault(texts, said):
        return [Piece("\n\n".join(texts) or given.parent["text"], fault, slots=slots)]
    chosen, rejected = texts if said[0] == FIRST else texts[::-1]
    text = instance_text(given.parent["text"], "", chosen)
    return [Piece(text, output=chosen, rejected=rejected, slots=slots)]


def pair_fault(answers: list[str], preferred: list[str]) -> str | None:
    """Why two answers and the judgements of both orders give no pair; None when they do."""
    if len(answers) != ORDERS:
        return f"{len(answers)} usable answers; a pair has 2"
    if answers[0].split() == answers[1].split():
        return "both answers are the same"
    if len(preferred) != ORDERS:
        return f"{len(preferred)} usable judgements; both orders are needed"
    if preferred[0] != preferred[1]:
        return f"a tie: the judge said {preferred[0]} in one order and {preferred[1]} in the other"
    return None if preferred[0] in (FIRST, SECOND) else "a tie in both orders"


def _gathered(given: Given, option: str) -> list[dict[str, Any]]:
    known = ["answers", "judgements"]
    if strange := sorted(set(given.options) - set(known)):
        raise BadInput(f'make = "preference": no option {strange[0]!r}; known: {known}')
    level = given.options.get(option, option.removesuffix("s"))
    if level not in given.gathered:
        raise BadInput(f'make = "preference": {level!r} is not gathered; gathered: {sorted(given.gathered)}')
    return given.gathered[level]
