"""Filling templates: Jinja in its sandbox, undefined names are errors, values are data."""

from functools import cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas.errors import BadInput

JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False)
JINJA.globals.clear()


def render(template: str, values: dict[str, Any]) -> str:
    """Fill a template. Values are data: braces in them stay as they are.

    Raises:
        BadInput: when the template asks for something that is not there.
    """
    try:
        return _compiled(template).render(values).strip()
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise BadInput(f"template {template[:60]!r}: {_said(error)}; known: {sorted(values)}") from error


def names_in(template: str) -> set[str]:
    """The names that a template asks for.

    Raises:
        BadInput: when it is no Jinja template, or takes in another one: there is none.
    """
    try:
        tree = JINJA.parse(template)
        if other := next(meta.find_referenced_templates(tree), None):
            raise BadInput(f"takes in another template, {other!r}; a template stands alone")
        return meta.find_undeclared_variables(tree)
    except TemplateError as error:
        raise BadInput(_said(error)) from error


def _said(error: Exception) -> str:
    """What is wrong in one line: Jinja adds the place in a file that there is not."""
    return " ".join(str(getattr(error, "message", None) or error).split())


@cache
def _compiled(template: str) -> Any:
    return JINJA.from_string(template)
