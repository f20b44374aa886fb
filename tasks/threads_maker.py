"""What OpenAssistant trains on of its trees: threads, prefixes, and pairs of ranked replies.

Makers `threads` (SFT) and `prefixes` (RL) take a row of the reader `trees`; `pairs` (reward model, DPO) takes
a prefix and gives a pair for every two ranked replies i < j. Equal ranks are a tie and give no pair.
What is compared of a thread is the whole of it; of a pair both replies, and not what came before them, which
it shares with other pairs and with threads.
"""

from itertools import combinations

from schemas.slot import Part
from tasks.instruction_replies import instance_text
from tasks.makers import Given, maker
from tasks.message_trees import Node, Rules, Thread, prefixes, ranked, spoken, threads
from tasks.options import checked
from tasks.replies import Piece


@maker("threads", gives=("ids",))
def make_threads(given: Given) -> list[Piece]:
    """Every thread of a tree as a conversation to train on."""
    rules = checked(Rules, given.options, 'make = "threads"')
    return [_thread(path) for path in threads(given.parent["slots"]["tree"], rules)]


@maker("prefixes", gives=("ids", "messages", "replies"))
def make_prefixes(given: Given) -> list[Piece]:
    """Every prefix of a tree: the words of its prompter, with what was said before and the ranked replies."""
    rules = checked(Rules, given.options, 'make = "prefixes"')
    return [_prefix(path, rules) for path in prefixes(given.parent["slots"]["tree"], rules)]


@maker("pairs", gives=("ids", "ranks"))
def make_pairs(given: Given) -> list[Piece]:
    """Every two ranked replies to a prefix, the better as the answer and the other as `rejected`."""
    checked(Part, given.options, 'make = "pairs"')
    slots = given.parent["slots"]
    both = combinations(slots["replies"], 2)
    return [_pair(slots["messages"], *pair) for pair in both if pair[0]["rank"] < pair[1]["rank"]]


def _thread(path: Thread) -> Piece:
    messages = spoken(path)
    text = "\n\n".join(filter(None, (message["content"] for message in messages)))
    alone = messages[0]["content"] if len(messages) == 2 else None  # longer ones have no single instruction
    return Piece(
        text,
        _fault(path),
        instruction=alone,
        output=messages[-1]["content"],
        messages=messages,
        slots={"ids": _ids(path)},
    )


def _prefix(path: Thread, rules: Rules) -> Piece:
    replies = [{key: node[key] for key in ("id", "text", "rank")} for node in ranked(path, rules)]
    slots = {"ids": _ids(path), "messages": spoken(path), "replies": replies}
    return Piece(path[-1]["text"], _fault(path), messages=spoken(path), slots=slots)


def _pair(messages: list[dict[str, str]], better: Node, worse: Node) -> Piece:
    question, chosen, rejected = messages[-1]["content"], better["text"], worse["text"]
    return Piece(
        instance_text("", chosen, rejected),
        "both replies are the same" if chosen == rejected else None,
        instruction=question if len(messages) == 1 else None,
        output=chosen,
        messages=[*messages, {"role": "assistant", "content": chosen}],
        rejected=rejected,
        slots={"ids": [better["id"], worse["id"]], "ranks": [better["rank"], worse["rank"]]},
    )


def _ids(path: Thread) -> list[str | None]:
    return [node["id"] for node in path]


def _fault(path: Thread) -> str | None:
    """Why a path is no conversation; none when it is."""
    if any(node["role"] != ("prompter", "assistant")[place % 2] for place, node in enumerate(path)):
        return "prompter and assistant do not take turns"
    return "an empty message" if not all(node["text"] for node in path) else None
