"""Replay of the heuristic filters on instructions: length, words of other media, programs, first character.

The rows of a published pool passed them all; what does not pass here is a difference.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from schemas.slot import Part
from tasks.alpaca_replies import UNFIT as ALPACA
from tasks.instruction_replies import UNFIT_WORDS, task_fault, whole_words
from tasks.json_rows import Unreadable
from tasks.replay import Beside, Decision, Fields, Row, replay, wanted

UNFIT = {"self_instruct": whole_words(UNFIT_WORDS), "alpaca": ALPACA}


class Options(Part):
    """Which filters, and what a row that says nothing means."""

    words: Literal["self_instruct", "alpaca"] = "self_instruct"  # alpaca: five more words
    accepted: bool = True  # a row without `keep` was accepted


class Instruction(NamedTuple):
    """An instruction and what its row says of it."""

    text: str
    keep: bool | None


def instruction(fields: Fields) -> Instruction:
    """What the filters need of a row.

    Raises:
        Unreadable: no instruction.
    """
    keep = fields.get("keep")
    if not isinstance(keep, bool | None):
        raise Unreadable(f"keep is {keep!r}, neither true nor false")
    return Instruction(wanted(fields, "instruction"), keep)


@replay("filters", "instruction, and if stored keep", instruction, Options)
def filters(rows: Iterable[Row], options: Options, beside: Beside) -> Iterator[Decision]:
    """The heuristic filters of Self-Instruct or Alpaca on instructions."""
    for row in rows:
        fault = task_fault(row.said.text, UNFIT[options.words])
        told = True if row.said.keep is None and options.accepted else row.said.keep
        compared = {} if told is None else {"keep": (told, fault is None)}
        yield Decision(row.origin, row.line, row.said.text, fault is None, fault, compared=compared)
