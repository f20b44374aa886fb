import pytest
from pydantic import ValidationError

from schemas.slot import Slot


@pytest.mark.parametrize(
    "slot",
    [
        {"each": ["nouns"]},
        {"choice": ["a"]},
        {"choice_of": "topics"},
        {"coins": {"a": 0.5, "b": 0.0}, "at_least": 1},
        {"subsets": {"a+b": 2, "": 1}},
        {"subsets_file": "x.json"},
        {"choice": ["a", "b"], "needs": {"2": "choices"}},
    ],
)
def test_a_slot_is_drawn_in_one_way(slot):
    assert Slot.model_validate(slot).model_dump(exclude_defaults=True) == slot


@pytest.mark.parametrize(
    ("slot", "says"),
    [
        ({}, "exactly one of"),
        ({"choice": ["a"], "choice_of": "topics"}, "exactly one of"),
        ({"coins": {"a": 0.5, "b": 0.0}, "at_least": 2}, "only 1 coins can fall"),
        ({"coins": {"a": 1.5}}, "less than or equal to 1"),
        ({"subsets": {"a": -1}}, "greater than or equal to 0"),
        ({"choice": ["a", "b"], "needs": {"3": "choices"}}, "no item number '3'; choice has 1 to 2"),
        ({"choice": ["a"], "needs": {"one": "choices"}}, "no item number 'one'"),
        ({"choise": ["a"]}, "Extra inputs"),
    ],
)
def test_a_slot_that_cannot_be_drawn_is_refused(slot, says):
    with pytest.raises(ValidationError, match=says):
        Slot.model_validate(slot)
