r"""Templates that turn a row of a labelled data set into a prompt and its target (PromptSource).

Bach et al. 2022, arXiv 2202.01279; P3, the rows made so, is what T0 was trained on. A template is Jinja,
split by `|||` into the prompt and the target; what follows a further `|||` is one more target that is
accepted, and so are the parts of `targets`. `answer_choices` is Jinja of its own, split the same way; the
template sees the list under that name, which therefore no row may have as a field. Parts are stripped. Three
bars inside data split nothing: they are hidden while a template is rendered and come back afterwards.

Filters beside Jinja's: `choice`, one of a list, drawn by the seed; `most_frequent`. The one global is `zip`.
"""

import random
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from jinja2 import StrictUndefined, Template, TemplateError, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import field_validator

from schemas.slot import Part

BAR = "|||"
RESERVED = "answer_choices"
_HIDDEN = "70319265480917352846"  # digits alone, so that no filter (upper, title, tojson) changes them
_DRAW = "random draws of this rendering"  # a name that no template can say


class PromptTemplate(Part):
    """One template of a data set."""

    name: str
    jinja: str
    answer_choices: str | None = None
    targets: str | None = None

    @field_validator("jinja", "answer_choices", "targets")
    @classmethod
    def _is_jinja(cls, told: str | None) -> str | None:
        try:
            _compiled(told or "")
        except TemplateError as error:
            raise ValueError(f"{error} in {told!r}") from error
        return told


class Filled(NamedTuple):
    """A row through a template."""

    prompt: str
    targets: list[str]  # all that are accepted, the first to train on; empty when the template gave none
    answer_choices: list[str] | None


class Unfillable(ValueError):
    """Why a row does not go through a template; the message is a reason."""


def fill(template: PromptTemplate, row: dict[str, Any], seed: int) -> Filled:
    """A row through a template.

    Args:
        template: the template.
        row: its fields by name.
        seed: of the filter `choice`.

    Raises:
        Unfillable: the row has a field `answer_choices`, or the template fails on it or names a field that
            it does not have.
    """
    if RESERVED in row:
        raise Unfillable(f"the row has a field {RESERVED!r}, a name that is kept for the template's choices")
    seen = {**{key: _hide(value) for key, value in row.items()}, _DRAW: random.Random(seed)}
    try:
        choices = _parts(template.answer_choices, seen) if template.answer_choices else None
        seen[RESERVED] = choices
        prompt, *targets = _parts(template.jinja, seen)
        targets += _parts(template.targets, seen) if template.targets else []
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise Unfillable(f"template {template.name!r}: {error}; fields: {sorted(row)}") from error
    shown = list(dict.fromkeys(filter(None, map(_show, targets))))
    return Filled(_show(prompt), shown, None if choices is None else [_show(each) for each in choices])


def fault(filled: Filled) -> str | None:
    """Why a filled template is nothing to train on; none when it is."""
    if not filled.prompt:
        return "empty prompt"
    return None if filled.targets else "empty target"


def _parts(jinja: str, seen: dict[str, Any]) -> list[str]:
    return [part.strip() for part in _compiled(jinja).render(seen).split(BAR)]


def _hide(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(BAR, _HIDDEN)
    if isinstance(value, dict):
        return {key: _hide(each) for key, each in value.items()}
    return [_hide(each) for each in value] if isinstance(value, list) else value


def _show(text: str) -> str:
    return text.replace(_HIDDEN, BAR).strip()


@pass_context
def _choice(context: Context, items: Sequence[Any]) -> Any:
    return context[_DRAW].choice(items)


def _most_frequent(items: Sequence[Any]) -> list[Any]:
    """The items that come most often, in their order."""
    counts = Counter(items).most_common()
    return [item for item, count in counts if count == counts[0][1]]


@cache
def _compiled(jinja: str) -> Template:
    return _JINJA.from_string(jinja)


_JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
_JINJA.globals.clear()
_JINJA.globals["zip"] = zip
_JINJA.filters.update(choice=_choice, most_frequent=_most_frequent)
