"""Trees of messages and what is trained on of them: threads, prefixes and ranked replies.

A tree is a question of a prompter with replies, which have replies in turn (Köpf et al. 2023, arXiv
2304.07327). From the root down roles take turns:

    thread    root to leaf; a prompter's message that nobody answered is popped off the end
    prefix    root to a message of a prompter: what an assistant has to answer
    ranked    the ranked replies to the end of a prefix, best first
"""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from schemas.slot import Part
from tasks.ranked_pairs import tideman

Node = dict[str, Any]  # id, role, text, lang, rank, synthetic, replies
Thread = list[Node]
ROLES = {"prompter": "user", "assistant": "assistant"}


class Rules(Part):
    """Which threads of a tree count."""

    synthetic: bool = True  # also messages that a model wrote
    top_k: int | None = Field(default=None, ge=1)  # only assistants that are among the best so many


def pruned(message: dict[str, Any]) -> Node | None:
    """A message of an export with its replies, without those that were deleted; none when it was itself.

    Where no reply carries a rank, the merged rankings of the parent rank them, if it has any: `rankings`
    [[message_id, ...], ...], best first, or `events.ranking` [{ranked_message_ids}] of a full export.

    Raises:
        ValueError: a text or role that is none, or replies that are no list; the message is a reason.
    """
    if message.get("deleted"):
        return None
    name, role, text, rank = (message.get(key) for key in ("message_id", "role", "text", "rank"))
    if role not in ROLES or not isinstance(text, str):
        raise ValueError(f"message {name!r} has the role {role!r} and a text that is {type(text).__name__}")
    replies = message.get("replies") or []
    if not isinstance(replies, list) or not all(isinstance(reply, dict) for reply in replies):
        raise ValueError(f"replies of message {name!r} are no list of messages")
    return {
        "id": None if name is None else str(name), "role": role, "text": text.strip(),
        "lang": message.get("lang"), "rank": rank if isinstance(rank, int) else None,
        "synthetic": bool(message.get("synthetic")), "replies": _ranked_replies(message, replies),
    }  # fmt: skip


def _ranked_replies(message: dict[str, Any], replies: list[dict[str, Any]]) -> list[Node]:
    """The replies that were not deleted; without any rank of their own they get that of the rankings."""
    alive = [node for reply in replies if (node := pruned(reply)) is not None]
    if any(node["rank"] is not None for node in alive):
        return alive
    places = {item: place for place, item in enumerate(tideman(_rankings(message)))}
    return [{**node, "rank": places.get(node["id"])} for node in alive]


def _rankings(message: dict[str, Any]) -> list[list[str]]:
    events = message.get("events")
    told = events.get("ranking") if isinstance(events, dict) else None
    orders = message.get("rankings") or [event.get("ranked_message_ids") for event in told or []]
    return [[str(item) for item in order] for order in orders if order]


def threads(root: Node, rules: Rules) -> Iterator[Thread]:
    """The threads of a tree, depth first; each ends with an assistant.

    Where several prompters went on from one answer and nobody answered them, only the first counts, so that
    no thread comes twice once it is popped.
    """
    for path in _paths(root):
        leaf = path[-1]
        if len(path) < 2 or leaf["replies"] or not _allowed(path, rules):
            continue
        if leaf["role"] == "assistant":
            yield path
        elif path[-2]["replies"][0] is leaf:
            yield path[:-1]


def prefixes(root: Node, rules: Rules) -> Iterator[Thread]:
    """The paths of a tree that end with a prompter, depth first."""
    return (path for path in _paths(root) if path[-1]["role"] == "prompter" and _allowed(path, rules))


def ranked(prefix: Thread, rules: Rules) -> Thread:
    """The ranked replies to the end of a prefix, best first, equal ranks by id; none when there is one."""
    replies = [
        node
        for node in prefix[-1]["replies"]
        if node["role"] == "assistant"
        and node["rank"] is not None
        and (rules.synthetic or not node["synthetic"])
    ]
    return sorted(replies, key=lambda node: (node["rank"], node["id"] or "")) if len(replies) > 1 else []


def spoken(thread: Thread) -> list[dict[str, str]]:
    """A thread as messages to train on."""
    return [{"role": ROLES[node["role"]], "content": node["text"]} for node in thread]


def _paths(root: Node) -> Iterator[Thread]:
    """Every path from the root down, depth first."""
    line: list[Thread] = [[root]]
    while line:
        path = line.pop()
        yield path
        line += [[*path, reply] for reply in reversed(path[-1]["replies"])]


def _allowed(path: Thread, rules: Rules) -> bool:
    if not rules.synthetic and any(node["synthetic"] for node in path):
        return False
    return rules.top_k is None or all(map(_is_among, path, [None, *path], [rules.top_k] * len(path)))


def _is_among(node: Node, parent: Node | None, top_k: int) -> bool:
    """Whether a message is ranked high enough; one without a rank is, when it has no siblings."""
    if node["role"] != "assistant":
        return True
    if node["rank"] is None:
        return parent is None or len(parent["replies"]) < 2
    return node["rank"] < top_k
