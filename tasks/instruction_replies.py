"""Self-Instruct's replies (Wang et al. 2023, arXiv 2212.10560): a numbered list of tasks; their instances.

Rules and their order are those of the authors' code, down to `capitalize()`, which lower-cases the rest.
"""

import random
import re
import string
from collections.abc import Mapping, Sequence

from schemas.errors import BadInput
from schemas.ids import seed_for
from tasks.replies import Piece, Told, parser
from tasks.tokens import words

MAX_INSTANCES = 5
SEED = 123  # of the draw among more than MAX_INSTANCES, as published
UNFIT_WORDS = (
    *("image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps"),
    *("draw", "plot", "go to"),
)


def whole_words(unfit: Sequence[str]) -> re.Pattern[str]:
    """Finds any of the words, as a whole word in any letter case."""
    return re.compile(r"\b(" + "|".join(unfit) + r")\b", re.IGNORECASE)


_UNFIT = whole_words(UNFIT_WORDS)


@parser("tasks", options=True)
def tasks(told: Told) -> list[Piece]:
    """The tasks of a numbered list that goes on; a list cut by length is thrown away whole.

    Option `any_script`: see `task_fault`.

    Raises:
        BadInput: for an unknown option.
    """
    refuse_unknown_options("tasks", told.options, ("any_script",))
    any_script = bool(told.options.get("any_script", False))
    if told.finish_reason == "length":
        return [Piece(told.text.strip(), "cut by length")]
    body = re.sub(r"^\s*\d+\s?\.\s", "", told.text)  # chat models repeat the number they were given
    found = [" ".join(piece.split()).capitalize() for piece in re.split(r"\n\d+\s?\. ", body)]
    return [Piece(task, task_fault(task, any_script=any_script)) for task in found]


def task_fault(task: str, unfit: re.Pattern[str] = _UNFIT, any_script: bool = False) -> str | None:
    """The first of the published filters that a task fails, in the published order; None when it passes.

    Args:
        task: an instruction.
        unfit: finds what a text model cannot do.
        any_script: for other languages than English: words are those of `tasks.tokens`, so that Chinese has
            some, and a task may begin with a letter of any script. False decides as published.
    """
    n_words = len(words(task) if any_script else task.split())
    if not task:
        return "empty"
    if n_words <= 3 or n_words > 150:
        return f"{n_words} words; tasks have 4 to 150"
    if found := unfit.search(task):
        return f"holds {found.group(0).lower()!r}, which a text model cannot do"
    if task.startswith("Write a program"):
        return "starts with 'Write a program'"
    if task[0] in string.punctuation:
        return "starts with punctuation"
    if any_script:
        return None if task[0].isalnum() else "starts with punctuation"
    return None if task[0].isascii() else "starts with a character outside ASCII"


def refuse_unknown_options(name: str, options: Mapping[str, object], known: Sequence[str]) -> None:
    """Raise BadInput when a recipe gives a parser an option that it does not have."""
    if unknown := sorted(options.keys() - set(known)):
        raise BadInput(f"parser {name} has no option {unknown[0]!r}; known: {sorted(known)}")


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
    return _refuse_surplus(_refuse_contradictions(pieces), told.slots["instruction"])


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
    """What stands between the first marker and the second, or the next input, is the output."""
    parts = re.split(r"Output\s*\d*\s*:", block)
    given = re.sub(r"^\s*Input\s*\d*\s*:", "", parts[0]).strip() if len(parts) > 1 else ""
    return given, re.split(r"Input\s*\d*\s*:", parts[min(1, len(parts) - 1)])[0].strip()


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


def _refuse_surplus(pieces: list[Piece], instruction: str) -> list[Piece]:
    """Repeated instances, and all but five that are drawn when there are more."""
    first: dict[tuple[str | None, str | None], int] = {}
    for place, piece in enumerate(pieces):
        if piece.reason is None:
            first.setdefault((piece.input, piece.output), place)
    chance = random.Random(seed_for("instances", SEED, instruction))
    drawn = set(chance.sample(list(first.values()), min(MAX_INSTANCES, len(first))))
    faults = {place: f"more than {MAX_INSTANCES} instances" for place in first.values() if place not in drawn}
    for place, piece in enumerate(pieces):
        if piece.reason is None and first[piece.input, piece.output] != place:
            faults[place] = "repeats an instance of this task"
    return [piece._replace(reason=faults.get(place, piece.reason)) for place, piece in enumerate(pieces)]
