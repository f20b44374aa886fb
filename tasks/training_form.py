"""What a model is trained on: instruction, input and answer of a sample, and the conversation they make."""

from typing import Any

from schemas.ids import seed_for
from schemas.recipe import Level
from tasks.formats import fielded, formatted
from tasks.instruction_replies import instance_text
from tasks.rendering import render
from tasks.replies import Piece


def trained_on(level: Level, values: dict[str, Any], piece: Piece, seed: int) -> dict[str, Any]:
    """The columns messages, instruction, input, output and rejected; all null unless the level is final."""
    if not level.final:
        return dict.fromkeys(("messages", "instruction", "input", "output", "rejected"))
    seen = {**values, **piece.slots, level.name: piece.text, "reply": piece.text}
    draw = seed_for("form", seed, piece.text)
    instruction = _said(piece.instruction, level.instruction, seen)
    if level.fields is not None:
        instruction = instance_text(instruction or "", fielded(level.fields, seen, draw, render), "")
    if instruction is None:
        instruction = seen.get("instruction")
    given = _said(piece.input, level.input, seen) or ""
    if piece.messages is not None:
        told = (piece.instruction, piece.input, piece.output, piece.rejected)
        return _columns(piece.messages, *told)
    output = _said(piece.output, level.output, seen)
    output = piece.text if output is None else output
    if instruction is None:
        return _columns(None, None, None, None, piece.rejected)
    asked = formatted(level.format, instruction, given, draw) if level.format else None
    asked = "\n\n".join(filter(None, (instruction, given))) if asked is None else asked
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": output}]
    system = render(level.train_system, seen) if level.train_system is not None else ""
    return _columns(
        [{"role": "system", "content": system}, *turns] if system else turns,
        instruction,
        given,
        output,
        piece.rejected,
    )


def _said(of_piece: str | None, template: str | None, seen: dict[str, Any]) -> str | None:
    """What the reply itself says, else what the level's template says."""
    if of_piece is not None or template is None:
        return of_piece
    return render(template, seen)


def _columns(messages: Any, instruction: Any, given: Any, output: Any, rejected: Any) -> dict[str, Any]:
    return {
        "messages": messages,
        "instruction": instruction,
        "input": given,
        "output": output,
        "rejected": rejected,
    }
