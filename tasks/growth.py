"""From prompts to rows: ask the model or a maker, keep all of it as sample, call and verdict."""

import json
from typing import Any, NamedTuple

import polars as pl

from schemas.ids import digest
from schemas.recipe import Level, Recipe
from schemas.reply import Reply, Request
from schemas.settings import Settings
from schemas.tables import Message
from tasks.llm import complete
from tasks.makers import Given, makers
from tasks.replies import Piece, Told, parsers
from tasks.training_form import trained_on
from warehouse.parts import polars_schema
from warehouse.run import Run

PLACES = 100  # kept free for the samples of one reply


class Prompt(NamedTuple):
    """One prompt to be sent, or one parent of a maker, and where the answer belongs in the tree."""

    text: str
    system: str | None
    values: dict[str, Any]  # what templates see
    slots: dict[str, Any]  # what is kept of it
    parent_id: str | None
    root_id: str | None
    ordinal: int  # place of its first sample in the level, the same whatever else the run asks
    seed: int
    given: Given | None = None
    licence: str | None = None  # of what it grows from: of a user's rows none is known
    fault: str | None = None  # why it cannot be asked about its parent


def grow(
    run: Run, recipe: Recipe, level: Level, prompts: list[Prompt], settings: Settings
) -> dict[str, pl.DataFrame]:
    """Ask all prompts of one level; returns the tables `sample`, `verdict` and `call`.

    Verdicts: `format` on each sample, of a judging level one on each parent, and `prompt` on each parent that
    the template cannot be filled for.
    """
    unfit = [
        _verdict(run, prompt.parent_id, "prompt", False, reason=prompt.fault)
        for prompt in prompts
        if prompt.fault
    ]
    prompts = [prompt for prompt in prompts if not prompt.fault]
    if level.make is not None:
        made = [makers()[level.make](prompt.given) for prompt in prompts]
        rows = _rows(run, recipe, level, prompts, made, [_origin_of(prompt.given) for prompt in prompts])
        verdicts = _frame("verdict", [*rows.verdicts, *unfit])
        return {"sample": _frame("sample", rows.samples), "verdict": verdicts}
    requests = [_request(level, prompt) for prompt in prompts]
    replies = complete(requests, run, settings, f"{recipe.name}: {level.name}")
    read = [_pieces(level, prompt, reply) for prompt, reply in zip(prompts, replies, strict=True)]
    origin = [{"model": settings.llm.model, "request_id": reply.request_id} for reply in replies]
    rows = _rows(run, recipe, level, prompts, read, origin)
    asked = {reply.request_id: (request, reply) for request, reply in zip(requests, replies, strict=True)}
    return {
        "sample": _frame("sample", rows.samples),
        "verdict": _frame("verdict", [*rows.verdicts, *unfit]),
        "call": _frame("call", [_call(run, recipe, level, *pair) for pair in asked.values()]),
    }


def _origin_of(given: Given) -> dict[str, Any]:
    """What a maker made of generated texts was generated; anything else is from where its parent is from."""
    for rows in given.gathered.values():
        for row in rows:
            return {"model": row["model"]}
    return {name: given.parent.get(name) for name in ("origin", "origin_id", "model")} if given.parent else {}


class _Rows(NamedTuple):
    samples: list[dict[str, Any]]
    verdicts: list[dict[str, Any]]


def _rows(
    run: Run,
    recipe: Recipe,
    level: Level,
    prompts: list[Prompt],
    made: list[list[Piece]],
    origin: list[dict[str, Any]],
) -> _Rows:
    rows = _Rows([], [])
    for number, (prompt, pieces) in enumerate(zip(prompts, made, strict=True)):
        for ordinal, piece in enumerate(_bounded(pieces), prompt.ordinal):
            row = _sample(run, recipe, level, prompt, ordinal, piece) | origin[number]
            rows.samples.append(row)
            rows.verdicts.append(_format_verdict(run, row["sample_id"], piece))
        if level.judge is not None:
            rows.verdicts.append(_judgement(run, level, prompt, pieces, rows.samples))
    return rows


