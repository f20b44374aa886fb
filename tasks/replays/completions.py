"""Replay of raw completions: the lists of tasks of Self-Instruct and Alpaca, and the classification flag.

A reply lies where the authors' scripts left it: under `response` (an OpenAI completion, its text, or null
when the request failed), under `metadata`, as `choices`, or as a plain field of REPLY_FIELDS. The prompt
ended with the number of the first task: it is given back to the parser, which then takes nothing off the
reply.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from schemas.ids import digest
from tasks.alpaca_replies import FIRST, alpaca
from tasks.instruction_replies import tasks
from tasks.json_rows import Unreadable
from tasks.replay import Beside, Decision, Fields, Row, kind_of, replay, wanted
from tasks.replies import Piece, Told, flag

REPLY_FIELDS = ("raw_instances", "reply", "raw", "raw_response", "completion", "response", "text", "output")
_NEXT = re.compile(r"^(\d{1,6})\. Instruction:\s*\Z", re.MULTILINE)  # where a prompt of Alpaca ends
YES = ("Yes", "yes", "YES")
Task = tuple[str | None, str | None, str | None]  # instruction, input, output


class Reply(NamedTuple):
    """What a model wrote; `text` is None when the request failed."""

    text: str | None
    finish_reason: str | None = None


class Asked(NamedTuple):
    """A reply and what its row says was read from it."""

    reply: Reply
    prompt: str
    instruction: str | None  # one task that was accepted, in a pool with its replies
    tasks: list[Any] | None  # all that were read from it


def reply_in(fields: Fields, *more: str) -> Reply:
    """The reply of a row, with the reason why it ended.

    Args:
        fields: of the row.
        more: names of further fields that may hold it as a text.

    Raises:
        Unreadable: there is none in any of the known places.
    """
    for holder in (fields, fields.get("instance_metadata"), fields.get("metadata")):
        if isinstance(holder, dict):
            found = (
                _choice(holder["response"]) if isinstance(holder.get("response"), dict) else _first(holder)
            )
            if found is not None:
                return found
            if holder.get("response", "") is None:
                return Reply(None)
    for name in (*more, *REPLY_FIELDS):
        if isinstance(fields.get(name), str):
            return Reply(fields[name], fields.get("finish_reason"))
    raise Unreadable(
        f"no reply in response, metadata, {', '.join((*more, *REPLY_FIELDS))}; found: {sorted(fields)}"
    )


def _choice(completion: dict[str, Any]) -> Reply | None:
    """What an OpenAI completion says, the whole object or one choice of it."""
    known = isinstance(completion.get("text"), str)
    return _first(completion) or (
        Reply(completion["text"], completion.get("finish_reason")) if known else None
    )


def _first(completion: dict[str, Any]) -> Reply | None:
    """The first choice of a completion, plain or of a chat."""
    choices = completion.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return None
    message = choices[0].get("message")
    text = message.get("content") if isinstance(message, dict) else choices[0].get("text")
    return Reply(text if isinstance(text, str) else None, choices[0].get("finish_reason"))


def asked(fields: Fields) -> Asked:
    """A reply with its prompt and what was read from it: `instruction`, or the list `instructions`.

    Raises:
        Unreadable: no reply, or a list of tasks that is none.
    """
    many = fields.get("instructions")
    if many is not None and not isinstance(many, list):
        raise Unreadable("field 'instructions' is no list")
    metadata = fields.get("metadata")
    one = fields.get("instruction")
    prompt = fields.get("prompt") or (metadata.get("prompt") if isinstance(metadata, dict) else "")
    whole = isinstance(one, str) and many is None
    return Asked(reply_in(fields), prompt if isinstance(prompt, str) else "", one if whole else None, many)


@replay("tasks", "response {choices [{text, finish_reason}]} or a plain reply", asked)
def numbered(rows: Iterable[Row], options: Any, beside: Beside) -> Iterator[Decision]:
    """Self-Instruct's numbered lists: which tasks are read from a reply, and why others are not.

    A pool with its replies repeats a reply for each of its tasks; it is counted once.
    """
    seen: set[str] = set()
    for row in rows:
        text, finish = row.said.reply
        pieces = [Piece("", "no reply: the request failed")]
        if text is not None:
            pieces = tasks(Told(f"0. {text}", finish, {}))
        mark = digest("reply", row.said.prompt, text)
        again = row.said.instruction is not None and mark in seen
        seen.add(mark)
        kept = [piece.text for piece in pieces if piece.reason is None]
        yield _decision(row, pieces, [row.said.tasks, kept], again)


@replay("alpaca", "response {text, finish_reason} or a plain reply", asked)
def blocks(rows: Iterable[Row], options: Any, beside: Beside) -> Iterator[Decision]:
    """Alpaca's blocks of instruction, input and output; tasks without an output are kept."""
    for row in rows:
        text, finish = row.said.reply
        pieces = [Piece("", "no reply: the request failed")]
        if text is not None:
            pieces = _blocks(row.said.prompt, text, finish)
        kept = [
            _task(piece.instruction, piece.input, piece.output) for piece in pieces if piece.reason is None
        ]
        told = row.said.tasks
        if told is not None:
            told = [_told(each) for each in told]
        yield _decision(row, pieces, [told, kept], again=False)


