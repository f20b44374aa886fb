"""Explained answers: reasoning that ends in a line `Answer: ...`, kept, hidden or distilled (Orca).

Mukherjee et al. 2023 (arXiv 2306.02707) train on the whole explanation: `thoughts = "keep"`. With "hide" only
the answer is trained on, and the reasoning stays readable as the slot `thoughts`. With "distil" a reply
becomes two samples, one that answers and one that explains (after Hsieh et al. 2023, arXiv 2305.02301).
"""

import re

from schemas.errors import BadInput
from tasks.instruction_replies import instance_text
from tasks.replies import Piece, Told, parser

WAYS = ("keep", "hide", "distil")
EXPLAIN = "Do not give the answer alone: explain how one gets to it."
_ANSWER = re.compile(r"^[*_#\s]*(?:final )?answer\s*:[*_]*", re.I | re.M)
_OPTIONS = {"question": "question", "thoughts": "keep"}


@parser("explanation", gives=("thoughts",), options=True)
def explanation(told: Told) -> list[Piece]:
    """The answer to a question; options `question`, the level that is answered, and `thoughts`, one of WAYS.

    "hide" and "distil" need the line `Answer:`; a reply without it is refused.

    Raises:
        BadInput: for an unknown option, way or level.
    """
    question, way = _told(told)
    reply = told.text.strip()
    if not reply or told.finish_reason == "length":
        return [Piece(reply, "cut by length" if reply else "empty reply", output=reply)]
    if told.prompt.strip() and told.prompt.strip() in reply:
        return [Piece(reply, "repeats the prompt", output=reply)]
    thoughts, answer = thoughts_and_answer(reply)
    if way == "keep":
        return [_piece(question, reply, {"thoughts": thoughts})]
    if not thoughts or not answer:
        return [Piece(reply, "no reasoning followed by a line 'Answer:'", output=reply)]
    answered = _piece(question, answer, {"thoughts": thoughts})
    if way == "hide":
        return [answered]
    return [answered, _piece(f"{question}\n\n{EXPLAIN}", thoughts, {"thoughts": thoughts}, renamed=True)]


def thoughts_and_answer(reply: str) -> tuple[str, str]:
    """What stands before and behind the last `Answer:` that begins a line; without one, ("", reply)."""
    hits = list(_ANSWER.finditer(reply))
    if not hits:
        return "", reply.strip()
    return reply[: hits[-1].start()].strip(), reply[hits[-1].end() :].strip()


def _piece(question: str, output: str, slots: dict[str, str], renamed: bool = False) -> Piece:
    """A sample; its instruction is the level's template unless it asks for something else."""
    asked = question if renamed else None
    return Piece(instance_text(question, "", output), instruction=asked, output=output, slots=slots)


def _told(told: Told) -> tuple[str, str]:
    if strange := sorted(set(told.options) - set(_OPTIONS)):
        raise BadInput(f'reply = "explanation": no option {strange[0]!r}; known: {list(_OPTIONS)}')
    asked, way = ({**_OPTIONS, **told.options}[name] for name in _OPTIONS)
    if way not in WAYS:
        raise BadInput(f'reply = "explanation": no way {way!r} of thoughts; known: {list(WAYS)}')
    if asked not in told.slots:
        raise BadInput(f'reply = "explanation": no level or field {asked!r}; known: {sorted(told.slots)}')
    return str(told.slots[asked]), way
