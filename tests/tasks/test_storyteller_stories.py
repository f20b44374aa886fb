import itertools
import math
import re
from functools import cache

import pytest

from tasks.storyteller_phrases import book
from tasks.storyteller_stories import Asked, asked, sentence, stock, story, summary

WORDS = ["thimble", "juggle", "velvety"]  # in none of the storybook's own phrases
NAMES = [*book("story")["girls"], *book("story")["boys"]]
BARE = Asked([], [], "", "")
QUOTED = '"'


def within(hits, n, p):
    return abs(hits - n * p) <= 4 * math.sqrt(n * p * (1 - p))


def many(want, obey, n=300):
    return [story(seed, want, obey) for seed in range(n)]


def has(word, text):
    return re.search(rf"\b{word}\b", text) is not None


def grams(text):
    tokens = re.findall(r"\w+", text.lower())
    return {tuple(tokens[i : i + 5]) for i in range(len(tokens) - 4)}


def jaccard(a, b):
    return len(a & b) / len(a | b)


def test_it_reads_what_a_prompt_asks_for():
    prompt = (
        "Do.\n\nWords: owl, hop\nFeatures: dialogue, conflict\nSummary: Mia, a fox.\nSentence: Oh.\n\nDo."
    )
    assert asked(prompt) == Asked(["owl", "hop"], ["dialogue", "conflict"], "Mia, a fox.", "Oh.")
    plain = "The story must use these words: owl, hop.\nThe story must have these features: conflict.\n"
    assert asked(plain) == Asked(["owl", "hop"], ["conflict"], "", "")
    assert asked("Write a story.") == BARE


