import pytest

from schemas.errors import BadInput
from tasks.rendering import names_in, render


def test_values_are_data_and_never_templates():
    assert render("Say {{ word }}.", {"word": "{{ 7 * 7 }}"}) == "Say {{ 7 * 7 }}."


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ word.join.__globals__ }}",
        "{{ range(9) }}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(attack):
    with pytest.raises(BadInput):
        render(attack, {"word": "x"})


def test_a_missing_value_is_named_with_what_is_known():
    with pytest.raises(BadInput, match=r"'nope' is undefined; known: \['word'\]"):
        render("{{ nope }}", {"word": "x"})


def test_the_names_that_a_template_asks_for_are_known_before_it_is_filled():
    assert names_in("{{ a }} {% for b in c %}{{ b }}{% endfor %}") == {"a", "c"}
    with pytest.raises(BadInput, match="unexpected"):
        names_in("{{ a")


@pytest.mark.parametrize(
    "template", ["{{ 1 / 0 }}", "{{ word + 1 }}", "{{ ', '.join(1) }}", "{% include word %}"]
)
def test_a_template_that_cannot_be_filled_is_an_error_in_one_line(template):
    with pytest.raises(BadInput, match=r"\Atemplate [^\n]+; known: \['word'\]\Z"):
        render(template, {"word": "x"})


def test_an_unknown_filter_is_told_in_one_line():
    with pytest.raises(BadInput, match=r"\ANo filter named 'jion'\.\Z"):
        names_in("{{ words | jion }}")


def test_a_template_takes_no_other_in():
    with pytest.raises(BadInput, match="takes in another template, '/etc/passwd'"):
        names_in("{% include '/etc/passwd' %}")
