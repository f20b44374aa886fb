"""Unnatural Instructions' replies (Honovich et al. 2022, arXiv 2212.09689): a task, its output, a paraphrase.

The text of a sample is its instruction and input, without the output: so filter `exact` finds what the
authors drop, a repeated pair of instruction and input, and a paraphrase is no near-duplicate for its output.
"""

import re

from tasks.instruction_replies import instance_text
from tasks.replies import Piece, Told, parser
from tasks.tokens import words

FIELDS = ("Instruction", "Input", "Constraints")
_LABEL = re.compile(r"^[ \t]*(Instruction|Input|Constraints)[ \t]*:", re.MULTILINE)
_EXAMPLE = re.compile(r"^[ \t]*Example \d+[ \t]*\.?[ \t]*$", re.MULTILINE)
_OUTPUT = re.compile(r"^[ \t]*Output[ \t]*:", re.MULTILINE)
_NONE = ("none", "no constraints", "n/a")


@parser("unnatural_task", gives=("instruction", "given", "constraints"))
def unnatural_task(told: Told) -> list[Piece]:
    """Instruction, input and constraints of one new example; constraints that say "none" become empty."""
    if told.finish_reason == "length":
        return [Piece(told.text.strip(), "cut by length")]
    body = _EXAMPLE.sub("", told.text, count=1) if _EXAMPLE.match(told.text.lstrip()) else told.text
    body = _OUTPUT.split(_EXAMPLE.split(body, maxsplit=1)[0], maxsplit=1)[0].strip()
    parts = _LABEL.split(body if re.match(r"Instruction\s*:", body) else f"Instruction:\n{body}")
    labels, values = parts[1::2], [part.strip() for part in parts[2::2]]
    fields = dict(zip(labels, values, strict=True))
    if fault := _fault(labels, fields, told.prompt):
        return [Piece(told.text.strip(), fault)]
    instruction, given, constraints = (fields[name] for name in FIELDS)
    constraints = "" if constraints.lower().rstrip(". ") in _NONE else constraints
    slots = {"instruction": instruction, "given": given, "constraints": constraints}
    return [Piece(instance_text(instruction, given, constraints), slots=slots)]


@parser("unnatural_output", gives=("answer",))
def unnatural_output(told: Told) -> list[Piece]:
    """The output of a task."""
    output = told.text.strip()
    given = told.slots["given"]
    if not output or told.finish_reason == "length":
        return [Piece(output, "cut by length" if output else "empty output")]
    instruction = told.slots["instruction"]
    text = instance_text(instruction, given, "")
    return [Piece(text, None, given, output, asked(told.slots, instruction), slots={"answer": output})]


@parser("paraphrase")
def paraphrase(told: Told) -> list[Piece]:
    """The instruction in other words, with the input and output of its parent."""
    said = re.sub(r'^["“](.*)["”]$', r"\1", told.text.strip(), flags=re.S).strip()
    given = told.slots["given"]
    fault = None
    if not said:
        fault = "empty reply"
    elif told.finish_reason == "length":
        fault = "cut by length"
    elif "\n" in said:
        fault = "more than one line where one instruction was asked for"
    elif words(said) == words(told.slots["instruction"]):
        fault = "the same words as the instruction"
    text = instance_text(said, given, "")
    return [Piece(text, fault, given, told.slots["answer"], asked(told.slots, said))]


def asked(slots: dict[str, str], instruction: str) -> str:
    """The instruction to train on: with the constraints, when there are any."""
    return " ".join(filter(None, (instruction, slots["constraints"])))


def demonstrations(prompt: str) -> list[dict[str, str]]:
    """The examples that a prompt shows, as label -> text; the unfinished one at its end is left out."""
    shown = []
    for block in _EXAMPLE.split(prompt)[1:-1]:
        parts = _LABEL.split(block)
        shown.append({label: text.strip() for label, text in zip(parts[1::2], parts[2::2], strict=True)})
    return shown


def _fault(labels: list[str], fields: dict[str, str], prompt: str) -> str | None:
    """Missing field and identity with a demonstration are the authors' filters, in their order."""
    for label in FIELDS:
        if not fields.get(label):
            return f"missing field: {label}"
        if labels.count(label) > 1:
            return f"field {label} comes {labels.count(label)} times"
    return "identical to a demonstration" if fields in demonstrations(prompt) else None
