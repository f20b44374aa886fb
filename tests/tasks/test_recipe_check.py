import pytest

from schemas.recipe import Recipe
from tasks.recipe_check import Mistake, known_names, mistakes_in

HEAD = {"name": "t", "title": "", "citation": "", "licence": ""}
SOURCE = {"level": "row", "file": "self_instruct.jsonl", "text": "instruction", "fields": ["input"]}


def recipe(*levels, **top):
    whole = [{"prompt": "x", "reply": "text", "final": True, **level} for level in levels]
    return Recipe.model_validate({**HEAD, "level": whole, **top})


def told(*levels, **top):
    return [(place, why.partition(";")[0]) for place, why in mistakes_in(recipe(*levels, **top))]


def test_a_good_recipe_has_no_mistakes():
    assert told({"name": "a", "prompt": "{{ word }} {{ child }}"}, slots={"word": {"choice": ["b"]}}) == []


@pytest.mark.parametrize(
    ("level", "place", "why"),
    [
        ({"reply": "poem"}, ("level", 0, "reply"), "no parser 'poem'"),
        ({"prompt": None, "reply": None, "make": "bread"}, ("level", 0, "make"), "no maker 'bread'"),
        ({"options": {"colour": 1}}, ("level", 0, "options"), "the parser 'text' takes no options: ['colour']"),
        ({"system": "{{ x }}"}, ("level", 0, "system"), "unknown placeholder ['x']"),
        ({"instruction": "{{ x }}"}, ("level", 0, "instruction"), "unknown placeholder ['x']"),
        ({"train_system": "{{ x"}, ("level", 0, "train_system"), "unexpected end of template"),
        ({"format": {"with_input": ["y", "{{ x }}"], "without_input": ["y"]}}, ("level", 0, "format", "with_input", 1), "unknown placeholder ['x']"),
        ({"bootstrap": {"seeds": "nope.jsonl"}}, ("level", 0, "bootstrap", "seeds"), "no seed file"),
        ({"fields": {"parts": {"Words": "{{ x }}"}}}, ("level", 0, "fields", "parts", "Words"), "unknown placeholder ['x']"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_level_has_its_place(level, place, why):
    ((found, reason),) = told({"name": "a", **level})
    assert found == place and reason.startswith(why)


def test_what_is_trained_on_may_speak_of_the_reply_and_a_prompt_may_not():
    assert told({"name": "a", "output": "{{ reply }} {{ a }}"}) == []
    assert len(told({"name": "a", "prompt": "{{ reply }}"})) == 1


def test_names_of_a_source_of_levels_above_and_of_what_their_parsers_give_are_known():
    known = recipe(
        {"name": "task", "parent": "row", "reply": "task_fields"},
        {"name": "below", "parent": "task", "gather": ["task"], "examples": None},
        source=SOURCE,
        slots={"how": {"choice": ["a"]}},
    )
    assert known_names(known, known.levels[0]) == {"row", "input", "how", "child"}
    assert {"row", "input", "how", "child", "task"} <= known_names(known, known.levels[1])


@pytest.mark.parametrize(
    ("source", "place", "why"),
    [
        ({"reader": "books"}, ("source", "reader"), "no reader 'books'"),
        ({"file": "nope.jsonl"}, ("source", "file"), "no file 'nope.jsonl' in tasks/seeds"),
        (
            {"file": "self_instruct.jsonl nope.jsonl"},
            ("source", "file"),
            "no file 'nope.jsonl' in tasks/seeds",
        ),
    ],
)
def test_a_source_that_cannot_be_read_is_refused(source, place, why):
    assert told({"name": "a", "parent": "row"}, source={**SOURCE, **source}) == [(place, why)]


def test_an_unknown_word_list_is_a_mistake_of_its_slot():
    ((place, why),) = told({"name": "a"}, slots={"w": {"each": ["nope"]}})
    assert place == ("slots", "w") and why.startswith("no word list 'nope'")


def test_a_mistake_says_its_line_when_it_has_one():
    assert str(Mistake(3, "name", "wrong")) == "line 3, name: wrong"
    assert str(Mistake(None, "name", "wrong")) == "name: wrong"


@pytest.mark.parametrize("name", ["child", "reply", "examples", "a"])
def test_a_slot_is_not_called_like_something_else_that_templates_see(name):
    ((place, why),) = told({"name": "a"}, slots={name: {"choice": ["b"]}})
    assert place == ("slots", name) and why == f"{name!r} means something else in a template"
