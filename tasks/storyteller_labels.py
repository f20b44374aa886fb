"""The offline storyteller's labelled texts, and its second look at them.

Sentiment: a review, letter, diary entry or forum post of three to six sentences from storybook/feelings.toml.
Features: a story with or without the feature. The second look knows the phrases of the storybook and nothing
else, so on texts that the storyteller did not write it guesses.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from tasks.storyteller_kinds import Kind
from tasks.storyteller_phrases import Pen, book, lists, tidy
from tasks.storyteller_stories import Asked, story

FEATURES = {  # label -> the feature that it asks for, and the label of its absence
    "dialogue": ("dialogue", "no dialogue"),
    "plot twist": ("plot twist", "no plot twist"),
    "moral": ("moral value", "no moral"),
    "conflict": ("conflict", "no conflict"),
    "bad ending": ("bad ending", "good ending"),
}
_PAIRS = [("positive", "negative"), *((label, absent) for label, (_, absent) in FEATURES.items())]
OTHER = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
_BESIDE = 0.25  # how often a story has a feature that nobody asked for


def labelled(seed: int, label: str, topic: str, kind: str, obey: float) -> str:
    """A text with the label; with probability 1 - obey it is one with the opposite label."""
    pen = Pen(seed, _phrases(), {"topic": topic})
    shown = label if pen.chance(obey) else OTHER.get(label, label)
    if shown in ("positive", "negative"):
        return _opinion(pen, shown, kind)
    asked = [feature for name, (feature, absent) in FEATURES.items() if _has(pen, shown, name, absent)]
    return story(pen.random.getrandbits(62), Asked([topic], asked, "", ""), 1)


def _has(pen: Pen, shown: str, label: str, absent: str) -> bool:
    beside = pen.chance(_BESIDE)
    return shown == label or (beside and shown != absent)


def _opinion(pen: Pen, label: str, kind: str) -> str:
    """Three to six sentences of one feeling."""
    told = book("feelings")
    mood = "good" if label == "positive" else "bad"
    said = pen.random.sample(told["lines"][mood], pen.pick((2, 3, 3, 4)))
    opening = told["opening"].get(kind) or pen.pick(list(told["opening"].values()))
    lines = [pen.pick(opening), *said, *([pen.pick(told["closing"][mood])] if pen.chance(0.7) else [])]
    return " ".join(tidy(pen.fill(line)) for line in lines)


def second_look(seed: int, text: str, labels: Sequence[str]) -> str:
    """Which of two labels a text of the storyteller has; for a text that tells nothing one by chance."""
    for label in labels:
        if label in FEATURES:
            return label if _shows(label, text) else OTHER[label]
    good, bad = (_n_told(_lines("feelings", mood), text) for mood in ("good", "bad"))
    if good == bad or not {"positive", "negative"} & set(labels):
        return Pen(seed, {}, {}).pick(labels)
    return "positive" if good > bad else "negative"


def _shows(label: str, text: str) -> bool:
    if label == "dialogue":
        return '"' in text
    if label == "bad ending":
        return _n_told(_lines("story", "sad"), text) > _n_told(_lines("story", "happy"), text)
    name = {"plot twist": "twist", "moral": "moral", "conflict": "conflict"}[label]
    return _n_told(_lines("story", name), text) > 0


def _n_told(lines: Iterable[re.Pattern[str]], text: str) -> int:
    return sum(line.search(text) is not None for line in lines)


@cache
def _lines(name: str, part: str) -> tuple[re.Pattern[str], ...]:
    """The lines of a part of the phrase book as patterns that fit them with anything in their slots."""
    told: Any = book(name)
    found = told["lines"][part] + told["closing"][part] if name == "feelings" else told[part]
    return tuple(_pattern(line if isinstance(line, str) else line[0]) for line in found)


def _pattern(line: str) -> re.Pattern[str]:
    literal = [re.escape(part) for part in re.split(r"\{\w+\}", line)]
    return re.compile("[^.!?]+?".join(literal).replace(r"\ a\ [^", r"\ an?\ [^"), re.IGNORECASE)


@cache
def _phrases() -> Mapping[str, Sequence[str]]:
    told = book("feelings")
    return {
        **lists(),
        "relative": told["relative"],
        "day": told["day"],
        "count": told["count"],
        "name": told["name"],
    }


KINDS = (
    Kind(
        "labelled",
        re.compile(
            r"for a collection of labelled texts\. It is an? (.+?)\..*?^About: (.+?)$\s*^Label: (.+?)$",
            re.M | re.S,
        ),
        lambda seed, hit, obey: labelled(seed, hit[3].strip(), hit[2].strip(), hit[1].strip(), obey),
    ),
    Kind(
        "second look",
        re.compile(
            r"^Text:\n(.*)^Which label fits this text: (.+?)\? Answer with the label alone\.", re.M | re.S
        ),
        lambda seed, hit, obey: second_look(seed, hit[1], hit[2].split(" or ")),
    ),
)
