"""Options of a parser, maker or reader as a recipe gives them: checked whole, refused by name."""

from typing import Any, TypeVar

from pydantic import ValidationError

from schemas.errors import BadInput
from schemas.slot import Part

Form = TypeVar("Form", bound=Part)


def checked(form: type[Form], options: dict[str, Any], place: str) -> Form:
    """The options in their form.

    Args:
        form: which options there are, their types, bounds and defaults.
        options: what the recipe says.
        place: whose options they are, for the message: `make = "template"`.

    Raises:
        BadInput: an option that the form does not know, or a value that it refuses.
    """
    known = sorted(form.model_fields)
    if strange := sorted(set(options) - set(known)):
        raise BadInput(f"{place}: no option {strange[0]!r}; known: {known}")
    try:
        return form.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "options"
        raise BadInput(f"{place}: option {name}: {first['msg']}") from error
