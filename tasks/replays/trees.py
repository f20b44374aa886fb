"""Replay of conversation trees: an export of OpenAssistant as threads, prefixes and preference pairs.

A row may say how many it gave, as `threads`, `prefixes` and `pairs`; that is compared.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tasks.json_rows import Unreadable
from tasks.makers import Given
from tasks.message_trees import Node, Rules, pruned
from tasks.replay import Beside, Decision, Fields, Row, kind_of, replay
from tasks.replies import Piece
from tasks.threads_maker import make_pairs, make_prefixes, make_threads
from tasks.trees_reader import TreeOptions, prompt_of

MADE = ("threads", "prefixes", "pairs")


class Options(TreeOptions, Rules):
    """Which trees are used, and which of their threads."""


class Export(NamedTuple):
    """A row of an export; the tree is read by the options."""

    fields: Fields
    told: dict[str, int]


def export(fields: Fields) -> Export:
    """What the makers need of a row.

    Raises:
        Unreadable: no tree.
    """
    if not isinstance(fields.get("prompt"), dict):
        raise Unreadable(f"no field 'prompt' that is a message with replies; found: {sorted(fields)}")
    told = {name: fields[name] for name in MADE if isinstance(fields.get(name), int)}
    return Export({"prompt": fields["prompt"], "tree_state": fields.get("tree_state")}, told)


@replay(
    "trees", "prompt {text, role, replies [...]}, tree_state, as OpenAssistant exports them", export, Options
)
def trees(rows: Iterable[Row], options: Options, beside: Beside) -> Iterator[Decision]:
    """OpenAssistant's trees: the threads, prefixes and pairs that each gives."""
    for row in rows:
        fields, told = row.said
        text = str(fields["prompt"].get("text", ""))
        try:
            made = made_of(_tree(fields, options), options)
        except ValueError as error:
            yield Decision(row.origin, row.line, text, False, str(error), compared=_compared(told, {}))
            continue
        yield _decision(row, text, made, told)


def _tree(fields: Fields, options: Options) -> Node:
    try:
        tree = pruned(prompt_of(fields, options))
    except (TypeError, AttributeError) as error:  # rankings, whose shape is checked by their use
        raise Unreadable(f"rankings of an unknown shape: {error}") from error
    if tree is None:
        raise Unreadable("its prompt was deleted")
    return tree


def made_of(tree: Node, options: Options) -> dict[str, list[Piece]]:
    """Threads, prefixes and pairs of a tree, each piece with a reason when it is not kept."""
    rules = {name: getattr(options, name) for name in Rules.model_fields}
    given = Given({"slots": {"tree": tree}}, {}, {}, rules, 0)
    prefixes = make_prefixes(given)
    below = [
        given._replace(parent={"slots": piece.slots}, options={}) for piece in prefixes if not piece.reason
    ]
    pairs = [pair for each in below for pair in make_pairs(each)]
    return {"threads": make_threads(given), "prefixes": prefixes, "pairs": pairs}


def _decision(row: Row, text: str, made: dict[str, list[Piece]], told: dict[str, int]) -> Decision:
    kept = {name: sum(piece.reason is None for piece in pieces) for name, pieces in made.items()}
    faults = Counter(
        f"{name} dropped: {kind_of(piece.reason)}"
        for name, pieces in made.items()
        for piece in pieces
        if piece.reason
    )
    turns = sum(len(piece.messages or []) for piece in made["threads"] if piece.reason is None)
    value: dict[str, Any] = {
        name: [piece.slots["ids"] for piece in made[name] if not piece.reason] for name in MADE
    }
    return Decision(
        row.origin,
        row.line,
        text,
        kept["threads"] > 0,
        None if kept["threads"] else "it gives no thread",
        value=value,
        counted={**kept, "turns of threads": turns, **faults},
        compared=_compared(told, kept),
    )


def _compared(told: dict[str, int], kept: dict[str, int]) -> dict[str, tuple[Any, Any]]:
    return {name: (number, kept.get(name, 0)) for name, number in told.items()}
