"""The offline storyteller talks: whole conversations with markers, and explained answers to questions."""

import re

from tasks.storyteller_documents import pen_on
from tasks.storyteller_kinds import Kind
from tasks.storyteller_phrases import Pen, tidy

_CONVERSATION = re.compile(
    r"from this question:\n\n(?P<question>.+?)\n\nEverything the person says begins with (?P<human>\S+?), "
    r"everything the AI says begins with (?P<ai>\S+?), ",
    re.DOTALL,
)
_QUESTION = re.compile(
    r"\AQuestion: (?P<question>.+?)(?:\n\nOptions:\n(?P<options>(?:\([A-J]\) [^\n]*\n?)+))?"
    r"(?:\n\n?(?P<ending>[^\n]*\bAnswer:[^\n]*))?\s*\Z",
    re.DOTALL,
)


def conversation(seed: int, question: str, human: str, ai: str) -> str:
    """Two to five exchanges about a question, and a goodbye."""
    pen = pen_on(seed, question, spread=False)
    asked = [f"{_line(pen, 'opening')} {question}"]
    asked += [
        tidy(pen.fill(each)) for each in pen.random.sample(pen.phrases["follow"], pen.pick((1, 2, 3, 4)))
    ]
    turns = [f"{human} {each}\n{ai} {_remarks(pen)}" for each in asked]
    return "\n".join(
        [*turns, f"{human} {_line(pen, 'bye')}", f"{ai} {pen.pick(('Goodbye!', 'You are welcome.'))}"]
    )


def explained(seed: int, question: str, options: list[str], ending: bool) -> str:
    """Reasons, then what follows from them; of options one is chosen and the others are refuted."""
    pen = pen_on(seed, question, spread=False)
    chosen = pen.pick(options) if options else tidy(pen.fill(pen.pick(pen.phrases["verdict"])))
    reasons = [_line(pen, "opener"), _remarks(pen)]
    for option in options:
        if option != chosen:
            pen.facts["option"] = option
            reasons.append(_line(pen, "why_not"))
    body = " ".join(reasons)
    if ending:
        return f"{body}\nAnswer: {chosen}"
    return f"{body}\n\n{chosen}{'' if options else '.'}"


def _line(pen: Pen, name: str) -> str:
    return tidy(pen.fill(pen.pick(pen.phrases[name])))


def _remarks(pen: Pen) -> str:
    chosen = pen.random.sample(pen.phrases["remark"], pen.pick((2, 3, 4)))
    return " ".join(tidy(pen.fill(each)) for each in chosen)


def _options(listed: str | None) -> list[str]:
    return (listed or "").strip().splitlines()


KINDS = (
    Kind(
        "conversation",
        _CONVERSATION,
        lambda seed, hit, obey: conversation(seed, hit["question"], hit["human"], hit["ai"]),
    ),
    Kind(
        "explanation",
        _QUESTION,
        lambda seed, hit, obey: explained(
            seed, hit["question"], _options(hit["options"]), bool(hit["ending"])
        ),
    ),
)