def _blocks(prompt: str, text: str, finish: str | None) -> list[Piece]:
    """The pieces when the reply goes on from the prompt, whatever the reply begins with."""
    hit = _NEXT.search(prompt)
    head = f"{hit[1] if hit else FIRST}. Instruction:"
    return alpaca(Told(head + text, finish, {}, prompt=head, options={"empty_output": True}))


def _told(said: Any) -> Any:
    """A task of the row's own list in the order of ours."""
    names = ("instruction", "input", "output")
    return _task(*(said.get(name) for name in names)) if isinstance(said, dict) else said


def _task(instruction: str | None, given: str | None, output: str | None) -> list[str]:
    return [instruction or "", given or "", output or ""]


def _decision(row: Row, pieces: list[Piece], lists: list[Any], again: bool) -> Decision:
    """One reply: kept when a task was read from it."""
    told, kept = lists
    faults = [piece.reason for piece in pieces if piece.reason is not None]
    counts = Counter({"tasks kept": len(kept)}) + Counter(
        f"tasks dropped: {kind_of(fault)}" for fault in faults
    )
    compared = {} if told is None else {"tasks": (told, kept)}
    one = row.said.instruction
    if one is not None:
        compared["instruction"] = (one, one if one in [*kept, *(each[0] for each in kept)] else kept)
    return Decision(
        row.origin,
        row.line,
        row.said.reply.text or "",
        bool(kept),
        None if kept else faults[0],
        value=[piece_row(piece) for piece in pieces],
        counted={"replies that came before": 1} if again else {"replies": 1, **counts},
        compared=compared,
    )


def piece_row(piece: Piece) -> dict[str, Any]:
    """A piece as a row of the decisions: what was read, and whether it is kept."""
    told = {
        "text": piece.text,
        "instruction": piece.instruction,
        "input": piece.input,
        "output": piece.output,
    }
    said = {name: value for name, value in told.items() if value is not None}
    return {**said, "keep": piece.reason is None, "reason": piece.reason}


class Flagged(NamedTuple):
    """An instruction with the flag that is stored, and the reply that it was read from."""

    instruction: str
    stored: str | bool | None
    reply: str | None


def flagged(fields: Fields) -> Flagged:
    """The flag of a row: `is_classification` as the model's words or read already, or a reply.

    Raises:
        Unreadable: no instruction, or neither flag nor reply.
    """
    stored = fields.get("is_classification")
    try:
        reply = reply_in({name: each for name, each in fields.items() if name not in ("text", "output")}).text
    except Unreadable:
        reply = None
    if not isinstance(stored, str | bool) and reply is None:
        raise Unreadable(f"no field 'is_classification' and no reply; found: {sorted(fields)}")
    return Flagged(wanted(fields, "instruction"), stored if isinstance(stored, str | bool) else None, reply)


def is_yes(said: str | bool) -> bool:
    """The published rule: yes when the stripped words are Yes, yes or YES."""
    return said if isinstance(said, bool) else said.strip() in YES


@replay("flag", "instruction, is_classification (words or read), and if stored the reply", flagged)
def flags(rows: Iterable[Row], options: Any, beside: Beside) -> Iterator[Decision]:
    """The classification flag: Yes/yes/YES and nothing else; a flag that is stored read is compared."""
    for row in rows:
        said = row.said
        words = said.reply if said.reply is not None else said.stored
        found = is_yes(words)
        both = said.reply is not None and said.stored is not None
        ours = isinstance(words, str) and (flag(Told(words, None, {}))[0].text == "Yes") != found
        yield Decision(
            row.origin,
            row.line,
            said.instruction,
            True,
            value="Yes" if found else "No",
            counted={
                "classification": int(found),
                "other": int(not found),
                "yes only to our recipes, which allow a full stop": int(ours),
            },
            compared={"flag": (is_yes(said.stored), found)} if both else {},
        )
