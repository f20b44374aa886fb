"""Replay of self-chat transcripts (Baize): raw replies, or the published rows {topic, input}.

A row with both a reply and its published `input` says what was read; one with `input` alone is read by its
own markers and written again. Turns without words pass, as in the authors' code; our recipe cuts there.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.slot import Part
from tasks.dialogue_replies import MARKERS, Conversation, Markers, dialogue_text, exchanges, transcript
from tasks.json_rows import Unreadable
from tasks.replay import Beside, Decision, Fields, Row, replay
from tasks.replays.completions import reply_in

PUBLISHED = Markers("[|Human|]", "[|AI|]")


class Speakers(Part):
    """What a line of a speaker begins with, in raw replies."""

    human: str = MARKERS.human
    ai: str = MARKERS.ai


class Chat(NamedTuple):
    """One transcript: the reply, the published form of what was read, or both."""

    reply: str | None
    published: str | None


def chat(fields: Fields) -> Chat:
    """What the splitting needs of a row.

    Raises:
        Unreadable: neither a reply nor a published transcript.
    """
    told = fields.get("input")
    published = told if isinstance(told, str) and PUBLISHED.human in told else None
    try:
        reply = reply_in(fields, "transcript").text
    except Unreadable:
        if published is None:
            raise
        reply = None
    return Chat(reply, published)


@replay(
    "self_chat",
    "a reply with [Human] and [AI], or the published input with [|Human|] and [|AI|]",
    chat,
    Speakers,
)
def self_chat(rows: Iterable[Row], options: Speakers, beside: Beside) -> Iterator[Decision]:
    """Baize's transcripts: first and last segment dropped, cut at the first that is no exchange."""
    for row in rows:
        reply, published = row.said
        markers = Markers(options.human, options.ai) if reply is not None else PUBLISHED
        text = reply if reply is not None else published or ""
        turns = exchanges(text, markers, wordless=True)
        fault = None if turns else "no whole exchange between its first and its last segment"
        ours = exchanges(text, markers)
        yield Decision(
            row.origin,
            row.line,
            dialogue_text(turns) or text,
            bool(turns),
            fault,
            value=turns,
            counted={
                "dialogues": int(bool(turns)),
                "messages": len(turns),
                "messages after a turn without words, which our recipe cuts": len(turns) - len(ours),
            },
            compared={} if published is None else {"transcript": (_lines(published), written(turns))},
        )


def written(turns: Conversation) -> str:
    """Turns as Baize publishes them, without the heading."""
    return _lines(transcript(turns, PUBLISHED))


def _lines(published: str) -> str:
    """A published transcript from its first marker on; blanks at the end of a line do not count."""
    found = PUBLISHED.human + published.partition(PUBLISHED.human)[2]
    return "\n".join(line.rstrip() for line in found.splitlines())
