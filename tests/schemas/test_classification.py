import pytest
from pydantic import ValidationError

from schemas.classification import Classification
from schemas.settings import Form


def test_without_anything_the_columns_are_text_and_label_and_nothing_needs_a_network():
    assert Classification().model_dump() == {
        "text": "text", "label": "label", "map": [], "train": [], "encoder": "minilm", "c": 1.0, "seed": 0,
    }  # fmt: skip


def test_every_field_has_a_title_and_a_description_for_the_form():
    assert issubclass(Classification, Form)
    for name, field in Classification.model_fields.items():
        assert field.title and field.description, name


@pytest.mark.parametrize(
    "wrong", [{"c": 0}, {"c": 1e7}, {"seed": -1}, {"text": ""}, {"label": ""}, {"clas": 1}]
)
def test_values_out_of_range_and_unknown_fields_are_refused(wrong):
    with pytest.raises(ValidationError):
        Classification(**wrong)
