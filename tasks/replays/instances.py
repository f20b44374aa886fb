"""Replay of Self-Instruct's last two steps on others' replies: parse the instances, filter them.

Shape: machine_generated_instances.jsonl (`instruction`, `raw_instances`, `instance_metadata`), with the flags
from the option `flags` (is_clf_or_not_*.jsonl) or a row's own `is_classification`. What was published of a
task is its row's `instances`, or the rows of the option `published` (all_generated_instances.jsonl) that have
its instruction.

Of more than five instances the authors drew five with seed 123 out of a set of strings, whose order differs
from process to process: no replay can draw the same. Counts do not depend on it. Such a task is reproduced
when the published five are among those that could be drawn.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.slot import Part
from tasks.instruction_replies import MAX_INSTANCES, instances
from tasks.json_rows import Unreadable
from tasks.replay import Beside, Decision, Fields, Row, kind_of, replay, wanted
from tasks.replays.completions import Reply, is_yes, piece_row, reply_in
from tasks.replies import Piece, Told

Pair = tuple[str, str]  # input, output
_MARKER = re.compile(r"Example\s?\d*\.?|Output\s*\d*\s*:")
NO_MARKER = "no marker of an example or an output"


class Options(Part):
    """What is known beside the replies."""

    flags: list[str] = []  # files of instruction, is_classification
    published: list[str] = []  # files of instruction, input, output
    unmarked: bool = False  # true: a reply without any marker is one output, as our recipes read it


class Asked(NamedTuple):
    """The reply to one task."""

    instruction: str
    reply: Reply
    is_classification: str | bool | None
    published: list[Pair] | None


def asked(fields: Fields) -> Asked:
    """What the step needs of a row.

    Raises:
        Unreadable: no instruction, no reply, or instances of another shape.
    """
    told = fields.get("instances")
    try:
        published = None if told is None else [(each["input"], each["output"]) for each in told]
    except (TypeError, KeyError) as error:
        raise Unreadable("field 'instances' is no list of objects with input and output") from error
    flag = fields.get("is_classification")
    flag = flag if isinstance(flag, str | bool) else None
    text = fields.get("raw_instances")
    # The metadata of the instruction, where it is, tells how another reply ended.
    reply = reply_in({name: each for name, each in fields.items() if name != "metadata"})
    if isinstance(text, str):  # empty where the request failed
        reply = Reply(text, reply.finish_reason)
    return Asked(wanted(fields, "instruction"), reply, flag, published)


@replay("instances", "instruction, raw_instances, instance_metadata (finish_reason); --flags", asked, Options)
def parsed(rows: Iterable[Row], options: Options, beside: Beside) -> Iterator[Decision]:
    """Self-Instruct's instances: label first or input first, then the filters."""
    flags = {row["instruction"]: is_yes(row["is_classification"]) for row in _flags(beside)}
    published = _published(beside)
    for row in rows:
        said = row.said
        flag = flags.get(said.instruction)
        if said.is_classification is not None:
            flag = is_yes(said.is_classification)
        if flag is None:
            known = f"{len(flags):,} flags are known"
            yield _decision(row, [Piece("", f"no flag for this instruction; {known}")], None)
            continue
        told = said.published
        if "published" in beside:
            told = published.get(said.instruction.strip(), [])
        yield _decision(row, pieces_of(said, flag, options.unmarked), told)


def pieces_of(said: Asked, is_classification: bool, unmarked: bool) -> list[Piece]:
    """The instances of a reply, each with the reason why it is not kept."""
    text, finish = said.reply
    if not text:
        return [Piece("", "no reply")]
    if not (is_classification or unmarked or _MARKER.search(text)):
        return [Piece(text, NO_MARKER)]
    slots = {"flag": "Yes" if is_classification else "No", "instruction": said.instruction.strip()}
    return instances(Told(text, finish, slots))


def _flags(beside: Beside) -> Iterator[Fields]:
    return (row for row in beside.get("flags", ()) if isinstance(row.get("is_classification"), str | bool))


def _published(beside: Beside) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = {}
    for row in beside.get("published", ()):
        pair = (row.get("input", ""), row.get("output", ""))
        found.setdefault(str(row.get("instruction", "")).strip(), []).append(pair)
    return found


def _decision(row: Row, pieces: list[Piece], told: list[Pair] | None) -> Decision:
    kept = sorted((piece.input or "", piece.output or "") for piece in pieces if piece.reason is None)
    faults = [piece.reason for piece in pieces if piece.reason is not None]
    dropped = Counter(f"instances dropped: {kind_of(fault)}" for fault in faults)
    counts = {"instances": len(kept), "instances with an empty input": sum(not given for given, _ in kept)}
    compared = {} if told is None else {"instances": (sorted(told), _drawn(pieces, kept, sorted(told)))}
    return Decision(
        row.origin,
        row.line,
        row.said.instruction,
        bool(kept),
        None if kept else faults[0],
        value=[piece_row(piece) for piece in pieces],
        counted={**counts, **dropped},
        compared=compared,
    )


def _drawn(pieces: list[Piece], kept: list[Pair], told: list[Pair]) -> list[Pair]:
    """What was published, when it is five of those that could be drawn; else ours."""
    surplus = {(p.input or "", p.output or "") for p in pieces if (p.reason or "").startswith("more than")}
    could = surplus | set(kept)
    fits = len(told) == len(set(told)) == MAX_INSTANCES and set(told) <= could
    return told if surplus and fits else kept
