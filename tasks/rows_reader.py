"""Source reader `rows`: any data file whose rows are records, through the intake that `curate` uses."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas.recipe import Source
from tasks.picking import picked
from tasks.pool import SEEDS
from tasks.records import Bad, Record, read
from tasks.source_rows import Reading, SourceRow, reader

SHOWN = 500  # characters of a reject


@reader("rows")
def rows(asked: Reading) -> Iterator[SourceRow | Bad]:
    """The rows that were drawn, in the order of the files, and the rows that cannot be used."""
    return picked(lambda: _usable(asked), asked.count, asked.source.order, asked.seed)


def origin_of(path: str) -> str:
    """How a sample names the file it came from: ours by its place in the project."""
    return f"tasks/seeds/{Path(path).name}" if Path(path).parent == SEEDS else path


def _usable(asked: Reading) -> Iterator[SourceRow | Bad]:
    return (_used(row, asked.source) for row in read(asked.paths))


def _used(row: Record | Bad, source: Source) -> SourceRow | Bad:
    if isinstance(row, Bad):
        return row
    known = {**_understood(row), **row.fields}
    text = known.get(source.text)
    if not isinstance(text, str) or not text.strip():
        why = f"no text in field {source.text!r}; known: {sorted(map(str, row.fields))}"
        return Bad(row.origin, row.line, why, str(row.fields)[:SHOWN])
    origin_id = row.fields.get("id")
    fields = {name: "" if known.get(name) is None else known[name] for name in source.fields}
    named = None if origin_id is None else str(origin_id)
    return SourceRow(text.strip(), fields, origin_of(row.origin), row.line, named)


def _understood(row: Record) -> dict[str, Any]:
    """What the intake made of a row, whatever its fields are called."""
    said = row.content
    turns = [{"role": role, "content": content} for role, content in said.messages or []]
    return {
        "text": said.text,
        "instruction": said.instruction or next((t["content"] for t in turns if t["role"] == "user"), None),
        "input": said.input,
        "output": said.output,
        "messages": turns,
    }
