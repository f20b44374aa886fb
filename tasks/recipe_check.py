"""What is wrong with a recipe beyond its shape: unknown lists, parsers, readers and placeholders."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from schemas.errors import BadInput
from schemas.recipe import Level, Recipe
from tasks import makers, replies
from tasks.feature_subsets import read_subsets
from tasks.makers import makers as all_makers
from tasks.rendering import names_in
from tasks.replies import parsers
from tasks.word_lists import lists_of, subset_files, word_list

RESERVED = {"child", "reply", "tasks", "examples", "classification_only"}  # what templates see anyway

Fault = tuple[tuple[Any, ...], str]  # place as pydantic tells it, and why


class Mistake(NamedTuple):
    """One mistake in a recipe file."""

    line: int | None
    place: str
    why: str

    def __str__(self) -> str:
        """Line, place and reason."""
        return f"line {self.line}, {self.place}: {self.why}" if self.line else f"{self.place}: {self.why}"


def mistakes_in(recipe: Recipe) -> Iterator[Fault]:
    """Every mistake in a recipe whose shape is right."""
    for name in lists_of(recipe):
        yield from _refused(("slots", _slot_of(recipe, name)), word_list, name)
    for name in subset_files(recipe):
        yield from _refused(("slots",), read_subsets, name)
    yield from _faults_of_source(recipe)
    for name in recipe.slots:
        if name in RESERVED or name in {level.name for level in recipe.levels}:
            yield ("slots", name), f"{name!r} means something else in a template; call the slot differently"
    for number, level in enumerate(recipe.levels):
        for place, why in _faults_of_level(recipe, level):
            yield ("level", number, *place), why


def known_names(recipe: Recipe, level: Level) -> set[str]:
    """What the prompt of a level may speak of."""
    names = {*recipe.slots, *_names_above(recipe, level), "child", *level.gather}
    if level.bootstrap:
        names |= {"tasks", "classification_only"}
    if level.examples:
        names.add("examples")
    return names


def _faults_of_source(recipe: Recipe) -> Iterator[Fault]:
    if recipe.source is None:
        return
    from tasks.source_rows import readers, seed_file

    yield from _unknown(("source", "reader"), "reader", recipe.source.reader, readers())
    for file in recipe.source.file.split():
        yield from _refused(("source", "file"), seed_file, file)


def _faults_of_level(recipe: Recipe, level: Level) -> Iterator[Fault]:
    if level.reply is not None:
        yield from _unknown(("reply",), "parser", level.reply, parsers())
    engine = {"swap"} if level.gather else set()
    if level.reply in parsers() and level.reply not in replies.TAKE_OPTIONS and set(level.options) - engine:
        yield ("options",), f"the parser {level.reply!r} takes no options: {sorted(level.options)}"
    if level.make is not None:
        yield from _unknown(("make",), "maker", level.make, all_makers())
    known = known_names(recipe, level)
    for key in ("prompt", "system"):
        yield from _faults_of_template((key,), getattr(level, key), known)
    trained = known | {level.name, "reply", *_given(level)}
    for key in ("instruction", "input", "output", "train_system"):
        yield from _faults_of_template((key,), getattr(level, key), trained)
    for label, part in (level.fields.parts if level.fields else {}).items():
        yield from _faults_of_template(("fields", "parts", label), part, trained)
    yield from _faults_of_form_and_pool(level)
    if level.json_schema is not None:
        from tasks.calls.structured import check_schema

        yield from _refused(("json_schema",), check_schema, level.json_schema)


def _faults_of_form_and_pool(level: Level) -> Iterator[Fault]:
    for key in ("with_input", "without_input"):
        for number, template in enumerate(getattr(level.format, key, [])):
            yield from _faults_of_template(("format", key, number), template, {"instruction", "input"})
    if level.bootstrap is not None:
        from tasks.pool import read_seeds

        yield from _refused(("bootstrap", "seeds"), read_seeds, level.bootstrap.seeds)


def _faults_of_template(place: tuple[Any, ...], template: str | None, known: set[str]) -> Iterator[Fault]:
    if template is None:
        return
    try:
        used = names_in(template)
    except BadInput as error:
        yield place, f"{error}"
        return
    if used - known:
        yield place, f"unknown placeholder {sorted(used - known)}; known: {sorted(known)}"


def _unknown(place: tuple[Any, ...], what: str, name: str, known: dict[str, Any]) -> Iterator[Fault]:
    if name not in known:
        yield place, f"no {what} {name!r}; known: {sorted(known)}"


def _refused(place: tuple[Any, ...], check: Any, value: Any) -> Iterator[Fault]:
    try:
        check(value)
    except BadInput as error:
        yield place, f"{error}"


def _slot_of(recipe: Recipe, words: str) -> str:
    return next(name for name, slot in recipe.slots.items() if words in (*slot.each, slot.choice_of))


def _names_above(recipe: Recipe, level: Level) -> set[str]:
    """The levels above, what their replies bring beside their text, and the fields of the source."""
    levels = {each.name: each for each in recipe.levels}
    names: set[str] = set()
    while level.parent is not None:
        names.add(level.parent)
        if recipe.source and level.parent == recipe.source.level:
            return names | set(recipe.source.fields)
        level = levels[level.parent]
        names |= _given(level)
    return names


def _given(level: Level) -> set[str]:
    gives = replies.GIVES.get(level.reply or "", ()) + makers.GIVES.get(level.make or "", ())
    return set(gives)
