import itertools
import math
import re
import unicodedata

import pytest

from tasks.features import FEATURES, canonical, detect
from tasks.language import language_of
from tasks.lemma import realised
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.slots import draw
from tasks.storyteller_phrases import book
from tasks.storyteller_stories import Asked
from tasks.storyteller_tongues import KINDS, TONGUES, asked, kind_of, stock, story
from tasks.tokens import words
from tasks.word_lists import WORDS, word_list

BARE = Asked([], [], "", "")
RARE = {
    "vi": ["tê giác", "chèo thuyền", "lấp lánh"],
    "zh": ["袋鼠", "吹口哨", "亮晶晶"],
}  # in no phrase of ours
EACH = pytest.mark.parametrize("tongue", TONGUES)


def within(hits, n, p):
    return abs(hits - n * p) <= 4 * math.sqrt(n * p * (1 - p))


def many(tongue, want, obey, n=200):
    return [story(seed, tongue, want, obey) for seed in range(n)]


def grams(text):
    tokens = words(text)
    return {tuple(tokens[i : i + 5]) for i in range(len(tokens) - 4)}


def jaccard(a, b):
    return len(a & b) / len(a | b)


def prompted(tongue, index):
    """Slots of a tree of the recipe, its prompt, and the kind of prompt that it is."""
    recipe = load_recipe(f"tiny_stories_{tongue}")
    slots = draw(recipe, "test", index)
    prompt = render(recipe.levels[0].prompt, slots)
    (kind,) = [kind for kind in KINDS if kind.sign.search(prompt)]
    return slots, prompt, kind


@EACH
def test_a_prompt_of_its_recipe_is_recognised_and_read_and_answered_in_its_language(tongue):
    for index in range(60):
        slots, prompt, kind = prompted(tongue, index)
        assert kind.name == f"story-{tongue}"
        assert asked(tongue, prompt) == Asked(
            slots["words"], [canonical(f) for f in slots["features"]], "", ""
        )
        for tell in (kind.tell, kind.repeat):
            told = tell(index, kind.sign.search(prompt), 1)
            assert all(realised(word, told) for word in slots["words"]), (slots, told)
            assert language_of(told).tag == tongue


def test_english_and_other_prompts_are_not_of_these_kinds():
    for name in ("tiny_stories", "tiny_stories_instruct"):
        recipe = load_recipe(name)
        prompt = render(recipe.levels[0].prompt, draw(recipe, "test", 1))
        assert not any(kind.sign.search(prompt) for kind in KINDS)
    assert not any(kind.sign.search("请把这个句子翻译成英文。 Hãy dịch câu này.") for kind in KINDS)


@EACH
def test_a_story_has_three_to_five_paragraphs_within_the_bounds_of_its_recipe(tongue):
    checks = load_recipe(f"tiny_stories_{tongue}").checks
    texts = many(tongue, Asked(RARE[tongue], ["dialogue"], "", ""), 0.93) + many(tongue, BARE, 1)
    assert {text.count("\n\n") + 1 for text in texts} == {3, 4, 5}
    assert all(checks.min_words <= len(words(text)) <= checks.max_words for text in texts)


@EACH
def test_stories_are_tidy(tongue):
    for text in many(tongue, Asked(RARE[tongue], list(FEATURES), "", ""), 1):
        assert unicodedata.is_normalized("NFC", text)
        assert not re.search(r"[{}]|  |\.\.|,,|，，|。。| $|^ ", text, re.MULTILINE), text
        assert re.fullmatch(r".*[.!?。！？”]", text, re.S), text
        if tongue == "vi":
            starts = re.finditer(r"(?:^|[.!?] )\w", text, re.MULTILINE)
            assert not any(hit[0][-1].islower() for hit in starts), text
        else:
            assert not re.search(r"[A-Za-z ,.!?]", text), text


@EACH
def test_every_word_of_its_lists_is_used_with_full_obedience_and_not_at_all_without(tongue):
    for number, name in enumerate(("nouns", "verbs", "adjectives")):
        for seed, word in enumerate(word_list(f"{name}_{tongue}")):
            assert realised(word, story(seed, tongue, Asked([word], [], "", ""), 1)), word
        assert not realised(RARE[tongue][number], story(number, tongue, Asked(RARE[tongue], [], "", ""), 0))


@EACH
def test_each_word_is_used_at_the_asked_rate_and_independently(tongue):
    texts = many(tongue, Asked(RARE[tongue], [], "", ""), 0.7, 500)
    used = [[realised(word, text) for word in RARE[tongue]] for text in texts]
    assert all(within(sum(one), 500, 0.7) for one in zip(*used, strict=True))
    assert within(sum(all(three) for three in used), 500, 0.7**3)


