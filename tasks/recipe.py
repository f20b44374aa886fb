"""Recipes as data: finding, checking and rendering them. Adding a recipe is adding one TOML file."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from schemas.errors import BadInput
from schemas.ids import digest
from schemas.recipe import Level, Recipe

FOLDER = Path(__file__).parent / "recipes"
WORDS = Path(__file__).parent / "words"

_JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False)
_JINJA.globals.clear()


def recipe_names() -> list[str]:
    """The names of all recipes; a file in the folder is a recipe.

    Raises:
        BadInput: when there is none.
    """
    names = sorted(path.stem for path in FOLDER.glob("*.toml"))
    if not names:
        raise BadInput(f"no recipes in {FOLDER}: the installation is incomplete")
    return names


@cache
def load_recipe(name: str) -> Recipe:
    """A recipe by name, checked to its last placeholder.

    Raises:
        BadInput: for an unknown name or a mistake in the file, with its place.
    """
    path = FOLDER / f"{name}.toml"
    if name not in recipe_names():
        raise BadInput(f"no recipe {name!r} in tasks/recipes; known: {recipe_names()}")
    return read_recipe(path)


def read_recipe(path: Path) -> Recipe:
    """A recipe from a file.

    Raises:
        BadInput: names the file and the line or key that is wrong.
    """
    try:
        recipe = Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"recipe {path} is no TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "top"
        raise BadInput(f"recipe {path}, {place}: {first['msg']}") from error
    if recipe.name != path.stem:
        raise BadInput(f"recipe {path} is named {recipe.name!r}; the name must be that of the file")
    _refuse_unknown_lists(recipe, path)
    for level in recipe.levels:
        _refuse_unknown_placeholders(recipe, level, path)
        _refuse_faulty_schema(level, path)
    return recipe


def _refuse_faulty_schema(level: Level, path: Path) -> None:
    if level.json_schema is None:
        return
    from tasks.calls.structured import check_schema

    try:
        check_schema(level.json_schema)
    except BadInput as error:
        raise BadInput(f"recipe {path}, level {level.name!r}: {error}") from error


def recipe_digest(recipe: Recipe) -> str:
    """The version of a recipe: any change of meaning changes it, comments do not."""
    return digest("recipe", recipe.model_dump(by_alias=True))


def word_list(name: str) -> list[str]:
    """The words of a list in tasks/words, in the order of the file; `#` begins a comment."""
    lines = (WORDS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def render(template: str, values: dict[str, Any]) -> str:
    """Fill a template. Values are data: braces in them stay as they are.

    Raises:
        BadInput: when the template asks for something that is not there.
    """
    try:
        return _compiled(template).render(values).strip()
    except TemplateError as error:
        raise BadInput(f"template {template[:60]!r}: {error}; known: {sorted(values)}") from error


@cache
def _compiled(template: str) -> Any:
    return _JINJA.from_string(template)


def _refuse_unknown_lists(recipe: Recipe, path: Path) -> None:
    known = sorted(file.stem for file in WORDS.glob("*.txt"))
    for name, slot in recipe.slots.items():
        for words in slot.each:
            if words not in known:
                raise BadInput(f"recipe {path}, slots.{name}: no word list {words!r}; known: {known}")


def _refuse_unknown_placeholders(recipe: Recipe, level: Level, path: Path) -> None:
    known = set(recipe.slots) | _names_above(recipe, level) | ({"tasks"} if level.bootstrap else set())
    for template in filter(None, (level.prompt, level.instruction)):
        try:
            used = meta.find_undeclared_variables(_JINJA.parse(template))
        except TemplateError as error:
            raise BadInput(f"recipe {path}, level {level.name}: {error}") from error
        if used - known:
            raise BadInput(
                f"recipe {path}, level {level.name}: unknown placeholder {sorted(used - known)}; "
                f"known: {sorted(known)}"
            )


def _names_above(recipe: Recipe, level: Level) -> set[str]:
    levels = {each.name: each for each in recipe.levels}
    names: set[str] = set()
    while level.parent is not None:
        names.add(level.parent)
        level = levels[level.parent]
    return names
