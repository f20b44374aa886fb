"""Recipes as data: finding, changing and checking them. Adding a recipe is adding one TOML file."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.errors import BadInput
from schemas.ids import digest
from schemas.recipe import Recipe
from schemas.settings import Settings
from tasks.recipe_check import Mistake, mistakes_in
from tasks.recipe_lines import line_of, line_of_level
from tasks.word_lists import lists_digest
from warehouse.files import sha256_of
from warehouse.run import Run

FOLDER = Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """The names of all recipes: those that ship, and those of the folder in the setting `recipes`.

    Raises:
        BadInput: when there is none, or one of the user's is called like one that ships.
    """
    return sorted(_files())


def _files() -> dict[str, Path]:
    """Every file in the folders of recipes is a recipe."""
    shipped = {path.stem: path for path in FOLDER.glob("*.toml")}
    if not shipped:
        raise BadInput(f"no recipes in {FOLDER}: the installation is incomplete")
    folder = Settings().recipes
    mine = {path.stem: path for path in folder.glob("*.toml")} if folder else {}
    if twice := sorted(set(shipped) & set(mine)):
        raise BadInput(f"recipe {mine[twice[0]]} is called like one that ships; give it another name")
    return shipped | mine


@cache
def load_recipe(name: str, changes: tuple[str, ...] = ()) -> Recipe:
    """A recipe by name, or by the path of its file, checked to its last placeholder.

    Args:
        name: of a recipe that ships, or the path of a TOML file.
        changes: `key=value` with dots between tables, levels by name: `levels.story.children=3`; `key=null`
            takes a key out. One that begins with a recipe's name and a colon is for that recipe alone.

    Raises:
        BadInput: for an unknown name, a change that fits nothing or a mistake in the file, with its place.
    """
    return read_recipe(_path_of(name), changes)


def recipe_of(run: Run, name: str) -> Recipe:
    """The recipe as the run was asked for it: it travels in the run, so that every worker has the same."""
    kept = run.parameters.get("recipes", {}).get(name)
    return load_recipe(name) if kept is None else _revived(digest("recipe", kept), kept["recipe"])


def recipe_or_none(run: Run, name: str) -> Recipe | None:
    """The recipe of that name in a run; none for curated data, even when it is called like a recipe."""
    known = run.flow == "corpus" and (name in run.parameters.get("recipes", {}) or name in recipe_names())
    return recipe_of(run, name) if known else None


def read_recipe(path: Path, changes: tuple[str, ...] = ()) -> Recipe:
    """A recipe from a file, with changes.

    Raises:
        BadInput: names the file, the line and what is wrong; of several mistakes the first.
    """
    recipe, mistakes = checked_recipe(path, changes)
    if recipe is None or mistakes:
        more = f" (and {len(mistakes) - 1} more: `seedloom recipes check {path}`)" if mistakes[1:] else ""
        raise BadInput(f"recipe {path}, {mistakes[0]}{more}")
    return recipe


def checked_recipe(path: Path, changes: tuple[str, ...] = ()) -> tuple[Recipe | None, list[Mistake]]:
    """A recipe and everything that is wrong with its file; None when it cannot be read at all."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        return None, [Mistake(None, "top", f"cannot be read: {error}")]
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", f"{error}")
        return None, [Mistake(int(line[1]) if line else None, "top", f"no TOML: {error}")]
    try:
        for change in changes:
            _apply(table, change)
        recipe = Recipe.model_validate(table)
    except ValidationError as error:
        return None, [_mistake(text, each["loc"], each["msg"]) for each in error.errors()]
    found = [_mistake(text, place, why) for place, why in mistakes_in(recipe)]
    if recipe.name != path.stem:
        found.insert(0, _mistake(text, ("name",), f"named {recipe.name!r}; it must be that of the file"))
    return recipe, found


def recipe_digest(recipe: Recipe) -> str:
    """The version of a recipe: any change of meaning changes it, comments do not."""
    return digest("recipe", recipe.model_dump(by_alias=True), lists_digest(recipe), _option_files(recipe))


def asked_recipe(recipe: Recipe) -> dict[str, Any]:
    """What a run keeps of a recipe: its version and all of it."""
    whole = recipe.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    return {"version": recipe_digest(recipe), "recipe": whole}


def _option_files(recipe: Recipe) -> dict[str, str]:
    """SHA-256 of each file that an option names: what it holds is part of the recipe."""
    options = [recipe.source.options] if recipe.source else []
    options += [level.options for level in recipe.levels]
    named = {value for each in options for value in each.values() if isinstance(value, str)}
    return {name: sha256_of(Path(name)) for name in sorted(named) if name and _is_file(name)}


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # a text, longer than any name of a file
        return False


_REVIVED: dict[str, Recipe] = {}


def _revived(key: str, whole: dict[str, Any]) -> Recipe:
    if key not in _REVIVED:
        _REVIVED[key] = Recipe.model_validate(whole)
    return _REVIVED[key]


def _path_of(name: str) -> Path:
    if name in _files():
        return _files()[name]
    if name.endswith(".toml") and Path(name).is_file():
        return Path(name)
    raise BadInput(
        f"no recipe {name!r} in tasks/recipes, and no .toml file of that name; known: {recipe_names()}"
    )


def _mistake(text: str, place: tuple[Any, ...], why: str) -> Mistake:
    named = ".".join(map(str, place)) or "top"
    line = line_of(text, place) if place else line_of_level(text, why)
    return Mistake(line, named, why.removeprefix("Value error, "))


def _apply(table: dict[str, Any], change: str) -> None:
    """Put one change into the table of a recipe; what it means is checked with the whole."""
    key, equals, value = change.partition("=")
    recipe, colon, rest = key.partition(":")
    if colon and recipe.strip() != table.get("name"):
        return
    *places, last = (rest if colon else key).strip().split(".")
    if not equals or not last:
        raise BadInput(f"change {change!r} is no key=value, such as levels.story.children=3")
    for number, place in enumerate(places):
        by_name = number == 1 and places[0] == "levels"
        table = _level(table, place, change) if by_name else _inside(table, place, change)
    if value.strip() == "null":
        table.pop(last, None)
        return
    table[last] = _toml_value(value.strip())


def _inside(table: dict[str, Any], place: str, change: str) -> dict[str, Any]:
    inner = table if place == "levels" else table.setdefault(place, {})
    if not isinstance(inner, dict):
        raise BadInput(f"change {change!r}: {place!r} is no table; known here: {sorted(map(str, table))}")
    return inner


def _level(table: dict[str, Any], name: str, change: str) -> dict[str, Any]:
    levels = {level.get("name"): level for level in table.get("level", [])}
    if name not in levels:
        raise BadInput(f"change {change!r}: no level {name!r}; known: {sorted(map(str, levels))}")
    return levels[name]


def _toml_value(value: str) -> Any:
    """A TOML value; what is none is a string."""
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value
