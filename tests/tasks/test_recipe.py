import pytest

from schemas.errors import BadInput
from tasks import recipe as recipes
from tasks import word_lists
from tasks.recipe import (
    asked_recipe,
    checked_recipe,
    load_recipe,
    read_recipe,
    recipe_digest,
    recipe_names,
    recipe_of,
    recipe_or_none,
)
from warehouse.run import begin

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


def test_recipes_of_ones_own_stand_beside_those_that_ship(tmp_path, monkeypatch):
    write(tmp_path, GOOD)
    monkeypatch.setenv("SEEDLOOM_RECIPES", str(tmp_path))
    assert {"tiny", "tiny_stories"} <= set(recipe_names())
    load_recipe.cache_clear()
    assert load_recipe("tiny").title == "A test"
    write(tmp_path, GOOD.replace('"tiny"', '"alpaca"'), "alpaca")
    with pytest.raises(BadInput, match="alpaca.toml is called like one that ships"):
        recipe_names()


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(BadInput, match=r"no recipe 'nope' in tasks/recipes.*known: \['alpaca'"):
        load_recipe("nope")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace('title = "A test"', "title = "), "line 3, top: no TOML: Invalid value .at line 3"),
        (
            GOOD.replace("{{ words[0] }}", "{{ wrods }}"),
            r"line 12, level.0.prompt: unknown placeholder \['wrods'\]; known: \['child', 'words'\]",
        ),
        (GOOD.replace("{{ words[0] }}", "{{ words"), "line 12, level.0.prompt: "),
        (
            GOOD.replace('["nouns"]', '["nuons"]'),
            r"line 6, slots.words: no word list 'nuons'.*known: \['adjectives'",
        ),
        (GOOD.replace("final = true", "finale = true"), "line 11, level.0.finale: Extra inputs"),
        (GOOD.replace("final = true", ""), "no level is final"),
        (
            GOOD.replace('reply = "text"', 'reply = "texts"'),
            r"line 10, level.0.reply: no parser 'texts'; known: \['alpaca'",
        ),
        (
            GOOD.replace('reply = "text"', 'reply = "text"\nparent = "summary"'),
            "line 9, top: level .* speaks of 'summary'",
        ),
        (
            GOOD.replace('name = "tiny"', 'name = "other"'),
            "line 2, name: named 'other'; it must be that of the file",
        ),
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


def test_every_mistake_is_told_with_its_line(tmp_path):
    text = GOOD.replace("{{ words[0] }}", "{{ wrods }}").replace('reply = "text"', 'reply = "texts"')
    recipe, mistakes = checked_recipe(write(tmp_path, text.replace('["nouns"]', '["nuons"]')))
    assert recipe is not None
    assert [(each.line, each.place) for each in mistakes] == [
        (6, "slots.words"),
        (10, "level.0.reply"),
        (12, "level.0.prompt"),
    ]
    with pytest.raises(BadInput, match=r"\(and 2 more: `seedloom recipes check .*tiny.toml`\)"):
        read_recipe(tmp_path / "tiny.toml")


def test_all_wrong_shapes_are_told_at_once(tmp_path):
    text = GOOD.replace("final = true", 'final = "perhaps"').replace("licence", "license")
    recipe, mistakes = checked_recipe(write(tmp_path, text))
    assert recipe is None
    assert {(each.line, each.place) for each in mistakes} == {
        (None, "licence"),
        (5, "license"),
        (11, "level.0.final"),
    }


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("sampler=random", "random"),
        ('sampler = "random"', "random"),
        ("tiny:sampler=random", "random"),
        ("other:sampler=random", "balanced"),
    ],
)
def test_a_change_sets_a_key_and_one_for_another_recipe_does_not(tmp_path, change, value):
    assert read_recipe(write(tmp_path, GOOD), (change,)).sampler == value


def test_changes_reach_levels_by_name_and_make_tables_that_were_not_there(tmp_path):
    changes = ("levels.story.children=3", "levels.story.sampling.temperature=0.5", "checks.obedience=0.25")
    recipe = read_recipe(write(tmp_path, GOOD), changes)
    (level,) = recipe.levels
    assert (level.children, level.sampling.temperature, recipe.checks.obedience) == (3, 0.5, 0.25)
    assert recipe_digest(recipe) != recipe_digest(read_recipe(write(tmp_path, GOOD)))


def test_null_takes_a_key_out(tmp_path):
    path = write(tmp_path, GOOD.replace("[[level]]", "[checks]\nobedience = 0.5\n[[level]]"))
    assert read_recipe(path).checks.obedience == 0.5
    assert read_recipe(path, ("checks.obedience=null",)).checks.obedience is None


def test_what_a_file_holds_that_an_option_names_is_part_of_the_version(tmp_path):
    named = tmp_path / "templates.toml"
    named.write_text("one")
    change = (f"levels.prompted.options.templates_file={named}",)
    first = recipe_digest(load_recipe("templates", change))
    named.write_text("two")
    assert recipe_digest(load_recipe("templates", change)) != first


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("sampler", "is no key=value"),
        ("=3", "is no key=value"),
        ("levels.tale.children=3", r"no level 'tale'; known: \['story'\]"),
        ("name.first=3", "'name' is no table"),
        ("samplar=random", "samplar: Extra inputs"),
        ("levels.story.children=none", "line 8, level.0.children: Input should be a valid integer"),
    ],
)
def test_a_change_that_fits_nothing_is_refused(tmp_path, change, said):
    with pytest.raises(BadInput, match=said):
        read_recipe(write(tmp_path, GOOD), (change,))


def test_a_recipe_is_found_by_the_path_of_its_file(tmp_path):
    assert load_recipe(str(write(tmp_path, GOOD))).title == "A test"


def test_another_word_in_a_list_of_ones_own_is_another_version(tmp_path):
    words = tmp_path / "mine.txt"
    words.write_text("# ours\nbread\nsoup\n")
    path = write(tmp_path, GOOD.replace('["nouns"]', f'["{words}"]'))
    first = recipe_digest(read_recipe(path))
    word_lists.word_list.cache_clear()
    words.write_text("bread\nstew\n")
    assert recipe_digest(read_recipe(path)) != first
    word_lists.word_list.cache_clear()


def test_a_run_carries_its_recipes_whole_so_that_a_worker_needs_no_file(tmp_path):
    path = write(tmp_path, GOOD)
    asked = asked_recipe(read_recipe(path, ("sampler=random",)))
    path.unlink()
    run = begin(tmp_path / "warehouse", "corpus", "tiny", "first", {"recipes": {"tiny": asked}})
    assert recipe_of(run, "tiny").sampler == "random"
    assert recipe_or_none(run, "tiny") == recipe_of(run, "tiny")
    assert recipe_or_none(run, "nobody") is None


def test_curated_data_has_no_recipe_even_when_it_is_called_like_one(tmp_path):
    run = begin(tmp_path, "curate", "alpaca", "first", {})
    assert recipe_or_none(run, "alpaca") is None


def test_a_file_that_begins_with_the_mark_of_windows_editors_is_read(tmp_path):
    assert read_recipe(write(tmp_path, "\ufeff" + GOOD.lstrip())).name == "tiny"


def test_a_file_that_is_no_text_is_told_as_such(tmp_path):
    (tmp_path / "tiny.toml").write_bytes(b"\xff\xfe")
    assert checked_recipe(tmp_path / "tiny.toml")[1][0].why.startswith("cannot be read: 'utf-8' codec")