def test_a_story_has_three_to_five_paragraphs_of_together_90_to_180_words():
    texts = many(Asked(WORDS, ["dialogue"], "", ""), 0.93)
    assert {text.count("\n\n") + 1 for text in texts} == {3, 4, 5}
    lengths = sorted(len(text.split()) for text in texts)
    assert lengths[len(lengths) // 20] >= 90
    assert lengths[-len(lengths) // 20] <= 180


def test_stories_are_tidy():
    for text in many(Asked(WORDS, ["dialogue", "conflict", "plot twist"], "", ""), 1):
        assert not re.search(r"[{}]|  |\.\.|,,|\ba [aeio]|[.?!] [a-z]", text), text
        assert re.fullmatch(r"[A-Z\"].*[.!?\"]", text, re.S), text


@pytest.mark.parametrize("words", [WORDS, ["heron", "snore", "jealous"], ["airport", "nurse"], ["quark"]])
def test_with_full_obedience_every_word_is_used(words):
    assert all(has(word, text) for text in many(Asked(words, [], "", ""), 1, 60) for word in words)


def test_each_word_is_used_at_the_asked_rate_and_independently():
    texts = many(Asked(WORDS, [], "", ""), 0.7, 600)
    used = [[has(word, text) for word in WORDS] for text in texts]
    assert all(within(sum(one), 600, 0.7) for one in zip(*used, strict=True))
    assert within(sum(all(three) for three in used), 600, 0.7**3)


@pytest.mark.parametrize(
    ("feature", "shows"),
    [
        ("dialogue", lambda text: QUOTED in text),
        ("moral value", lambda text: any(lesson in text for lesson in book("story")["lesson"])),
        ("bad ending", lambda text: _tells(text, "sad") and not _tells(text, "happy")),
        ("plot twist", lambda text: _tells(text, "twist")),
        ("foreshadowing", lambda text: _tells(text, "hints") and _tells(text, "payoffs")),
        ("conflict", lambda text: _tells(text, "quarrels")),
    ],
)
def test_a_feature_shows_at_the_asked_rate_and_not_unasked(feature, shows):
    assert within(sum(map(shows, many(Asked([], [feature], "", ""), 0.8))), 300, 0.8)
    assert all(map(shows, many(Asked([], [feature], "", ""), 1, 60)))
    others = ["dialogue", "moral value", "plot twist", "foreshadowing", "conflict"]
    others = [other for other in others if other != feature]
    assert not any(map(shows, many(Asked([], others, "", ""), 1, 60)))


def _tells(text, name):
    """Whether a phrase of a list stands in the text, whatever its slots hold."""
    lines = book("story")
    hints, payoffs = zip(*lines["foreshadow"], strict=True)
    quarrels, _ = zip(*lines["conflict"], strict=True)
    phrases = {"hints": hints, "payoffs": payoffs, "quarrels": quarrels}.get(name) or lines[name]
    return any(_pattern(phrase).search(text) for phrase in phrases)


@cache
def _pattern(phrase):
    literal = map(re.escape, re.split(r"\{\w+\}", phrase))
    return re.compile(r"[^.!?]+?".join(literal).replace(r"a\ [^", r"an?\ [^"), re.I)


def test_the_asked_sentence_stands_in_the_story_word_for_word_at_the_asked_rate():
    line = "it was a  odd day for Zig, was it not"
    texts = many(Asked(WORDS, [], "", line), 0.6)
    assert within(sum(line in text for text in texts), 300, 0.6)
    assert not any(text.startswith(line) or text.endswith(line) for text in texts)


@pytest.mark.parametrize(
    ("told", "hero", "kind"),
    [
        ("A shy otter named Zelda finds a strange egg.", "Zelda", "otter"),
        ("Zelda, a shy otter, finds a strange egg.", "Zelda", "otter"),
        ("Late one evening Zelda the shy otter finds a strange egg.", "Zelda", "otter"),
        ("When it rains, Zelda finds a strange egg.", "Zelda", "child"),
    ],
)
def test_a_story_is_about_the_hero_and_the_plot_of_its_summary(told, hero, kind):
    texts = many(Asked([], [], told, ""), 1, 60)
    assert all(hero in text and kind in text and "egg" in text for text in texts)
    half = many(Asked([], [], told, ""), 0.5)
    assert within(sum(hero in text for text in half), 300, 0.5)


def test_a_summary_is_one_or_two_sentences_with_the_words_that_a_story_can_follow():
    for seed in range(200):
        told = summary(seed, Asked(WORDS, ["bad ending", "moral value", "conflict"], "", ""), 1)
        assert 1 <= len(re.findall(r"[.!?](?: |$)", told)) <= 2, told
        assert all(has(word, told) for word in WORDS), told
        hero = min(filter(told.__contains__, NAMES), key=told.find)
        assert hero in story(seed, Asked([], [], told, ""), 1), told
        assert sum(plot["sign"] in told for plot in book("plots")["plot"]) == 1, told


def test_a_summary_uses_each_word_at_the_asked_rate():
    told = [summary(seed, Asked(WORDS, [], "", ""), 0.6) for seed in range(500)]
    assert all(within(sum(has(word, text) for text in told), 500, 0.6) for word in WORDS)


def test_a_sentence_is_one_sentence_about_the_hero():
    want = Asked(WORDS, [], "Zelda, a shy otter, finds a strange egg.", "")
    told = [sentence(seed, want, 1) for seed in range(200)]
    assert all(re.fullmatch(r"[A-Z][^.!?\n]*\.", text) for text in told)
    assert all(any(has(word, text) for word in WORDS) for text in told)
    assert all("Zelda" in text for text in told)
    assert len(set(told)) > 50


def test_stories_are_distinct():
    sets = [grams(text) for text in many(Asked(WORDS, ["dialogue"], "", ""), 1, 200)]
    assert max(jaccard(a, b) for a, b in itertools.combinations(sets, 2)) < 0.5


def test_stock_stories_are_near_duplicates_of_themselves_whatever_the_words():
    words = itertools.cycle([WORDS, ["dove", "hum", "pale"], ["airport", "snore", "jealous"]])
    texts = [
        stock(seed, "story", Asked(want, [], "", ""), 0.9)
        for seed, want in zip(range(90), words, strict=False)
    ]
    groups = {text.strip()[:25] for text in texts}
    assert len(groups) == len(book("stock")["story"])
    for start in groups:
        sets = [grams(text) for text in texts if text.startswith(start)]
        assert min((jaccard(a, b) for a, b in itertools.combinations(sets, 2)), default=1) >= 0.7


def test_a_stock_story_takes_the_words():
    told = stock(1, "story", Asked(WORDS, [], "", ""), 1)
    assert all(has(word, told) for word in WORDS)
    assert not any(has(word, stock(1, "story", Asked(WORDS, [], "", ""), 0)) for word in WORDS)


def test_every_plot_is_whole_and_its_sign_is_its_own():
    plots = book("plots")["plot"]
    assert len(plots) >= 20
    for plot in plots:
        assert all(plot["sign"] in gist for gist in plot["gist"])
        assert min(len(plot[part]) for part in ("gist", "trouble", "try", "mended", "failed")) >= 2
        assert sum(plot["sign"] in gist for other in plots for gist in other["gist"]) == len(plot["gist"])
