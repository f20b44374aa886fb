"""Replay of judges: Humpback's scores of candidates, and pairwise judgements in both orders.

Shapes: rows with a judge's reply and its stored `score` (null where none was read); MT-Bench's pair files
(`g1_judgment`, `g2_judgment` with the answers the other way round, `g1_winner`, `g2_winner`), or `judgements`
[text, text] with `preferred` [first | second | tie, ...].
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from pydantic import Field

from schemas.slot import Part
from tasks.json_rows import Unreadable
from tasks.preference_maker import pair_fault
from tasks.preference_replies import FIRST, SECOND, TIE, meant
from tasks.replay import Beside, Decision, Fields, Row, replay, wanted
from tasks.replays.completions import Reply, reply_in
from tasks.replies import Told
from tasks.score_replies import FORMS, score, score_in

ERROR = "error"  # no verdict in the reply
_WINNERS = {"model_1": FIRST, "model_2": SECOND, "tie": TIE, "error": ERROR}
_UNSAID = object()  # no score is stored; None is one


class Scale(Part):
    """How a score is read, and which are kept."""

    form: Literal["loose", "strict"] = "loose"
    low: int = 1
    high: int = 5
    at_least: int = Field(4, description="the lowest score that is kept")


class Scored(NamedTuple):
    """A judge's reply and what its row says was read from it."""

    reply: Reply
    score: Any
    keep: bool | None


def scored(fields: Fields) -> Scored:
    """What the curation needs of a row.

    Raises:
        Unreadable: no reply, or a score that is no number.
    """
    told = fields.get("score", _UNSAID)
    if told is not _UNSAID and not isinstance(told, int | float | None):
        raise Unreadable(f"score is {told!r}, no number")
    keep = fields.get("keep")
    return Scored(reply_in(fields, "judgement", "judgment"), told, keep if isinstance(keep, bool) else None)


@replay("scores", "the judge's reply, and if stored score (null: none was read), keep", scored, Scale)
def scores(rows: Iterable[Row], options: Scale, beside: Beside) -> Iterator[Decision]:
    """Humpback's curation: the score of each reply in both readings, and what is kept."""
    scale = {name: getattr(options, name) for name in ("form", "low", "high")}
    for row in rows:
        text, finish = row.said.reply
        (piece,) = score(Told(text or "", finish, {}, options=scale))
        found = piece.score
        keep = found is not None and found >= options.at_least
        reason = piece.reason or (None if keep else f"score {found:g}, below {options.at_least}")
        told = {} if row.said.score is _UNSAID else {"score": (row.said.score, found)}
        if row.said.keep is not None:
            told["keep"] = (row.said.keep, keep)
        yield Decision(
            row.origin,
            row.line,
            text or "",
            keep,
            reason,
            found,
            counted=_readings(row.said.reply, scale, options.at_least),
            compared=told,
        )


def _readings(reply: Reply, scale: dict[str, Any], at_least: int) -> dict[str, int]:
    """Counts of both forms, whichever decides."""
    counts = {}
    for form in FORMS:
        told = Told(reply.text or "", reply.finish_reason, {}, options={**scale, "form": form})
        found = score(told)[0].score
        counts[f"scored, {form}"] = int(found is not None)
        counts[f"kept, {form}"] = int(found is not None and found >= at_least)
    both = [score_in((reply.text or "").strip(), form) for form in FORMS]
    return {**counts, "read by one form only": int(both.count(None) == 1)}


class Judged(NamedTuple):
    """The judgements of one pair in both orders."""

    replies: list[str]
    preferred: list[str] | None
    answers: list[str] | None


def judged(fields: Fields) -> Judged:
    """What the pair needs of a row.

    Raises:
        Unreadable: no two judgements, or winners that nobody knows.
    """
    if "g1_judgment" in fields:
        replies = [wanted(fields, "g1_judgment"), wanted(fields, "g2_judgment")]
        told = [fields.get("g1_winner"), fields.get("g2_winner")]
        if not all(winner in _WINNERS for winner in told):
            raise Unreadable(f"g1_winner and g2_winner are {told}; known: {sorted(_WINNERS)}")
        return Judged(replies, [_WINNERS[winner] for winner in told], None)
    replies = wanted(fields, "judgements", list)
    if len(replies) != 2 or not all(isinstance(reply, str) for reply in replies):
        raise Unreadable("field 'judgements' is no list of two texts, one for each order")
    answers = fields.get("answers")
    return Judged(replies, fields.get("preferred"), answers if isinstance(answers, list) else None)


@replay("judgements", "g1_judgment and g2_judgment with their winners, or judgements [text, text]", judged)
def judgements(rows: Iterable[Row], options: Any, beside: Beside) -> Iterator[Decision]:
    """Pairwise judgements: the verdict of each order as MT-Bench reads it, and a pair where both agree."""
    for row in rows:
        said = row.said
        letters = [letter_in(reply) for reply in said.replies]
        found = [ERROR if letter is None else meant(letter, bool(i)) for i, letter in enumerate(letters)]
        missing = "no verdict [[A]], [[B]] or [[C]]" if ERROR in found else None
        fault = missing or pair_fault(said.answers or ["1", "2"], found)
        yield Decision(
            row.origin,
            row.line,
            "\n\n".join(said.replies),
            fault is None,
            fault,
            value=found,
            counted={
                **{f"verdicts for {name}": found.count(name) for name in (FIRST, SECOND, TIE, ERROR)},
                "replies with two verdicts, which our recipes refuse": sum(map(_is_double, said.replies)),
            },
            compared={} if said.preferred is None else {"verdicts": (said.preferred, found)},
        )


def letter_in(reply: str) -> str | None:
    """The verdict as MT-Bench's code reads it: of several the first by the alphabet."""
    return next((letter for letter in "ABC" if f"[[{letter}]]" in reply), None)


def _is_double(reply: str) -> bool:
    return sum(f"[[{letter}]]" in reply for letter in "ABC") > 1
