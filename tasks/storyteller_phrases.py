"""The phrase book of the offline storyteller: lists of tasks/storybook and tasks/words, and slots to fill."""

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tasks.word_lists import word_list

STORYBOOK = Path(__file__).parent / "storybook"

_ARTICLE = re.compile(r"\b([Aa]) (?=(?!uni|use|one\b|eu)[aeiou]|hour|honest)")
_START = re.compile(r"(?:(?<=^)|(?<=[.?!] )|(?<=[.?!] \")|(?<=^\"))[a-z]")


class Pen:
    """Fills phrases. Every choice comes from one generator, so that a seed decides the text.

    A slot `{name}` is a fact of this text, or else a phrase drawn from the list of that name.
    """

    def __init__(self, seed: int, phrases: Mapping[str, Sequence[str]], facts: dict[str, str]) -> None:
        """Take the seed, the lists, and what is already decided."""
        self.random = random.Random(seed)
        self.phrases = phrases
        self.facts = facts

    def chance(self, share: float) -> bool:
        """True with probability `share`."""
        return self.random.random() < share

    def pick(self, options: Sequence[Any]) -> Any:
        """One of the options, each equally likely."""
        return options[int(self.random.random() * len(options))]

    def fill(self, phrase: str) -> str:
        """The phrase with its slots filled, and the slots of what was filled in."""
        parts = _parts(phrase)
        if len(parts) == 1:
            return phrase
        return "".join(self._slot(part) if i & 1 else part for i, part in enumerate(parts))

    def line(self, options: Sequence[str]) -> str:
        """One of the options, filled and tidied."""
        return tidy(self.fill(self.pick(options)))

    def _slot(self, name: str) -> str:
        known = self.facts.get(name)
        return self.fill(self.pick(self.phrases[name])) if known is None else known


@cache
def _parts(phrase: str) -> list[str]:
    """Text and slot names in turn: 'a {noun}.' gives ['a ', 'noun', '.']."""
    return re.split(r"\{(\w+)\}", phrase)


def articles(text: str) -> str:
    """'a' before a vowel sound becomes 'an'."""
    return _ARTICLE.sub(r"\1n ", text)


def tidy(text: str) -> str:
    """Articles fit, and sentences begin with a capital letter."""
    return _START.sub(lambda hit: hit[0].upper(), articles(text))


@cache
def book(name: str) -> dict[str, Any]:
    """One file of the phrase book; a list of two whole numbers stands for the range between them."""
    loaded = tomllib.loads((STORYBOOK / f"{name}.toml").read_text(encoding="utf-8"))
    return {key: _expanded(value) for key, value in loaded.items()}


@cache
def lists() -> dict[str, Sequence[str]]:
    """The word lists by kind, named as the slots that they fill."""
    kinds = book("kinds")
    living = {*kinds["animals"], *kinds["people"], *kinds["places"]}
    things = [noun for noun in word_list("nouns") if noun not in living]
    return {
        "animal": kinds["animals"],
        "person": kinds["people"],
        "place": kinds["places"],
        "food": kinds["food"],
        "foods": [plural(noun) for noun in kinds["food"]],
        "noun": things,
        "things": [plural(noun) for noun in things],
        "animals": [plural(noun) for noun in kinds["animals"]],
        "verb": word_list("verbs"),
        "feel": kinds["feelings"],
        "look": [word for word in word_list("adjectives") if word not in kinds["feelings"]],
        "adjective": word_list("adjectives"),
    }


@cache
def kind_of(word: str) -> str:
    """verb, feeling, look, being, place or thing; an unknown word is a thing."""
    kinds = book("kinds")
    if word in word_list("verbs"):
        return "verb"
    if word in word_list("adjectives"):
        return "feeling" if word in kinds["feelings"] else "look"
    if word in kinds["animals"] or word in kinds["people"]:
        return "being"
    return "place" if word in kinds["places"] else "thing"


_IRREGULAR = {
    "calf": "calves", "deer": "deer", "fisherman": "fishermen", "goldfish": "goldfish", "goose": "geese",
    "leaf": "leaves", "mouse": "mice", "octopus": "octopuses", "postman": "postmen", "scarf": "scarves",
    "sheep": "sheep", "shelf": "shelves", "snowman": "snowmen", "starfish": "starfish", "wolf": "wolves",
    "elf": "elves", "piano": "pianos", "banjo": "banjos", "hippo": "hippos", "flamingo": "flamingos",
    "kangaroo": "kangaroos", "gecko": "geckos", "radio": "radios", "scissors": "scissors",
}  # fmt: skip


def plural(noun: str) -> str:
    """The plural of an English noun of our lists."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith(("s", "x", "z", "ch", "sh", "o")):
        return noun + "es"
    return noun[:-1] + "ies" if re.search(r"[^aeiou]y$", noun) else noun + "s"


def _expanded(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(item, int) for item in value):
        return [str(number) for number in range(value[0], value[1] + 1)]
    return value
