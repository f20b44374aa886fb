"""Evol-Instruct's replies (Xu et al. 2023, arXiv 2304.12244): an evolved instruction, its judge, its answer.

Four things eliminate an evolution: no information gain (parser `equality`), an answer that excuses itself in
a few words, an answer of nothing but punctuation and stop words (parser `evolved_answer`), and an instruction
that copies words of the prompt (parser `evolved`).
"""

import re

from tasks.instruction_replies import instance_text, refuse_unknown_options
from tasks.replies import Piece, Told, parser
from tasks.tokens import words

SORRY_WORDS = 80  # an answer with "sorry" that is shorter says that the task was too hard
_COPIED = re.compile(
    r"\b(?:given|rewritten|created)[\W_]*prompts?\b|#[^#\n]{0,40}\bprompts?\b[^#\n]{0,40}#", re.IGNORECASE
)
STOP_WORDS = frozenset(
    words("""
    a about above after again against all am an and any are as at be because been before being below
    between both but by can could did do does doing don down during each few for from further had has
    have having he her here hers herself him himself his how i if in into is it its itself just ll me
    more most my myself no nor not now o of off on once only or other our ours ourselves out over own re
    s same she should so some such t than that the their theirs them themselves then there these they
    this those through to too under until up ve very was we were what when where which while who whom
    why will with would you your yours yourself yourselves
    """)
)


@parser("evolved")
def evolved(told: Told) -> list[Piece]:
    """The new instruction; it must differ from the one it came from and hold no words of the prompt."""
    text = told.text.strip()
    return [Piece(text, _fault(text, told))]


@parser("equality")
def equality(told: Told) -> list[Piece]:
    """Score 1 when the judge finds a difference, 0 when it finds none; any other reply is no judgement."""
    text = told.text.strip()
    said = " ".join(words(text))
    if re.match(r"(?:not equal|unequal)\b", said):
        return [Piece(text, score=1.0)]
    if re.match(r"equal\b", said):
        return [Piece(text, score=0.0)]
    return [Piece(text, "neither Equal nor Not Equal")]


@parser("evolved_answer", options=True)
def evolved_answer(told: Told) -> list[Piece]:
    """The answer to an evolved instruction.

    Option `sorry_words`: an answer with "sorry" must have so many words, 80 unless told otherwise.

    Raises:
        BadInput: for an unknown option.
    """
    refuse_unknown_options("evolved_answer", told.options, ("sorry_words",))
    output = told.text.strip()
    fault = "cut by length" if told.finish_reason == "length" else None
    fault = fault or answer_fault(output, int(told.options.get("sorry_words", SORRY_WORDS)))
    instruction = told.slots["evolved"]
    return [Piece(instance_text(instruction, "", output), fault, "", output, instruction)]


def answer_fault(answer: str, sorry_words: int = SORRY_WORDS) -> str | None:
    """Which of the two rules for answers eliminates one; None when neither does."""
    n_words = len(answer.split())
    if "sorry" in answer.lower() and n_words < sorry_words:
        return f"holds 'sorry' and has {n_words} words, under {sorry_words}"
    if STOP_WORDS.issuperset(words(answer)):
        return "only punctuation and stop words"
    return None


def _fault(text: str, told: Told) -> str | None:
    if not text:
        return "empty reply"
    if told.finish_reason == "length":
        return "cut by length"
    if copied := _COPIED.search(text):
        return f"copies {copied[0]!r} from the prompt"
    return "no change" if words(told.slots["instruction"]) == words(text) else None