@EACH
@pytest.mark.parametrize("feature", [feature for feature in FEATURES if feature != "foreshadowing"])
def test_a_feature_shows_at_the_asked_rate_and_not_unasked(tongue, feature):
    shows = [detect(text, feature, tongue) for text in many(tongue, Asked([], [feature], "", ""), 1, 100)]
    assert all(shows)
    part = [detect(text, feature, tongue) for text in many(tongue, Asked([], [feature], "", ""), 0.6)]
    assert within(sum(part), 200, 0.6)
    assert not any(detect(text, feature, tongue) for text in many(tongue, BARE, 1))


@EACH
def test_foreshadowing_sets_up_and_pays_off(tongue):
    pairs = book(tongue)["phrases"]["foreshadow"]

    def shows(text, phrase):
        return max(re.split(r"\{\w+\}", phrase), key=len).strip(" ,，.。").lower() in text.lower()

    for text in many(tongue, Asked([], ["foreshadowing"], "", ""), 1, 60):
        assert sum(shows(text, hint) and shows(text, payoff) for hint, payoff in pairs) == 1
    assert not any(shows(text, hint) for text in many(tongue, BARE, 1, 60) for hint, _ in pairs)


@EACH
def test_the_kind_of_a_word_comes_from_the_lists(tongue):
    noun, verb, look = RARE[tongue]
    feel = {"vi": "vui vẻ", "zh": "高兴"}[tongue]
    assert [kind_of(tongue, word) for word in (noun, verb, look, feel, "quark")] == [
        "noun", "verb", "look", "feel", "noun",
    ]  # fmt: skip
    assert set(book(tongue)["kinds"]["feelings"]) <= set(word_list(f"adjectives_{tongue}"))


@EACH
def test_the_seed_decides_and_300_stories_have_no_near_duplicates(tongue):
    texts = []
    for index in range(300):
        _, prompt, kind = prompted(tongue, index)
        texts.append(kind.tell(index, kind.sign.search(prompt), 0.93))
        assert index > 5 or texts[-1] == kind.tell(index, kind.sign.search(prompt), 0.93)
    sets = [grams(text) for text in texts]
    near = sum(any(jaccard(a, b) >= 0.7 for b in sets[:i]) for i, a in enumerate(sets))
    assert near < 0.05 * 300


@EACH
def test_stock_stories_are_near_duplicates_of_themselves_whatever_the_words(tongue):
    texts = [stock(seed, tongue, Asked(RARE[tongue][seed % 3 :], [], "", ""), 0.9) for seed in range(60)]
    groups = {text[:12] for text in texts}
    assert len(groups) == len(book(tongue)["stock"]["story"])
    for start in groups:
        sets = [grams(text) for text in texts if text.startswith(start)]
        assert min(jaccard(a, b) for a, b in itertools.combinations(sets, 2)) >= 0.7


@EACH
def test_every_plot_is_whole(tongue):
    plots = book(tongue)["plot"]
    assert len(plots) >= 10
    assert all(min(len(plot[part]) for part in ("trouble", "try", "mended", "failed")) >= 2 for plot in plots)


LEAST = {"": (750, 390, 330), "_vi": (300, 150, 140), "_zh": (300, 150, 140)}
TOTAL = {"": 1500, "_vi": 600, "_zh": 600}


@pytest.mark.parametrize("tongue", LEAST)
def test_the_word_lists_are_long_enough_plain_nfc_and_hold_no_word_twice(tongue):
    lists = [word_list(f"{name}{tongue}") for name in ("nouns", "verbs", "adjectives")]
    assert all(len(found) >= least for found, least in zip(lists, LEAST[tongue], strict=True))
    everything = [word for found in lists for word in found]
    assert len(everything) >= TOTAL[tongue] and len({word.lower() for word in everything}) == len(everything)
    shape = {
        "": r"[a-z]{2,13}",
        "_vi": r"[^\W\d_A-Z]+(?: [^\W\d_A-Z]+){0,3}",
        "_zh": r"[\u4e00-\u9fff]{1,4}",
    }[tongue]
    assert all(re.fullmatch(shape, word) and unicodedata.is_normalized("NFC", word) for word in everything)


@pytest.mark.parametrize("tongue", LEAST)
@pytest.mark.parametrize("name", ["nouns", "verbs", "adjectives"])
def test_a_word_list_says_what_it_is_who_wrote_it_what_for_and_from_what(tongue, name):
    lines = (WORDS / f"{name}{tongue}.txt").read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith("#")]
    assert lines[: len(head)] == head
    language = {"": "English", "_vi": "Vietnamese", "_zh": "Chinese"}[tongue]
    for said in (
        language,
        name,
        "written for Seedloom. CC0-1.0.",
        "For the slot `words`",
        "Source: our general knowledge",
    ):
        assert any(said in line for line in head), said
