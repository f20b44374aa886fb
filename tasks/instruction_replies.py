"""Self-Instruct's replies (Wang et al. 2023, arXiv 2212.10560): a numbered list of tasks; their instances.

Rules and their order are those of the authors' code, down to `capitalize()`, which lower-cases the rest.
"""

import re
import string

from tasks.replies import Piece, Told, parser

MAX_INSTANCES = 5
UNFIT_WORDS = [
    "image",
    "images",
    "graph",
    "graphs",
    "picture",
    "pictures",
    "file",
    "files",
    "map",
    "maps",
    "draw",
    "plot",
] + ["go to"]
_UNFIT = re.compile(r"\b(" + "|".join(UNFIT_WORDS) + r")\b", re.I)


@parser("tasks")
def tasks(told: Told) -> list[Piece]:
    """The tasks of a numbered list that goes on; a list cut by length is thrown away whole."""
    if told.finish_reason == "length":
        return [Piece(told.text.strip(), "cut by length")]
    body = re.sub(r"^\s*\d+\s?\.\s", "", told.text)  # chat models repeat the number they were given
    found = [" ".join(piece.split()).capitalize() for piece in re.split(r"\n\d+\s?\. ?", body)]
    return [Piece(task, task_fault(task)) for task in found]


def task_fault(task: str) -> str | None:
    """The first of the published filters that a task fails, in the published order; None when it passes."""
    n_words = len(task.split())
    if not task:
        return "empty"
    if n_words <= 3 or n_words > 150:
        return f"{n_words} words; tasks have 4 to 150"
    if found := _UNFIT.search(task):
        return f"holds {found.group(0).lower()!r}, which a text model cannot do"
    if task.startswith("Write a program"):
        return "starts with 'Write a program'"
    if task[0] in string.punctuation:
        return "starts with punctuation"
    return None if task[0].isascii() else "starts with a character outside ASCII"


@parser("instances")
def instances(told: Told) -> list[Piece]:
    """Inputs and outputs of one task: label first for a classification task, input first for any other."""
    is_classification = told.slots.get("flag") == "Yes"
    pairs = _label_first(told.text) if is_classification else _input_first(told.text)
    if told.finish_reason == "length":
        pairs = pairs[:-1]
    if not pairs:
        return [Piece(told.text.strip(), "no complete instance in the reply")]
    pieces = [_piece(told.slots["instruction"], *pair) for pair in pairs]
    return _refuse_surplus(_refuse_contradictions(pieces))


def instance_text(instruction: str, given: str, output: str) -> str:
    """The text of an instance: its parts, the empty ones left out."""
    return "\n\n".join(filter(None, (instruction, given, output)))


def _label_first(text: str) -> list[tuple[str, str]]:
    """(input, output) pairs; what stands before the first marker is not used."""
    blocks = [block.strip() for block in text.split("Class label:")[1:]]
    halves = [block.partition("\n") for block in blocks]
    return [(given.strip(), label.strip()) for label, _, given in halves]


def _input_first(text: str) -> list[tuple[str, str]]:
    """(input, output) pairs; without any marker the whole text is the output."""
    blocks = [block for block in re.split(r"Example\s?\d*\.?", text) if block.strip()]
    return [_split_output(block) for block in blocks]


def _split_output(block: str) -> tuple[str, str]:
    halves = re.split(r"Output\s*\d*\s*:", block, maxsplit=1)
    if len(halves) == 1:
        return "", block.strip()
    given = re.sub(r"^\s*Input\s*\d*\s*:", "", halves[0]).strip()
    output = re.split(r"Input\s*\d*\s*:", halves[1], maxsplit=1)[0].strip()
    return given, output


def _piece(instruction: str, given: str, output: str) -> Piece:
    fault = None
    if given == output:
        fault = "input equals output"
    elif not output:
        fault = "empty output"
    elif given.endswith(":") or output.endswith(":"):
        fault = "input or output ends with a colon"
    return Piece(instance_text(instruction, given, output), fault, given, output)


def _refuse_contradictions(pieces: list[Piece]) -> list[Piece]:
    """One input with two outputs makes all instances of the task doubtful."""
    outputs: dict[str, set[str]] = {}
    for piece in pieces:
        if piece.input and piece.reason is None:
            outputs.setdefault(piece.input, set()).add(piece.output or "")
    if all(len(found) == 1 for found in outputs.values()):
        return pieces
    return [piece._replace(reason=piece.reason or "one input has two outputs") for piece in pieces]


def _refuse_surplus(pieces: list[Piece]) -> list[Piece]:
    """Repeated instances, and those past the fifth."""
    judged: list[Piece] = []
    kept: set[tuple[str | None, str | None]] = set()
    for piece in pieces:
        pair = (piece.input, piece.output)
        if piece.reason is None and pair in kept:
            piece = piece._replace(reason="repeats an instance of this task")
        elif piece.reason is None and len(kept) == MAX_INSTANCES:
            piece = piece._replace(reason=f"more than {MAX_INSTANCES} instances")
        elif piece.reason is None:
            kept.add(pair)
        judged.append(piece)
    return judged
