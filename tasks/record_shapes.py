r"""What a row of somebody's data set means: a conversation, a question with its answer, or a text.

The shape is told by the fields of each row, so one file may mix them. In this order, the first that fits:

    messages        [{role, content}], or `conversations` [{from, value}] (ShareGPT); or such a list as
                    `completion` or `chosen`, after such a list as `prompt` (TRL); `rejected` stays extra
    pair            one of ASKED, one of ANSWERS, maybe CONTEXT and SYSTEM (Alpaca, Dolly, GSM8K, Orca)
    instances       instruction with exactly one {input, output} (Self-Instruct)
    tree            prompt {text, replies}: the thread of the best-ranked replies (OASST)
    transcript      chosen: "\n\nHuman: ... \n\nAssistant: ..." (HH-RLHF); `rejected` stays extra
    turns           [question, ...]: questions of a dialogue without answers (MT-Bench)
    text            one of TEXTS; with `instruction` {words, features} a raw TinyStories record
    question        one of ASKED alone (IFEval): a sample without output, which the quality filter drops
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tasks.json_rows import Unreadable, json_type

ASKED = ("instruction", "prompt", "question")
ANSWERS = ("output", "response", "completion", "answer", "chosen")
CONTEXT = ("input", "context")
SYSTEM = ("system", "system_prompt")
TEXTS = ("text", "story", "fable", "content")
DIALOGUES = ("messages", "conversations", "conversation")
KNOWN_FIELDS = frozenset((*ASKED, *ANSWERS, *CONTEXT, *TEXTS, *DIALOGUES, "instances", "turns"))
KNOWN_SHAPES = (
    "messages [{role, content}]; conversations [{from, value}]; instruction, input, output; "
    "prompt, completion; question, answer; text"
)
ROLES = {
    "user": "user", "human": "user", "prompter": "user", "system": "system", "developer": "system",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant",
    "model": "assistant", "tool": "tool", "function": "tool", "observation": "tool",
}  # fmt: skip
Row = dict[str, Any]
Turn = tuple[str, str]  # role, content


class Content(NamedTuple):
    """What a row says, whatever its shape was. The texts are untouched."""

    used: tuple[str, ...]  # fields that are told here; all others are extra
    messages: list[Turn] | None = None
    instruction: str | None = None
    input: str | None = None
    output: str | None = None
    body: str | None = None  # a text that is neither a pair nor a conversation
    asked: Row | None = None  # what the text was asked to contain
    language: str | None = None

    @property
    def text(self) -> str:
        """What is compared, embedded and counted: the parts that are not blank, a blank line between them."""
        if self.body is not None:
            return self.body
        parts = [self.instruction, self.input, self.output]
        if self.instruction is None:
            parts = [content for _, content in self.messages or []]
        return "\n\n".join(part for part in parts if part and part.strip())


def content_of(row: Row) -> Content:
    """What a row says.

    Raises:
        Unreadable: no known shape, a field of a wrong type, or no text in it.
    """
    known = {key: value for key, value in row.items() if value is not None}
    content = next((found for shape in _SHAPES if (found := shape(known)) is not None), None)
    if content is None:
        raise Unreadable(_unknown(row))
    if not content.text.strip():
        raise Unreadable("empty text")
    if content.output is None and content.instruction is not None and (empty := _first(row, ANSWERS)):
        raise Unreadable(f"{empty} is null, not a string")
    return content


def _unknown(row: Row) -> str:
    if null := _first({key: None for key in row if row[key] is None}, tuple(KNOWN_FIELDS & set(row))):
        return f"{null} is null"
    keys = ", ".join(str(key)[:40] for key in list(row)[:12])
    return f"unknown shape: fields {keys or 'none'}; known: {KNOWN_SHAPES}"


def _dialogue(row: Row) -> Content | None:
    if not (key := _first(row, DIALOGUES)):
        return None
    return Content((key,), messages=_turns(key, row[key]))


def _completed(row: Row) -> Content | None:
    key = next((key for key in ("completion", "chosen") if isinstance(row.get(key), list)), None)
    if key is None:
        return None
    if not isinstance(row.get("prompt"), list):
        return Content((key,), messages=_turns(key, row[key]))
    return Content(("prompt", key), messages=_turns("prompt", row["prompt"]) + _turns(key, row[key]))


def _pair(row: Row) -> Content | None:
    asked, answer = _first(row, ASKED), _first(row, ANSWERS)
    return _question(row, asked, answer) if asked and answer else None


def _question(row: Row, asked: str, answer: str | None) -> Content:
    context, system = _first(row, CONTEXT), _first(row, SYSTEM)
    instruction, given = _string(row, asked), _string(row, context) if context else ""
    output = _string(row, answer) if answer else None
    user = "\n\n".join(part for part in (instruction, given) if part.strip())
    turns = [("system", _string(row, system))] if system and row[system] else []
    turns += [("user", user)] + ([("assistant", output)] if output is not None else [])
    used = tuple(key for key in (asked, context, answer, system) if key)
    return Content(used, turns, instruction, given, output)


def _instances(row: Row) -> Content | None:
    instances = row.get("instances")
    if "instruction" not in row or not isinstance(instances, list):
        return None
    if len(instances) != 1 or not isinstance(instances[0], dict):
        raise Unreadable(
            f"{len(instances)} instances in one row; give each a row: instruction, input, output"
        )
    one = {key: value for key, value in instances[0].items() if value is not None}
    one["instruction"] = row["instruction"]
    return _question(one, "instruction", "output")._replace(used=("instruction", "instances"))


def _tree(row: Row) -> Content | None:
    node = row.get("prompt")
    if not isinstance(node, dict):
        return None
    language = node.get("lang")
    turns: list[Turn] = []
    while node is not None:
        turns.append((_role("prompt", node.get("role")), _string(node, "text")))
        node = _best_reply(node.get("replies"))
    if len(turns) > 1 and turns[-1][0] == "user":
        turns.pop()  # a question that nobody answered
    return Content(("prompt",), messages=turns, language=language if isinstance(language, str) else None)


def _best_reply(replies: Any) -> Row | None:
    """The reply that people ranked first, the first of those without a rank; none that was deleted."""
    if not isinstance(replies, list):
        return None
    alive = [reply for reply in replies if isinstance(reply, dict) and not reply.get("deleted")]
    ranks = [reply.get("rank") for reply in alive]
    places = [rank if isinstance(rank, int) else float("inf") for rank in ranks]
    return alive[places.index(min(places))] if alive else None


def _transcript(row: Row) -> Content | None:
    if not isinstance(row.get("chosen"), str):
        return None
    _, *parts = re.split(r"(?:\A|\n\n)(Human|Assistant):", row["chosen"])
    names = {"Human": "user", "Assistant": "assistant"}
    turns = [(names[name], said.strip()) for name, said in zip(parts[::2], parts[1::2], strict=True)]
    return Content(("chosen",), messages=turns) if turns else None


def _questions(row: Row) -> Content | None:
    turns = row.get("turns")
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
        return None
    return Content(("turns",), messages=[("user", turn) for turn in turns])


def _text(row: Row) -> Content | None:
    if not (key := _first(row, TEXTS)):
        return None
    wish = row.get("instruction")
    if key == "story" and isinstance(wish, dict):
        asked = {name: wish[name] for name in ("words", "features") if isinstance(wish.get(name), list)}
        return Content((key, "instruction"), body=_string(row, key), asked=asked)
    return Content((key,), body=_string(row, key))


def _alone(row: Row) -> Content | None:
    return _question(row, asked, None) if (asked := _first(row, ASKED)) else None


_SHAPES: tuple[Callable[[Row], Content | None], ...] = (
    _dialogue, _completed, _pair, _instances, _tree, _transcript, _questions, _text, _alone,
)  # fmt: skip


def _first(row: Row, keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if key in row), None)


def _string(row: Row, key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise Unreadable(f"{key} is a JSON {json_type(value)}, not a string")
    return value


def _turns(key: str, value: Any) -> list[Turn]:
    if not isinstance(value, list):
        raise Unreadable(f"{key} is a JSON {json_type(value)}, not an array")
    return [_turn(f"{key}[{i}]", turn) for i, turn in enumerate(value)]


def _turn(place: str, turn: Any) -> Turn:
    if not isinstance(turn, dict):
        raise Unreadable(f"{place} is a JSON {json_type(turn)}, not an object")
    said = turn.get("content", turn.get("value"))
    if not isinstance(said, str):
        raise Unreadable(f"{place} has a JSON {json_type(said)} as its content, not a string")
    return _role(place, turn.get("role", turn.get("from"))), said


def _role(place: str, role: Any) -> str:
    if not isinstance(role, str) or role.lower() not in ROLES:
        raise Unreadable(f"{place} has the unknown role {role!r}; known: {', '.join(ROLES)}")
    return ROLES[role.lower()]
