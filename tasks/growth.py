"""From prompts to rows: ask the model, read the replies, keep all of it as sample, call and verdict."""

import json
from typing import Any, NamedTuple

import polars as pl

import tasks.instruction_replies
import tasks.json_replies  # noqa: F401  (both declare parsers)
from schemas.ids import digest
from schemas.recipe import Level, Recipe
from schemas.reply import Reply, Request
from schemas.settings import Settings
from schemas.tables import Message
from tasks.llm import complete
from tasks.recipe import render
from tasks.replies import PARSERS, Piece, Told
from warehouse.parts import polars_schema
from warehouse.run import Run

PLACES = 100  # kept free for the samples of one reply


class Prompt(NamedTuple):
    """One prompt to be sent, and where its answer belongs in the tree."""

    text: str
    slots: dict[str, Any]
    parent_id: str | None
    root_id: str | None
    ordinal: int  # place of its first sample in the level, the same whatever else the run asks
    seed: int


def grow(
    run: Run, recipe: Recipe, level: Level, prompts: list[Prompt], settings: Settings
) -> dict[str, pl.DataFrame]:
    """Ask all prompts of one level; returns the tables `sample`, `verdict` (filter `format`) and `call`."""
    requests = [_request(level, prompt) for prompt in prompts]
    replies = complete(requests, run, settings, f"{recipe.name}: {level.name}")
    samples, verdicts = [], []
    for prompt, reply in zip(prompts, replies, strict=True):
        for ordinal, piece in enumerate(_pieces(level, prompt, reply), prompt.ordinal):
            row = _sample(run, recipe, level, prompt, ordinal, piece)
            samples.append({**row, "model": settings.llm.model, "request_id": reply.request_id})
            verdicts.append(_format_verdict(run, row["sample_id"], piece))
    asked = {reply.request_id: (request, reply) for request, reply in zip(requests, replies, strict=True)}
    calls = [_call(run, recipe, level, *pair) for pair in asked.values()]
    return {
        "sample": _frame("sample", samples),
        "verdict": _frame("verdict", verdicts),
        "call": _frame("call", calls),
    }


def _request(level: Level, prompt: Prompt) -> Request:
    sampling = level.sampling.model_dump(exclude_defaults=True)
    sampling["max_tokens"] = level.sampling.max_tokens
    if level.sampling.temperature > 0:
        sampling["seed"] = prompt.seed
    turns = [Message(role="user", content=prompt.text)]
    return Request(messages=turns, sampling=sampling, json_schema=level.json_schema)


def _pieces(level: Level, prompt: Prompt, reply: Reply) -> list[Piece]:
    """What was read from a reply; a call that failed gives nothing, its row in `call` says why."""
    if reply.text is None:
        return []
    told = Told(reply.text, reply.finish_reason, prompt.slots, level.json_schema)
    pieces = PARSERS[level.reply](told)
    if len(pieces) <= PLACES:
        return pieces
    rest = json.dumps([piece.text for piece in pieces[PLACES - 1 :]], ensure_ascii=False)
    return [*pieces[: PLACES - 1], Piece(rest, f"more than {PLACES} samples in one reply")]


def _sample(
    run: Run, recipe: Recipe, level: Level, prompt: Prompt, ordinal: int, piece: Piece
) -> dict[str, Any]:
    sample_id = digest("sample", run.run_id, recipe.name, level.name, prompt.parent_id, ordinal, piece.text)
    instruction, given, output = _alpaca(level, prompt.slots, piece)
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
        "messages": _messages(instruction, given, output),
        "instruction": instruction,
        "input": given,
        "output": output,
        "slots": json.dumps(prompt.slots, sort_keys=True, ensure_ascii=False),
        "language": recipe.language,
        "origin": "generated",
        "origin_id": None,
        "licence": recipe.licence,
    }


def _alpaca(level: Level, slots: dict[str, Any], piece: Piece) -> tuple[str | None, str | None, str | None]:
    if not level.final:
        return None, None, None
    if level.instruction is not None:
        return render(level.instruction, slots), "", piece.text
    return slots["instruction"], piece.input or "", piece.output or ""


def _messages(instruction: str | None, given: str | None, output: str | None) -> list[dict[str, str]] | None:
    if instruction is None or output is None:
        return None
    asked = "\n\n".join(filter(None, (instruction, given)))
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": output}]


def _format_verdict(run: Run, sample_id: str, piece: Piece) -> dict[str, Any]:
    return {
        "sample_id": sample_id,
        "run_id": run.run_id,
        "filter": "format",
        "keep": piece.reason is None,
        "score": None,
        "threshold": None,
        "witness_id": None,
        "reason": piece.reason,
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
