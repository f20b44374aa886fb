"""Source reader `superni`: task files of Super-NaturalInstructions (Wang et al. 2022, arXiv 2204.07705).

A file is one task, {Definition, Positive Examples, Negative Examples, Instances [{id, input, output}], ...}.
Every instance is a row: its input is the text, and the fields are `task` (the name of the file),
`definition`, `positive`, `negative` and `targets`, all outputs that are accepted. One task is held in memory
at a time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from schemas.slot import Part
from tasks.json_rows import Unreadable, parse_object, refuse_unstorable
from tasks.options import checked
from tasks.picking import picked
from tasks.raw_rows import Broken, chunks
from tasks.records import SHOWN, Bad
from tasks.rows_reader import origin_of
from tasks.source_rows import Reading, SourceRow, reader

MAX_TASK = 256_000_000  # bytes of one task file; those of the collection have at most 6,500 instances


class TaskOptions(Part):
    """Which instances are read."""

    cap: int = Field(default=6_500, ge=1)  # instances of one task, the first; the collection's own bound
    languages: list[str] = []  # of input and output, as the files name them ("English"); none for all


@reader("superni")
def superni(asked: Reading) -> Iterator[SourceRow | Bad]:
    """The instances that were drawn, in the order of the files, and all that cannot be used.

    Raises:
        BadInput: for an unknown option.
    """
    options = checked(TaskOptions, asked.source.options, 'reader = "superni"')
    return picked(
        lambda: (row for path in asked.paths for row in _task(path, options)),
        asked.count,
        asked.source.order,
        asked.seed,
    )


def _task(path: Path, options: TaskOptions) -> Iterator[SourceRow | Bad]:
    try:
        task = _parsed(path)
        shared = _shared(task, options) | {"task": path.name.partition(".")[0]}
        instances = task.get("Instances")
        if not isinstance(instances, list):
            raise Unreadable("no task: it has no list `Instances`")
    except (Broken, Unreadable) as error:
        yield Bad(str(path), 0, str(error), path.name)
        return
    for line, instance in enumerate(instances[: options.cap], 1):
        yield _instance(path, line, instance, shared)


def _parsed(path: Path) -> dict[str, Any]:
    content, size = [], 0
    for chunk in chunks(path):
        content.append(chunk)
        size += len(chunk)
        if size > MAX_TASK:
            raise Unreadable(f"longer than {MAX_TASK:,} bytes")
    return parse_object(b"".join(content))


def _shared(task: dict[str, Any], options: TaskOptions) -> dict[str, Any]:
    """What all instances of a task have in common."""
    definition = task.get("Definition")
    first = definition[0] if isinstance(definition, list) and definition else definition
    if not isinstance(first, str) or not first.strip():
        raise Unreadable("no task: its `Definition` is no text")
    for key in ("Input_language", "Output_language"):
        said = task.get(key) or []
        if options.languages and not set(said) & set(options.languages):
            raise Unreadable(f"{key} is {said}; used: {options.languages}")
    shared = {"definition": first.strip()}
    for name in ("positive", "negative"):
        shown = task.get(f"{name.capitalize()} Examples")
        shared[name] = [each for each in shown if _is_example(each)] if isinstance(shown, list) else []
    refuse_unstorable(shared)
    return shared


def _is_example(example: Any) -> bool:
    return isinstance(example, dict) and all(isinstance(example.get(key), str) for key in ("input", "output"))


def _instance(path: Path, line: int, instance: Any, shared: dict[str, Any]) -> SourceRow | Bad:
    try:
        if not isinstance(instance, dict) or not isinstance(instance.get("input"), str):
            raise Unreadable("the instance has no text `input`")
        refuse_unstorable(instance)
        said = instance.get("output")
        targets = [said] if isinstance(said, str) else said
        if not isinstance(targets, list) or not all(isinstance(each, str) for each in targets):
            raise Unreadable("its `output` is no list of texts")
        if not instance["input"].strip():
            raise Unreadable("its `input` is empty")
    except Unreadable as error:
        return Bad(str(path), line, str(error), str(instance)[:SHOWN].replace("\0", " "))
    fields = {**shared, "targets": [each.strip() for each in targets if each.strip()]}
    name = instance.get("id")
    return SourceRow(instance["input"].strip(), fields, origin_of(str(path)), line, name and str(name))
