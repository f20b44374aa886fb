"""Instruction back-translation: the reply is the instruction that a known text answers.

Humpback (Li et al. 2023, arXiv 2308.06259) trains a model from answer to instruction and labels web text with
it; here any model is asked. The document itself becomes the output, so no answer is ever made up.
"""

import re

from schemas.errors import BadInput
from tasks.instruction_replies import instance_text
from tasks.replies import Piece, Told, parser

_LABEL = re.compile(r"^\W*(?:instruction|request|question|prompt)\s*:\W*(?=\w)", re.I)
_QUOTED = re.compile(r'^["“](.*)["”]$', re.S)
_OPTIONS = {"document": "document", "human": ""}


@parser("backward", gives=("request",), options=True)
def backward(told: Told) -> list[Piece]:
    """One instruction whose output is the document; levels below see it alone as `request`.

    Options: `document` names the level or field that is answered; `human` a field that holds, in seed rows,
    the instruction that a person wrote: it then takes the place of the reply.

    Raises:
        BadInput: for an unknown option, or a name that is no level or field.
    """
    document, written = (_named(told, option) for option in _OPTIONS)
    request = written.strip() or request_in(told.text)
    fault = None if request else "empty reply"
    if told.finish_reason == "length" and not written.strip():
        fault = "cut by length"
    elif request == document.strip():
        fault = "repeats the document"
    elif not written.strip() and told.prompt.strip() and told.prompt.strip() in told.text:
        fault = "repeats the prompt"
    text = instance_text(request, "", document)
    return [Piece(text, fault, instruction=request, input="", output=document, slots={"request": request})]


def request_in(reply: str) -> str:
    """The instruction of a reply, without a label and the quotation marks around it."""
    return _QUOTED.sub(r"\1", _LABEL.sub("", reply.strip()).strip()).strip()


def _named(told: Told, option: str) -> str:
    if strange := sorted(set(told.options) - set(_OPTIONS)):
        raise BadInput(f'reply = "backward": no option {strange[0]!r}; known: {list(_OPTIONS)}')
    name = told.options.get(option, _OPTIONS[option])
    if name and name not in told.slots:
        raise BadInput(f'reply = "backward": no level or field {name!r}; known: {sorted(told.slots)}')
    return str(told.slots[name] or "") if name else ""
