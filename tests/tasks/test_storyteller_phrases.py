import re

import pytest

from tasks.instruction_replies import UNFIT_WORDS
from tasks.storyteller_phrases import STORYBOOK, Pen, articles, book, kind_of, lists, plural, tidy
from tasks.storyteller_stories import _phrases as story_phrases
from tasks.storyteller_tasks import phrases as task_phrases
from tasks.word_lists import word_list

SIZES = {"nouns": 500, "verbs": 250, "adjectives": 200}


@pytest.mark.parametrize("name", SIZES)
def test_a_word_list_holds_enough_different_simple_word_list(name):
    found = word_list(name)
    assert len(found) >= SIZES[name]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch("[a-z]{2,13}", word) for word in found)
    assert not set(found) & set(UNFIT_WORDS)


@pytest.mark.parametrize("name", SIZES)
def test_a_word_list_begins_with_its_licence(name):
    first = (STORYBOOK.parent / "words" / f"{name}.txt").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("#") and "Seedloom" in first and "CC0" in first


def test_no_word_stands_in_two_lists():
    everything = [word for name in SIZES for word in word_list(name)]
    assert len(set(everything)) == len(everything)


def test_every_word_of_a_kind_is_in_the_word_lists():
    kinds = book("kinds")
    known = {*word_list("nouns"), *word_list("adjectives")}
    assert {word for listed in kinds.values() for word in listed} <= known


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("juggle", "verb"),
        ("angry", "feeling"),
        ("velvety", "look"),
        ("otter", "being"),
        ("nurse", "being"),
        ("harbour", "place"),
        ("thimble", "thing"),
        ("quark", "thing"),
    ],
)
def test_the_kind_of_a_word(word, kind):
    assert kind_of(word) == kind


def test_a_pen_fills_slots_with_facts_first_and_with_phrases_of_phrases():
    pen = Pen(1, {"where": ["in the {what}"], "what": ["hall"], "who": ["nobody"]}, {"who": "Mia"})
    assert pen.fill("{who} sat {where}.") == "Mia sat in the hall."
    assert pen.fill("no slot") == "no slot"
    with pytest.raises(KeyError, match="missing"):
        pen.fill("{missing}")


def test_the_seed_decides_what_a_pen_writes():
    texts = {seed: [Pen(seed, lists(), {}).fill("{noun} {verb}") for _ in range(2)] for seed in range(50)}
    assert all(a == b for a, b in texts.values())
    assert len({a for a, _ in texts.values()}) > 45


def test_picks_and_chances_are_fair():
    pen = Pen(1, {}, {})
    picks = [pen.pick("abcd") for _ in range(4000)]
    assert all(abs(picks.count(c) - 1000) < 110 for c in "abcd")
    assert abs(sum(pen.chance(0.2) for _ in range(4000)) - 800) < 102


def test_articles_and_capitals():
    assert articles("a owl, a unicorn, a hour and A apple") == "an owl, a unicorn, an hour and An apple"
    assert articles("tuna a la carte") == "tuna a la carte"
    assert tidy('the end. was it? "yes," she said. "no!" he cried.') == (
        'The end. Was it? "Yes," she said. "No!" he cried.'
    )


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("box", "boxes"),
        ("berry", "berries"),
        ("toy", "toys"),
        ("wolf", "wolves"),
        ("mouse", "mice"),
        ("tomato", "tomatoes"),
        ("piano", "pianos"),
        ("beach", "beaches"),
    ],
)
def test_plurals(one, many):
    assert plural(one) == many


def test_a_pair_of_numbers_is_a_range_and_other_lists_stay():
    assert book("tasks")["digit"] == ["2", "3", "4", "5", "6", "7", "8", "9"]
    assert book("tasks")["few"][0] == "two"


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


FACTS = {
    "story": {"hero", "kind", "he", "him", "his", "friend", "adj", "gist", "thing"},
    "plots": {"hero", "kind", "he", "him", "his", "friend"},
    "stock": set(),
    "open": {"a", "b", "topic"},
    "vi": {*book("vi")["phrases"], "hero", "kind", "he", "one", "word", "adjective"},
    "zh": {*book("zh")["phrases"], "hero", "kind", "he", "one", "word", "adjective"},
}


# The slots of these are facts of pens of their own, which test_storyteller_code, _lessons and _dialogues fill.
OWN_PENS = {"code", "lessons", "talk"}


@pytest.mark.parametrize("name", sorted({path.stem for path in STORYBOOK.glob("*.toml")} - OWN_PENS))
def test_every_slot_of_the_phrase_book_can_be_filled(name):
    known = story_phrases() if name in ("story", "plots") else task_phrases()
    texts = list(_texts(book(name)))
    assert texts
    slots = {slot for text in texts for slot in re.findall(r"\{(\w+)\}", text)}
    assert slots <= {*known, *FACTS.get(name, ())}


def test_every_file_of_the_phrase_book_states_its_licence():
    files = list(STORYBOOK.glob("*.toml"))
    assert len(files) >= 8
    for path in files:
        head = path.read_text(encoding="utf-8").split("\n\n", 1)[0].replace("\n# ", " ")
        assert "Written for Seedloom, CC0-1.0." in head, path.name
