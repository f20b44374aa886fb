"""The offline storyteller's stories: summaries, sentences and whole stories, composed from independent parts.

A story is a cast, one of the plots of tasks/storybook/plots.toml, and phrases of story.toml around it. What
the prompt asks for (words, features, summary, sentence) is heeded item by item with probability `obey`. It is
template text, not the output of a language model.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from tasks.storyteller_phrases import Pen, book, kind_of, lists


class Asked(NamedTuple):
    """What a story prompt asks for."""

    words: list[str]
    features: list[str]
    summary: str
    sentence: str


_WORDS = re.compile(r"(?:^Words: |must use these words: )(.+?)\.?$", re.MULTILINE)
_FEATURES = re.compile(r"(?:^Features: |must have these features: )(.+?)\.?$", re.MULTILINE)
_SUMMARY = re.compile(r"^Summary: (.+?)(?=\n\n|\n[A-Z]\w+: |\Z)", re.MULTILINE | re.DOTALL)
_SENTENCE = re.compile(r"^Sentence: (.+)$", re.MULTILINE)


def asked(prompt: str) -> Asked:
    """What the prompt asks for, read from its text as a model would."""
    words, features = (_found(sign, prompt).split(", ") for sign in (_WORDS, _FEATURES))
    return Asked(
        [word for word in words if word],
        [feature for feature in features if feature],
        _found(_SUMMARY, prompt),
        _found(_SENTENCE, prompt),
    )


def _found(sign: re.Pattern[str], prompt: str) -> str:
    hit = sign.search(prompt)
    return hit[1].strip() if hit else ""


def story(seed: int, want: Asked, obey: float) -> str:
    """A story of three to five paragraphs, mostly 90 to 180 words."""
    pen = Pen(seed, _phrases(), {})
    plots = book("plots")["plot"]
    followed = [plot for plot in plots if plot["sign"] in want.summary]
    _cast(pen, want.summary if pen.chance(obey) else "")
    plot = followed[0] if followed and pen.chance(obey) else pen.pick(plots)
    plan = plot_lines(pen, plot, {feature for feature in want.features if pen.chance(obey)})
    blocks = [[pen.line([line]) for line in block] for block in plan]
    for word in want.words:
        if pen.chance(obey):
            _place_word(pen, blocks, word)
    if want.sentence and pen.chance(obey):
        blocks[2].insert(1, want.sentence)
    return _paragraphs(pen, blocks)


def summary(seed: int, want: Asked, obey: float) -> str:
    """One or two sentences that name the hero, the plot and the requested words."""
    pen = Pen(seed, _phrases(), {})
    _cast(pen, "")
    pen.facts["lesson"] = pen.fill("{lesson}")
    heeded = [word for word in want.words if pen.chance(obey)]
    by_kind = {word: kind_of(word) for word in heeded}
    verbs = [word for word, kind in by_kind.items() if kind == "verb"]
    pen.facts["trait"] = next((w for w, kind in by_kind.items() if kind == "feeling"), pen.fill("{trait}"))
    pen.facts["thing"] = _thing(by_kind)
    pen.facts["verb"] = " and ".join(verbs)
    pen.facts["gist"] = pen.fill(pen.pick(pen.pick(book("plots")["plot"])["gist"]))
    pen.facts["noun_tail"] = pen.fill("{noun_tail}") if pen.facts["thing"] else ""
    tails = [book("story")["feature_tail"].get(f, "") for f in want.features if pen.chance(obey)]
    end = pen.fill(pen.pick(pen.phrases["verb_tail" if verbs else "plain_tail"]) + "".join(tails[:3]))
    pen.facts["verb_tail"] = end + "."
    return pen.line(pen.phrases["summary"])


def sentence(seed: int, want: Asked, obey: float) -> str:
    """One sentence from the middle of the story, about the hero of its summary."""
    pen = Pen(seed, _phrases(), {})
    _cast(pen, want.summary if pen.chance(obey) else "")
    slots = {"thing": "noun", "verb": "verb", "feeling": "feel", "look": "look"}
    facts = {slots.get(kind_of(word), "other"): word for word in want.words if pen.chance(obey)}
    pen.facts.update(facts)
    fitting = [line for line in pen.phrases["sentence"] if any(f"{{{slot}}}" in line for slot in facts)]
    return pen.line(fitting or pen.phrases["sentence"])


def stock(seed: int, name: str, want: Asked, obey: float) -> str:
    """One of a few fixed texts with 0 to 3 words changed: what a model says again and again."""
    slots = {"verb": "verb", "feeling": "adjective", "look": "adjective"}
    facts = {slots.get(kind_of(word), "noun"): word for word in want.words}
    pen = Pen(seed, {}, dict(book("stock")["default"]))
    pen.facts.update({slot: word for slot, word in facts.items() if pen.chance(obey)})
    return pen.line(book("stock")[name]).strip()


@cache
def _phrases() -> Mapping[str, Sequence[str]]:
    return {**lists(), **book("story")}


def _thing(by_kind: Mapping[str, str]) -> str:
    """The nouns and looks among the words as one phrase; empty when there are none."""
    looks = " ".join(word for word, kind in by_kind.items() if kind == "look")
    nouns = " and a ".join(word for word, kind in by_kind.items() if kind in ("thing", "being", "place"))
    if nouns:
        return f"a {looks} {nouns}".replace("  ", " ")
    return f"something {looks}" if looks else ""


_NO_NAMES = "The|An?|One|In|On|At|It|He|She|They|When|After|Before|Early|Late|Two|This|There|Once"
_NAME = rf"(?!(?:{_NO_NAMES})\b)[A-Z][a-z]+"
_HERO = (
    re.compile(r"(?P<kind>[a-z]+) (?:named|called) (?P<hero>[A-Z]\w+)"),
    re.compile(rf"\b(?P<hero>{_NAME})(?: the|, an?| is an?) [a-z]+ (?P<kind>[a-z]+)"),
    re.compile(rf"\b(?P<hero>{_NAME})"),
)


def _hero_of(text: str) -> tuple[str, str] | None:
    """(name, what it is) of the hero of a summary; None when no name is found."""
    for sign in _HERO:
        if hit := sign.search(text):
            return hit["hero"], hit.groupdict().get("kind", "child")
    return None


def _cast(pen: Pen, told: str) -> None:
    """Decide hero, friend, helper and places; the hero is that of `told`, when it names one."""
    girls, boys = pen.phrases["girls"], pen.phrases["boys"]
    girl = pen.chance(0.5)
    kind = pen.fill("{creature}") if pen.chance(0.5) else "girl" if girl else "boy"
    hero, kind = _hero_of(told) or (pen.pick(girls if girl else boys), kind)
    girl = hero in girls or (girl and hero not in boys)
    friends = [name for name in (*girls[:16], *boys[:16]) if name != hero]
    pen.facts.update({"hero": hero, "kind": kind, "friend": pen.pick(friends)})
    pen.facts.update(_SHE if girl else _HE)
    for slot in ("helper", "spot", "home"):
        pen.facts[slot] = pen.pick(pen.phrases[slot])


_SHE = {"he": "she", "him": "her", "his": "her"}
_HE = {"he": "he", "him": "him", "his": "his"}


def plot_lines(pen: Pen, plot: dict[str, Any], features: set[str]) -> list[list[str]]:
    """Beginning, trouble, try, help and end of a story in any language, each a list of lines to be filled."""
    said = "dialogue" in features
    bad = "bad ending" in features
    hint, payoff = pen.pick(pen.phrases["foreshadow"]) if "foreshadowing" in features else ("", "")
    quarrel, peace = pen.pick(pen.phrases["conflict"]) if "conflict" in features else ("", "")
    first, second = pen.random.sample(plot["try"], 2)
    lines = pen.phrases
    plan = [
        [pen.pick(lines["opening"]), pen.pick(lines["habit"]), hint],
        [pen.pick(lines["day"]), pen.pick(plot["trouble"]), pen.pick(lines["talk"]) if said else ""],
        [first, pen.pick(lines["feeling"]), second if pen.chance(0.6) else "", quarrel],
        [
            pen.pick(lines["said" if said else "told"]),
            payoff,
            pen.pick(plot["failed" if bad else "mended"]),
            pen.pick(lines["twist"]) if "plot twist" in features else "",
        ],
        [
            "" if bad else peace,
            pen.pick(lines["sad" if bad else "happy"]),
            pen.pick(lines["moral"]) if "moral value" in features else "",
        ],
    ]
    return [[line for line in block if line] for block in plan]


_LINES = {  # kind of word -> slot, list of lines, block
    "thing": ("noun", "thing_line", 1),
    "being": ("noun", "being_line", 1),
    "place": ("noun", "place_line", 1),
    "verb": ("verb", "verb_line", 2),
    "feeling": ("adj", "feeling_line", 2),
    "look": ("adj", "look_line", 0),
}


def _place_word(pen: Pen, blocks: list[list[str]], word: str) -> None:
    """Put a sentence with the word where it fits."""
    slot, name, block = _LINES[kind_of(word)]
    pen.facts[slot] = word
    blocks[block].insert(1 if block == 1 else len(blocks[block]), pen.line(pen.phrases[name]))


def _paragraphs(pen: Pen, blocks: list[list[str]]) -> str:
    """The blocks as three to five paragraphs."""
    ends = {0, *pen.random.sample(range(1, len(blocks)), pen.pick((2, 3, 4)))}
    text = ""
    for i, block in enumerate(blocks):
        text += ("\n\n" if i in ends and i else " ") + " ".join(block)
    return text.strip()
