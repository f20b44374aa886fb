"""docs/recipes.md cannot go stale: every recipe, key, default, parser, maker, reader and list is on it as it is."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from schemas import recipe as form
from schemas.slot import Slot
from tasks import makers, replies
from tasks.recipe import checked_recipe, load_recipe, recipe_names
from tasks.replay import stages
from tasks.source_rows import readers
from tasks.word_lists import WORDS, word_list

PAGE = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text("utf-8")
TABLES = {
    "recipe": form.Recipe,
    "slots.NAME": Slot,
    "source": form.Source,
    "level": form.Level,
    "level.sampling": form.Sampling,
    "level.bootstrap": form.Bootstrap,
    "level.judge": form.Judge,
    "level.examples": form.Examples,
    "level.format": form.Format,
    "level.fields": form.Fields,
    "checks": form.Checks,
    "evolution": form.Evolution,
}
REFERENCE = PAGE.partition("## Every table and key")[2].partition("\n## ")[0]
EACH_TABLE = pytest.mark.parametrize("place", TABLES)
EACH_RECIPE = pytest.mark.parametrize("name", recipe_names())


def rows(text, head):
    """The rows of the table whose head begins so, as lists of cells."""
    assert text.count(f"| {head} |") == 1, head
    lines = text.partition(f"| {head} |")[2].splitlines()[2:]
    table = lines[: next(n for n, line in enumerate([*lines, ""]) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in table]


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


def default_of(field):
    """A default as the page writes it."""
    if field.is_required():
        return "required"
    default = field.default
    assert default is not PydanticUndefined
    if isinstance(default, BaseModel):
        return "its defaults"
    return "none" if default is None else f"`{json.dumps(default)}`"


def recipes():
    return {names(row[0])[0]: row for row in rows(PAGE, "recipe")}


def levels_of(recipe):
    return " > ".join(f"**{level.name}**" if level.final else level.name for level in recipe.levels)


def test_every_recipe_is_in_the_table_once():
    assert [names(row[0])[0] for row in rows(PAGE, "recipe")] == recipe_names()


@EACH_RECIPE
def test_a_recipe_is_listed_with_its_levels_and_what_it_grows_from(name):
    recipe = load_recipe(name)
    _, _, levels, origin, held = recipes()[name]
    seeds = [level.bootstrap.seeds for level in recipe.levels if level.bootstrap]
    files = recipe.source.file.split() if recipe.source else seeds
    assert levels == levels_of(recipe)
    assert names(origin) == [*files, *recipe.slots]
    assert held


@EACH_RECIPE
def test_a_recipe_has_a_section_or_is_named_in_that_of_its_kin(name):
    headings = re.findall(r"^### (.*)", PAGE.partition("## Recipe by recipe")[2], re.MULTILINE)
    kin = re.sub("_(vi|zh)$", "", name)
    assert any(kin in names(heading) for heading in headings)


def test_the_first_page_offers_every_recipe_once():
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    assert sorted(name for row in rows(readme, "to get") for name in names(row[1])) == recipe_names()


def test_the_reference_has_every_table_and_no_other():
    assert re.findall(r"^### `([^`]+)`", REFERENCE, re.MULTILINE) == list(TABLES)


@EACH_TABLE
def test_every_key_is_explained_with_its_default(place):
    section = REFERENCE.partition(f"### `{place}`\n")[2].partition("\n### ")[0]
    fields = TABLES[place].model_fields
    expected = {field.alias or name: default_of(field) for name, field in fields.items()}
    table = rows(section, "key")
    assert {names(key)[0]: default for key, _, default in table} == expected
    assert all(what for _, what, _ in table)


@pytest.mark.parametrize(
    ("head", "registry", "gives"),
    [
        ("parser, `reply =`", replies.parsers, replies.GIVES),
        ("maker, `make =`", makers.makers, makers.GIVES),
    ],
)
def test_every_parser_and_maker_is_listed_with_what_it_gives(head, registry, gives):
    registry()
    assert {names(row[0])[0]: tuple(names(row[2])) for row in rows(PAGE, head)} == gives


def test_every_reader_is_listed():
    assert {names(row[0])[0] for row in rows(PAGE, "reader, `source.reader =`")} == set(readers())


@EACH_RECIPE
def test_options_that_a_recipe_uses_are_listed_with_their_parser_maker_or_reader(name):
    recipe = load_recipe(name)
    listed = {"reply": "parser, `reply =`", "make": "maker, `make =`"}
    for level in recipe.levels:
        kind = "reply" if level.reply else "make"
        options = {names(row[0])[0]: names(row[3]) for row in rows(PAGE, listed[kind])}
        assert set(level.options) <= set(options[getattr(level, kind)])
    if recipe.source:
        options = {names(row[0])[0]: names(row[2]) for row in rows(PAGE, "reader, `source.reader =`")}
        assert set(recipe.source.options) <= set(options[recipe.source.reader])


def test_every_word_list_is_named_with_its_length():
    section = PAGE.partition("## Word lists")[2].partition("\n## ")[0]
    listed = {name: int(n) for name, n in re.findall(r"`(\w+)`\s\((\d+)\)", section)}
    assert listed == {path.stem: len(word_list(path.stem)) for path in WORDS.glob("*.txt")}


def test_every_stage_that_can_be_replayed_is_listed():
    assert {names(row[0])[0] for row in rows(PAGE, "stage")} == set(stages())


def test_the_example_loads_without_a_mistake(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / f"{tomllib.loads(example)['name']}.toml"
    path.write_text(example, "utf-8")
    recipe, mistakes = checked_recipe(path)
    assert recipe is not None and mistakes == []


def test_changes_that_the_page_shows_fit_the_recipes_that_they_are_shown_with():
    lines = re.findall(r"^seedloom (?:corpus|preview) .*--set .*$", PAGE, re.MULTILINE)
    assert len(lines) >= 4
    for line in lines:
        said = re.findall(r"--set (?:'([^']+)'|(\S+))", re.sub(r"\w+\.txt", "nouns", line))
        changes = tuple(quoted or bare for quoted, bare in said)
        known = [name for name in recipe_names() if re.search(rf"(recipe|preview) {name}\b", line)]
        assert known and all(load_recipe(name, changes) for name in known), line
