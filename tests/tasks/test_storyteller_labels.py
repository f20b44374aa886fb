import math
import re

import pytest
from likeness import near_share

from schemas.settings import Storyteller
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.slots import draw
from tasks.storyteller import answer, kind_of
from tasks.storyteller_labels import FEATURES, OTHER, labelled, second_look
from tasks.storyteller_phrases import book

RECIPE = load_recipe("labelled")
DRAWN = [draw(RECIPE, "first", i) for i in range(300)]
OPINIONS = [labelled(i, slots["label"], slots["topic"], slots["kind"], 1) for i, slots in enumerate(DRAWN)]
GOOD = Storyteller(obey=1, repeat=0, bad=0)


def within(hits, n, p):
    return abs(hits - n * p) <= 4 * math.sqrt(n * p * (1 - p))


def test_the_prompts_of_the_recipe_are_recognised_and_read():
    slots = DRAWN[0]
    prompt = render(RECIPE.levels[0].prompt, slots)
    kind, hit = kind_of(prompt)
    assert (kind.name, hit[1], hit[2], hit[3]) == ("labelled", slots["kind"], slots["topic"], slots["label"])
    text = answer([{"role": "user", "content": prompt}], {}, 1, GOOD).text
    look = render(RECIPE.levels[1].prompt, slots | {"passage": f"Two paragraphs.\n\n{text}"})
    kind, hit = kind_of(look)
    assert kind.name == "second look" and hit[1].strip().endswith(text) and hit[2] == "negative or positive"
    assert answer([{"role": "user", "content": look}], {}, 1, GOOD).text == slots["label"]


def test_opinions_have_three_to_six_sentences_are_tidy_and_name_no_label():
    for text in OPINIONS:
        assert 3 <= len(re.findall(r"[.!?](?:\s|$)", text)) <= 7, text
        assert not re.search(r"[{}]|  |\.\.|,,|\ba [aeio]\w|[.?!] [a-z]|positive|negative", text), text


def test_every_kind_of_text_begins_in_its_own_way():
    for slots, text in zip(DRAWN, OPINIONS, strict=True):
        if slots["kind"] == "letter to a friend":
            assert text.startswith(("Dear ", "Hello ", "Hi "))
    assert set(book("feelings")["opening"]) == set(RECIPE.slots["kind"].choice)


def test_opinions_are_distinct():
    assert near_share(OPINIONS) == 0 and near_share(OPINIONS, n=3) < 0.02


def test_a_second_look_finds_the_feeling_and_its_obedient_share():
    labels = ["negative", "positive"]
    assert all(
        second_look(0, text, labels) == slots["label"] for slots, text in zip(DRAWN, OPINIONS, strict=True)
    )
    told = [labelled(i, "positive", "lamp", "review", 0.7) for i in range(400)]
    assert within(sum(second_look(0, text, labels) == "positive" for text in told), 400, 0.7)


@pytest.mark.parametrize("label", FEATURES)
def test_stories_with_and_without_a_feature_are_told_apart(label):
    absent = FEATURES[label][1]
    pair = sorted((label, absent))
    told = [(each, labelled(i, each, "lamp", "review", 1)) for i in range(60) for each in pair]
    assert all(second_look(0, text, pair) == each for each, text in told)
    assert all("lamp" in text for _, text in told)
    assert near_share([text for _, text in told]) == 0
    flipped = [labelled(i, absent, "lamp", "review", 0) for i in range(30)]
    assert all(second_look(0, text, pair) == label for text in flipped)


def test_a_text_that_tells_nothing_gets_either_label_and_the_same_for_the_same_seed():
    found = [second_look(seed, "Trains run on rails.", ["negative", "positive"]) for seed in range(200)]
    assert within(found.count("positive"), 200, 0.5)
    assert second_look(3, "", ["a", "b"]) == second_look(3, "", ["a", "b"])


def test_labels_of_the_recipe_and_of_the_storyteller_are_the_same():
    named = set(re.findall(r'^  "([\w ]+)": "', RECIPE.levels[0].prompt, re.M))
    assert named == set(OTHER) and all(OTHER[OTHER[label]] == label for label in OTHER)
