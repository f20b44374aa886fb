import pytest

from schemas.errors import BadInput
from tasks import recipe as recipes
from tasks.recipe import load_recipe, read_recipe, recipe_digest, recipe_names, render, word_list

GOOD = """
name = "tiny"
title = "A test"
citation = "none"
licence = "CC0-1.0"
[slots.words]
each = ["nouns"]
[[level]]
name = "story"
reply = "text"
final = true
prompt = "Use {{ words[0] }}."
"""


def write(folder, text, name="tiny"):
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_shipped_recipe_loads():
    assert {"self_instruct", "tiny_stories", "tiny_stories_instruct"} <= set(recipe_names())
    assert [load_recipe(name).name for name in recipe_names()] == recipe_names()


def test_a_recipe_is_one_file_dropped_into_the_folder(tmp_path, monkeypatch):
    write(tmp_path, GOOD)
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    assert recipe_names() == ["tiny"]
    assert load_recipe("tiny").levels[0].name == "story"


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(BadInput, match=r"no recipe 'nope' in tasks/recipes; known: \['self_instruct'"):
        load_recipe("nope")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace('title = "A test"', "title = "), "no TOML: Invalid value .at line 3"),
        (
            GOOD.replace("{{ words[0] }}", "{{ wrods }}"),
            r"level story: unknown placeholder \['wrods'\]; known: \['words'\]",
        ),
        (GOOD.replace("{{ words[0] }}", "{{ words"), "level story: "),
        (GOOD.replace('["nouns"]', '["nuons"]'), r"slots.words: no word list 'nuons'; known: \['adjectives'"),
        (GOOD.replace("final = true", "finale = true"), "level.0.finale: Extra inputs"),
        (GOOD.replace("final = true", ""), "no level is final"),
        (GOOD.replace('reply = "text"', 'reply = "texts"'), "level.0.reply: Input should be 'text'"),
        (GOOD.replace('reply = "text"', 'reply = "text"\nparent = "summary"'), "grows from 'summary'"),
        (GOOD.replace('name = "tiny"', 'name = "other"'), "the name must be that of the file"),
        (GOOD.replace('each = ["nouns"]', 'each = ["nouns"]\nchoice = ["a"]'), "exactly one of"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path, text, said):
    with pytest.raises(BadInput, match=said) as error:
        read_recipe(write(tmp_path, text))
    assert "\n" not in str(error.value)


def test_its_digest_changes_with_its_meaning_and_not_with_its_comments(tmp_path):
    first = recipe_digest(read_recipe(write(tmp_path, GOOD)))
    assert recipe_digest(read_recipe(write(tmp_path, "# hello\n" + GOOD))) == first
    assert recipe_digest(read_recipe(write(tmp_path, GOOD.replace("Use", "Take")))) != first


def test_values_are_data_and_never_templates():
    assert render("Say {{ word }}.", {"word": "{{ 7 * 7 }}"}) == "Say {{ 7 * 7 }}."


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ word.join.__globals__ }}",
        "{{ range(9) }}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(attack):
    with pytest.raises(BadInput):
        render(attack, {"word": "x"})


def test_a_missing_value_is_named_with_what_is_known():
    with pytest.raises(BadInput, match=r"'nope' is undefined; known: \['word'\]"):
        render("{{ nope }}", {"word": "x"})


@pytest.mark.parametrize("name", ["nouns", "verbs", "adjectives"])
def test_word_lists_hold_distinct_words(name):
    words = word_list(name)
    assert len(words) > 150
    assert len(set(words)) == len(words)
    assert not any(word.startswith("#") for word in words)
