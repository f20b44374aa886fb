"""Source reader `trees`: conversation trees of OpenAssistant, one JSON object a line, also as .jsonl.gz.

A row is {message_tree_id, tree_state, prompt {message_id, text, role, lang, deleted, rank, replies [...]}}.
The field `tree` of a row is its tree without deleted messages. A tree that is not used is a reject that says
why: another state than ready_for_export, a prompt that did not pass its review, another language.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas.slot import Part
from tasks.file_formats import raw_rows
from tasks.json_rows import Unreadable, parse_object, refuse_unstorable
from tasks.message_trees import Node, pruned
from tasks.options import checked
from tasks.picking import picked
from tasks.raw_rows import Raw
from tasks.records import SHOWN, Bad
from tasks.rows_reader import origin_of
from tasks.source_rows import Reading, SourceRow, reader


class TreeOptions(Part):
    """Which trees are read."""

    languages: list[str] = []  # tags of the prompt; none for all
    states: list[str] = ["ready_for_export"]  # of a tree that says its state; none for all


@reader("trees")
def trees(asked: Reading) -> Iterator[SourceRow | Bad]:
    """The trees that were drawn, in the order of the files, and each that is not used with its reason.

    Raises:
        BadInput: for an unknown option.
    """
    options = checked(TreeOptions, asked.source.options, 'reader = "trees"')
    return picked(lambda: _rows(asked.paths, options), asked.count, asked.source.order, asked.seed)


def _rows(paths: list[Path], options: TreeOptions) -> Iterator[SourceRow | Bad]:
    return (_row(path, raw, options) for path in paths for raw in raw_rows(path))


def _row(path: Path, raw: Raw, options: TreeOptions) -> SourceRow | Bad:
    try:
        name, tree = _tree(raw, options)
    except (ValueError, TypeError, AttributeError) as error:
        # The last two by rankings, whose shape is checked by their use.
        told = str(error) if isinstance(error, ValueError) else f"rankings of an unknown shape: {error}"
        return Bad(str(path), raw.line, told, _beginning(raw.content))
    return SourceRow(tree["text"], {"tree": tree}, origin_of(str(path)), raw.line, name)


def _tree(raw: Raw, options: TreeOptions) -> tuple[str | None, Node]:
    """Id and tree of a row.

    Raises:
        ValueError: why it is not used.
    """
    if raw.problem:
        raise Unreadable(raw.problem)
    fields = parse_object(raw.content) if isinstance(raw.content, bytes) else raw.content
    refuse_unstorable(fields)
    tree = pruned(prompt_of(fields, options))
    if tree is None:
        raise Unreadable("its prompt was deleted")
    name = fields.get("message_tree_id")
    return (tree["id"] if name is None else str(name)), tree


def _beginning(content: bytes | dict[str, Any]) -> str:
    text = content[: 4 * SHOWN].decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
    return text[:SHOWN].replace("\0", " ").encode("utf-8", "replace").decode()


def prompt_of(fields: dict[str, Any], options: TreeOptions) -> dict[str, Any]:
    """The prompt of a row that the options let pass.

    Raises:
        Unreadable: why the row is not used.
    """
    prompt, state = fields.get("prompt"), fields.get("tree_state")
    if not isinstance(prompt, dict):
        raise Unreadable("no tree: its `prompt` is no object with text, role and replies")
    if options.states and state is not None and state not in options.states:
        raise Unreadable(f"tree_state is {state!r}; used: {options.states}")
    if prompt.get("review_result") is False:
        raise Unreadable("its prompt did not pass the review")
    if options.languages and prompt.get("lang") not in options.languages:
        raise Unreadable(f"lang is {prompt.get('lang')!r}; used: {options.languages}")
    return prompt