def _request(level: Level, prompt: Prompt) -> Request:
    sampling = level.sampling.model_dump(exclude_defaults=True)
    sampling["max_tokens"] = level.sampling.max_tokens
    if level.sampling.temperature > 0:
        sampling["seed"] = prompt.seed
    turns = [Message(role="system", content=prompt.system)] if prompt.system else []
    turns.append(Message(role="user", content=prompt.text))
    return Request(messages=turns, sampling=sampling, json_schema=level.json_schema)


def _pieces(level: Level, prompt: Prompt, reply: Reply) -> list[Piece]:
    """What was read from a reply; a call that failed gives nothing, its row in `call` says why."""
    if reply.text is None:
        return []
    told = Told(reply.text, reply.finish_reason, prompt.values, level.json_schema, prompt.text, level.options)
    return parsers()[level.reply](told)


def _bounded(pieces: list[Piece]) -> list[Piece]:
    if len(pieces) <= PLACES:
        return pieces
    rest = json.dumps([piece.text for piece in pieces[PLACES - 1 :]], ensure_ascii=False)
    return [*pieces[: PLACES - 1], Piece(rest, f"more than {PLACES} samples in one reply")]


def _sample(
    run: Run, recipe: Recipe, level: Level, prompt: Prompt, ordinal: int, piece: Piece
) -> dict[str, Any]:
    sample_id = digest("sample", run.run_id, recipe.name, level.name, prompt.parent_id, ordinal, piece.text)
    slots = piece.slots if prompt.given else {**prompt.slots, **piece.slots}
    return {
        "sample_id": sample_id,
        "parent_id": prompt.parent_id,
        "root_id": prompt.root_id or sample_id,
        "run_id": run.run_id,
        "recipe": recipe.name,
        "level": level.name,
        "final": level.final,
        "ordinal": ordinal,
        "text": piece.text,
        **trained_on(level, prompt.values, piece, prompt.seed),
        "slots": json.dumps(slots, sort_keys=True, ensure_ascii=False),
        "language": recipe.language,
        "origin": "generated",
        "origin_id": None,
        "model": None,
        "licence": recipe.licence if prompt.parent_id is None else prompt.licence,
        "request_id": None,
    }


def _format_verdict(run: Run, sample_id: str, piece: Piece) -> dict[str, Any]:
    return _verdict(run, sample_id, "format", piece.reason is None, reason=piece.reason)


def _judgement(
    run: Run, level: Level, prompt: Prompt, pieces: list[Piece], samples: list[dict[str, Any]]
) -> dict[str, Any]:
    """What a judging reply means for the parent; where scores decide, one without a score drops it."""
    judge = level.judge
    piece = pieces[0] if pieces else Piece("", "the judge did not answer")
    witness = samples[-len(pieces)]["sample_id"] if pieces else None
    if piece.score is None:
        reason = piece.reason or "the judge gave no score"
        return _verdict(
            run, prompt.parent_id, judge.filter, judge.at_least is None, witness=witness, reason=reason
        )
    keep = judge.at_least is None or piece.score >= judge.at_least
    reason = None if keep else f"judged {piece.score:g}, below {judge.at_least:g}"
    told = {"score": piece.score, "threshold": judge.at_least, "witness": witness, "reason": reason}
    return _verdict(run, prompt.parent_id, judge.filter, keep, **told)


def _verdict(
    run: Run,
    sample_id: str | None,
    name: str,
    keep: bool,
    score: float | None = None,
    threshold: float | None = None,
    witness: str | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    return {
        "sample_id": sample_id,
        "run_id": run.run_id,
        "filter": name,
        "keep": keep,
        "score": score,
        "threshold": threshold,
        "witness_id": witness,
        "reason": reason,
    }


def _call(run: Run, recipe: Recipe, level: Level, request: Request, reply: Reply) -> dict[str, Any]:
    return {
        **reply.model_dump(exclude={"text"}),
        "reply": reply.text,
        "run_id": run.run_id,
        "recipe": recipe.name,
        "level": level.name,
        "messages": json.dumps([m.model_dump() for m in request.messages], ensure_ascii=False),
        "sampling": json.dumps(request.sampling, sort_keys=True, ensure_ascii=False),
    }


def _frame(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=polars_schema(table))
