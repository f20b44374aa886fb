"""Whole conversations in one reply: a transcript with two markers, as Baize's self-chat makes them.

After the collection code of Baize (Xu et al. 2023, arXiv 2304.01196): the text is split at the human's
marker; the first segment (what comes before anybody speaks) and the last (a goodbye, or what the length cut)
are dropped; each segment left must hold exactly one marker of the assistant, otherwise the conversation is
cut there. Beyond the source, a turn without words is a cut too: nothing could be learned from it.
"""

from typing import NamedTuple

from schemas.errors import BadInput
from tasks.replies import Piece, Told, parser

Conversation = list[dict[str, str]]


class Markers(NamedTuple):
    """What a line of a speaker begins with."""

    human: str = "[Human]"
    ai: str = "[AI]"


MARKERS = Markers()


@parser("dialogue", options=True)
def dialogue(told: Told) -> list[Piece]:
    """One conversation, its text the turns without markers; a reply without one whole exchange is refused.

    Options `human` and `ai` are the markers. A reply cut by length is welcome: its last segment goes anyway.

    Raises:
        BadInput: for an unknown option, or markers that cannot be told apart.
    """
    turns = exchanges(told.text, _markers(told.options))
    if not turns:
        return [Piece(told.text.strip(), "no whole exchange between its first and its last segment")]
    return [Piece(dialogue_text(turns), messages=turns)]


def exchanges(transcript: str, markers: Markers = MARKERS, wordless: bool = False) -> Conversation:
    """User and assistant in turn, a pair for each whole segment; empty when there is none.

    Args:
        transcript: what the model wrote.
        markers: what the line of a speaker begins with.
        wordless: let turns without words pass, as Baize's code does.
    """
    turns: Conversation = []
    for segment in transcript.split(markers.human)[1:-1]:
        parts = [part.strip() for part in segment.split(markers.ai)]
        if len(parts) != 2 or not (wordless or all(parts)):
            break
        asked, said = parts
        turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    return turns


def transcript(turns: Conversation, markers: Markers = MARKERS) -> str:
    """The way back: one paragraph a turn behind its marker, and a human's marker at the end.

    `exchanges` gives the same turns, when they alternate and none is empty or holds a marker.
    """
    said = [f"{_marker(turn, markers)} {turn['content']}" for turn in turns]
    return "\n".join([*said, markers.human])


def dialogue_text(turns: Conversation) -> str:
    """The text of a conversation: its turns, without who spoke."""
    return "\n\n".join(turn["content"] for turn in turns)


def _marker(turn: dict[str, str], markers: Markers) -> str:
    return markers.human if turn["role"] == "user" else markers.ai


def _markers(options: dict[str, object]) -> Markers:
    if strange := sorted(set(options) - set(Markers._fields)):
        raise BadInput(f'reply = "dialogue": no option {strange[0]!r}; known: {list(Markers._fields)}')
    markers = Markers(**{name: str(value).strip() for name, value in options.items()})
    if not all(markers) or markers.human in markers.ai or markers.ai in markers.human:
        raise BadInput(f"markers {markers.human!r} and {markers.ai!r} cannot be told apart in a transcript")
    return markers
