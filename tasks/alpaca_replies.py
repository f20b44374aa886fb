"""Stanford Alpaca's replies: a list of whole tasks, a numbered block of instruction, input and output each.

Rules and their order are those of the authors' code (tatsu-lab/stanford_alpaca): blocks are split at `###`,
each must hold its own number three times, and words of the instruction tell what a text model cannot do.
"""

import re
from collections.abc import Mapping
from typing import Any

from tasks.instruction_replies import (
    UNFIT_WORDS,
    instance_text,
    refuse_unknown_options,
    task_fault,
    whole_words,
)
from tasks.replies import Piece, Told, parser

FIRST = 4  # number of the first new task when the prompt does not say it: three seeds come before
NO_INPUT = "<noinput>"
UNFIT = whole_words([*UNFIT_WORDS, "video", "audio", "music", "flowchart", "diagram"])
_NEXT = re.compile(r"^(\d{1,6})\. Instruction:\s*\Z", re.MULTILINE)
_HEADED = re.compile(r"\s*(?:###\s*)?(?=\d+\.\s+Instruction:)")


@parser("alpaca", options=True)
def alpaca(told: Told) -> list[Piece]:
    """The tasks of a list that goes on from the prompt; the last block is dropped when length cut it.

    Options: `empty_output` true keeps tasks without an output, as the authors' code does; `any_script`: see
    `tasks.instruction_replies.task_fault`.

    Raises:
        BadInput: for an unknown option.
    """
    refuse_unknown_options("alpaca", told.options, ("any_script", "empty_output"))
    if not told.text.strip():
        return [Piece("", "empty reply")]
    hit = _NEXT.search(told.prompt)
    first = int(hit[1]) if hit else FIRST
    blocks = _whole(told.text, first).split("###")
    cut = blocks.pop().strip() if told.finish_reason == "length" else ""
    read = [_task(block, number, told.options) for number, block in enumerate(blocks, first) if block.strip()]
    lost = [Piece(cut, "cut by length")] if cut else []
    return read + lost


def _whole(text: str, first: int) -> str:
    """The reply with the beginning of its first block, which stands in the prompt; chat models repeat it."""
    hit = _HEADED.match(text)
    return text[hit.end() :] if hit else f"{first}. Instruction:{text}"


def _task(block: str, number: int, options: Mapping[str, Any]) -> Piece:
    parts = re.split(rf"{number}\.\s+(Instruction|Input|Output):", block)
    if len(parts) != 7:
        return Piece(block.strip(), f"{len(parts)} pieces instead of 7 in block {number}")
    instruction, given, output = (parts[place].strip() for place in (2, 4, 6))
    given = "" if given.lower() == NO_INPUT else given
    fault = task_fault(instruction, UNFIT, bool(options.get("any_script", False)))
    if fault is None and not output and not options.get("empty_output", False):
        fault = "empty output"
    return Piece(instance_text(instruction, given, output), fault, given, output, instruction)
