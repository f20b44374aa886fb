import pytest
from pydantic import Field

from schemas.errors import BadInput
from schemas.slot import Part
from tasks.options import checked


class Frame(Part):
    width: int = Field(default=3, ge=1)
    colours: list[str] = []


def test_options_get_their_form_and_the_missing_ones_their_defaults():
    assert checked(Frame, {"colours": ["red"]}, "here") == Frame(width=3, colours=["red"])


def test_an_unknown_option_is_refused_with_the_known_ones():
    with pytest.raises(BadInput, match=r"here: no option 'height'; known: \['colours', 'width'\]"):
        checked(Frame, {"height": 2}, "here")


def test_a_value_out_of_bounds_is_refused_by_name():
    with pytest.raises(BadInput, match=r"here: option width: .*greater than or equal to 1"):
        checked(Frame, {"width": 0}, "here")
