"""The offline storyteller's stories in Vietnamese and Chinese: short template stories, like the English ones.

A story is a cast, a plot and phrases of tasks/storybook/vi.toml or zh.toml. What the prompt asks for (words,
features) is heeded item by item with probability `obey`. Which sentence a word fits is read from the word
lists of its language; a word that is in none of them is taken for a noun.
"""

import re
from collections.abc import Callable
from functools import cache

from tasks.features import canonical
from tasks.storyteller_kinds import Kind
from tasks.storyteller_phrases import Pen, book
from tasks.storyteller_stories import Asked, plot_lines
from tasks.word_lists import word_list

TONGUES = ("vi", "zh")

_ITEMS = {
    "vi": (r"^Từ ngữ: (.+)$", r"^Đặc điểm: (.+)$", ", "),
    "zh": (r"^词语[：:] ?(.+)$", r"^特点[：:] ?(.+)$", "、"),
}
_START = re.compile(r"(?:^|[.!?…] )“?[^\W\d_]")


def asked(tongue: str, prompt: str) -> Asked:
    """The words and features that a prompt asks for, features by their English names."""
    *signs, comma = _ITEMS[tongue]
    found = [re.search(sign, prompt, re.MULTILINE) for sign in signs]
    listed, features = ([item.strip() for item in hit[1].split(comma)] if hit else [] for hit in found)
    return Asked(listed, [canonical(feature) or feature for feature in features], "", "")


def story(seed: int, tongue: str, want: Asked, obey: float) -> str:
    """A story of three to five paragraphs in Vietnamese (`vi`) or Chinese (`zh`)."""
    pen = Pen(seed, book(tongue)["phrases"], {})
    _cast(pen, tongue)
    plot = pen.pick(book(tongue)["plot"])
    plan = plot_lines(pen, plot, {feature for feature in want.features if pen.chance(obey)})
    blocks = [[_tidy(pen.fill(line)) for line in block] for block in plan]
    for word in want.words:
        if pen.chance(obey):
            _place_word(pen, blocks, word, kind_of(tongue, word))
    return _paragraphs(pen, blocks, book(tongue)["gap"])


def stock(seed: int, tongue: str, want: Asked, obey: float) -> str:
    """One of a few fixed stories with 0 to 3 words changed: what a model says again and again."""
    slots = {"feel": "adjective", "look": "adjective"}
    kinds = {word: kind_of(tongue, word) for word in want.words}
    pen = Pen(seed, {}, dict(book(tongue)["stock"]["default"]))
    pen.facts.update({slots.get(kind, kind): word for word, kind in kinds.items() if pen.chance(obey)})
    return _tidy(pen.fill(pen.pick(book(tongue)["stock"]["story"]))).strip()


@cache
def kind_of(tongue: str, word: str) -> str:
    """verb, feel, look or noun; an unknown word is a noun."""
    if word in word_list(f"verbs_{tongue}"):
        return "verb"
    if word in word_list(f"adjectives_{tongue}"):
        return "feel" if word in book(tongue)["kinds"]["feelings"] else "look"
    return "noun"


def _cast(pen: Pen, tongue: str) -> None:
    """Decide hero, friend, helper and places."""
    cast = pen.pick(book(tongue)["cast"])
    pen.facts.update({"he": cast["he"], "one": cast["one"]})
    pen.facts.update({"kind": pen.pick(cast["kinds"]), "hero": pen.pick(cast["names"])})
    for slot in ("friend", "helper", "spot", "home"):
        pen.facts[slot] = pen.pick(pen.phrases[slot])


_BLOCK = {"noun": 1, "verb": 2, "feel": 2, "look": 0}


def _place_word(pen: Pen, blocks: list[list[str]], word: str, kind: str) -> None:
    """Put a sentence with the word where it fits."""
    pen.facts["word"] = word
    block = blocks[_BLOCK[kind]]
    block.insert(1 if kind == "noun" else len(block), _tidy(pen.fill(pen.pick(pen.phrases[kind]))))


def _paragraphs(pen: Pen, blocks: list[list[str]], gap: str) -> str:
    """The blocks as three to five paragraphs."""
    ends = {0, *pen.random.sample(range(1, len(blocks)), pen.pick((2, 3, 4)))}
    text = ""
    for i, block in enumerate(blocks):
        text += ("\n\n" if i in ends and i else gap) + gap.join(block)
    return text.strip()


def _tidy(text: str) -> str:
    """Sentences begin with a capital letter, where the script has them."""
    return _START.sub(lambda hit: hit[0].upper(), text)


def _told(
    tongue: str, write: Callable[[int, str, Asked, float], str]
) -> Callable[[int, re.Match[str], float], str]:
    return lambda seed, hit, obey: write(seed, tongue, asked(tongue, hit.string), obey)


KINDS = (
    Kind(
        "story-vi",
        re.compile(r"[Vv]iết (?:\w+ ){0,3}(?:câu chuyện|chuyện|truyện)\b"),
        _told("vi", story),
        _told("vi", stock),
    ),
    Kind(
        "story-zh", re.compile(r"写(?:一个|一篇|个|篇)?\w{0,12}故事"), _told("zh", story), _told("zh", stock)
    ),
)
