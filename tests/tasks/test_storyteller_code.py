import ast
import math

import pytest
from likeness import near_share

from schemas.settings import Storyteller
from tasks.code_replies import code, read_exercise
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.replies import Told
from tasks.slots import draw
from tasks.storyteller import answer, kind_of
from tasks.storyteller_code import SOLVED, exercise
from tasks.storyteller_phrases import book
from tasks.word_lists import word_list

RECIPE = load_recipe("code_exercises")
DRAWN = [draw(RECIPE, "first", i) for i in range(300)]
TOLD = [exercise(i, slots["function_name"], slots["topic"], 1) for i, slots in enumerate(DRAWN)]


def within(hits, n, p):
    return abs(hits - n * p) <= 4 * math.sqrt(n * p * (1 - p))


def test_the_prompt_of_the_recipe_is_recognised_and_read():
    prompt = render(RECIPE.levels[0].prompt, DRAWN[0])
    kind, hit = kind_of(prompt)
    assert (kind.name, hit[1], hit[2]) == ("code", DRAWN[0]["function_name"], DRAWN[0]["topic"])
    told = answer([{"role": "user", "content": prompt}], {}, 1, Storyteller(obey=1, repeat=0, bad=0))
    assert f"def {hit[1]}(" in told.text and hit[2] in told.text


def test_every_exercise_is_a_function_of_the_asked_name_about_the_asked_data():
    for slots, text in zip(DRAWN, TOLD, strict=True):
        found = read_exercise(text, slots["function_name"])
        assert not isinstance(found, str), (found, text)
        assert slots["topic"] in found.question and ">>> " + slots["function_name"] in found.question


def test_the_asked_share_has_another_name():
    replies = [exercise(i, slots["function_name"], slots["topic"], 0.8) for i, slots in enumerate(DRAWN)]
    pieces = [code(Told(text, "stop", slots))[0] for text, slots in zip(replies, DRAWN, strict=True)]
    assert within(sum(piece.reason is None for piece in pieces), 300, 0.8)
    assert all(piece.reason is None or "was asked for" in piece.reason for piece in pieces)


@pytest.mark.parametrize(
    ("family", "values", "k", "gives"),
    [
        ("above", [3, 9, 5], 4, 2), ("capped", [3, 9], 5, 8), ("mean_share", [2, 6], 4, 1.0), ("mean_share", [], 4, 0.0),
        ("within", [0, 4], 4, True), ("within", [5], 4, False), ("within", [-1], 4, False),
        ("longer", ["a", "abcd"], 5, ["abcd"]), ("by_length", ["bb", "a", "aa"], 1, ["a", "aa", "bb"]),
        ("turned", ["a", "b", "c"], 5, ["c", "a", "b"]), ("turned", [], 5, []),
        ("grouped", ["a", "bb", "c"], 1, {1: ["a", "c"], 2: ["bb"]}), ("dashed", ["a", "b"], 3, "A---B"),
    ],
)  # fmt: skip
def test_what_a_family_computes(family, values, k, gives):
    assert SOLVED[family](values, k) == gives


def test_every_body_uses_the_parameter_and_is_python():
    families = book("code")["family"]
    assert set(families) == set(SOLVED) and all(len(entry["bodies"]) >= 2 for entry in families.values())
    for entry in families.values():
        for body in entry["bodies"]:
            filled = body.replace("{p}", "values").replace("{k}", "3").replace("{n}", "2")
            names = {node.id for node in ast.walk(ast.parse(filled)) if isinstance(node, ast.Name)}
            assert "values" in names


def test_most_of_our_function_names_have_a_family():
    first = [name.split("_")[0] for name in word_list("function_names")]
    known = {word for entry in book("code")["family"].values() for word in entry["first_words"]}
    assert sum(word in known for word in first) / len(first) > 0.95


def test_an_unknown_name_gets_some_family_and_the_same_seed_the_same_text():
    assert isinstance(
        ast.parse(read_exercise(exercise(1, "zap", "tides", 1), "zap").question + "\n    pass"), ast.Module
    )
    assert TOLD[:20] == [exercise(i, s["function_name"], s["topic"], 1) for i, s in enumerate(DRAWN[:20])]


def test_exercises_are_distinct():
    assert near_share(TOLD) == 0 and near_share(TOLD, n=3) < 0.02
