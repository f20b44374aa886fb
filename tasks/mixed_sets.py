"""The sets of a mixture: which files are one set, and its rows.

A file is a set, named by its name without suffix (two of one name also by their folder); a release of ours is
one set, named by its id, of which the training rows are taken.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tasks.export import FORMS as RELEASE_FORMS
from tasks.file_formats import FORMATS
from tasks.provenance import provenance_of
from tasks.records import Bad, Record, read
from tasks.rows_reader import origin_of
from tasks.source_rows import SourceRow, is_of_release, one_form


class MixedSet(NamedTuple):
    """One set of a mixture."""

    name: str
    path: Path


def sets_of(paths: list[Path]) -> list[MixedSet]:
    """The sets that files make up, in the order of the files.

    Of a release, whose folders hold the same rows in several forms, one file is taken.
    """
    kept = one_form(paths, list(RELEASE_FORMS))
    return [MixedSet(_name(path, kept), path) for path in kept]


def rows_of(mixed: MixedSet) -> Iterator[SourceRow | Bad]:
    """The rows of a set and what they say: `set`, `messages`, `instruction`, `input` and `output`."""
    return (_row(mixed, row) for row in read([mixed.path]))


def documents_of(mixed: MixedSet) -> Iterator[SourceRow | Bad]:
    """The rows of a set as texts and nothing else, whatever else they say: pre-training text."""
    for row in rows_of(mixed):
        if isinstance(row, SourceRow):
            row = row._replace(fields={"set": mixed.name, "pretraining": True})
        yield row


def _row(mixed: MixedSet, row: Record | Bad) -> SourceRow | Bad:
    if isinstance(row, Bad):
        return row
    said = row.content
    turns = [{"role": role, "content": content} for role, content in said.messages or []]
    fields = {
        "set": mixed.name, "messages": turns or None, "instruction": said.instruction, "input": said.input,
        "output": said.output, "pretraining": False,
    }  # fmt: skip
    return SourceRow(said.text, fields, origin_of(row.origin), row.line, provenance_of(row.fields).origin_id)


def _name(path: Path, among: list[Path]) -> str:
    if is_of_release(path):
        return path.parent.parent.name
    same = [other for other in among if not is_of_release(other) and _stem(other) == _stem(path)]
    return _stem(path) if len(same) == 1 else f"{path.parent.name}/{path.name}"


def _stem(path: Path) -> str:
    """The name without what tells its format: `a-0.8.jsonl.gz` is a-0.8."""
    packed = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return packed.stem if packed.suffix.lower() in FORMATS else packed.name
