import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.prompt_templates import Filled, PromptTemplate, Unfillable, fault, fill

plain = st.text(st.characters(exclude_characters="|", exclude_categories=("Cs", "Cc", "Z")), min_size=1)


def through(jinja, row, seed=0, **more):
    return fill(PromptTemplate(name="t", jinja=jinja, **more), row, seed)


def test_the_bars_split_prompt_and_target_and_both_are_stripped():
    found = through("  Say {{ a }}. \n|||\n {{ b }} ", {"a": "one", "b": "two"})
    assert found == Filled("Say one.", ["two"], None)


def test_answer_choices_are_a_template_of_their_own():
    found = through(
        "{{ x }}? ||| {{ answer_choices[label] }}", {"x": "Cold", "label": 1, "hot": "warm"},
        answer_choices="{{ hot }} ||| icy",
    )  # fmt: skip
    assert found == Filled("Cold?", ["icy"], ["warm", "icy"])


def test_further_targets_come_by_more_bars_or_by_their_own_key_and_none_twice():
    found = through("{{ a }} ||| 1 ||| one", {"a": "n"}, targets="one ||| eins")
    assert found.targets == ["1", "one", "eins"]


@pytest.mark.parametrize("jinja", ["{{ a }}", "{{ a }} |||", "{{ a }} ||| {{ '' }}", "{{ a }} |||  ||| "])
def test_a_split_that_is_too_short_gives_an_empty_target(jinja):
    found = through(jinja, {"a": "words"})
    assert found.targets == [] and fault(found) == "empty target"


def test_an_empty_prompt_is_a_fault():
    assert fault(through(" ||| {{ a }}", {"a": "b"})) == "empty prompt"
    assert fault(through("{{ a }} ||| x", {"a": "b"})) is None


def test_bars_in_the_data_split_nothing_and_come_back():
    row = {"a": "x ||| y", "many": ["p|||q", {"deep": "|||"}]}
    found = through(
        "{{ a }} / {{ many[0] }} / {{ many[1].deep }} ||| {{ a }}", row, answer_choices="{{ a }} ||| z"
    )
    assert found.prompt == "x ||| y / p|||q / |||"
    assert found.targets == ["x ||| y"] and found.answer_choices == ["x ||| y", "z"]


@pytest.mark.parametrize("name", ["upper", "lower", "title", "tojson", "trim"])
def test_no_filter_of_jinja_spoils_hidden_bars(name):
    assert "|||" in through(f"{{{{ a | {name} }}}} ||| y", {"a": "b|||c"}).prompt


def test_answer_choices_is_a_reserved_name():
    with pytest.raises(Unfillable, match="'answer_choices'"):
        through("{{ a }} ||| b", {"a": "x", "answer_choices": []})


@pytest.mark.parametrize(
    "jinja", ["{{ b }} ||| x", "{{ a.real.x }} ||| y", "{{ a[3:] // 0 }} ||| y", "{{ [][4] }}"]
)
def test_a_template_that_fails_on_a_row_says_which_one_and_what_the_row_has(jinja):
    with pytest.raises(Unfillable, match=r"template 't': .*; fields: \['a'\]"):
        through(jinja, {"a": "x"})


def test_what_is_no_jinja_is_refused_before_a_row_is_seen():
    with pytest.raises(ValueError, match="unexpected '}'"):
        PromptTemplate(name="t", jinja="{{ a } ||| b")
    with pytest.raises(ValueError, match="No filter named 'shout'"):
        PromptTemplate(name="t", jinja="{{ a }} ||| b", answer_choices="{{ a | shout }}")


@pytest.mark.parametrize(
    "attack", ["{{ a.__class__.__mro__ }} ||| y", "{{ cycler.__init__ }} ||| y", "{{ range(9) }}"]
)
def test_templates_are_sandboxed(attack):
    with pytest.raises(Unfillable):
        through(attack, {"a": "x"})


def test_data_is_never_taken_for_a_template():
    assert through("{{ a }} ||| y", {"a": "{{ 6 * 7 }} {% raw %}"}).prompt == "{{ 6 * 7 }} {% raw %}"


def test_a_choice_is_drawn_by_the_seed_and_several_in_one_template_differ():
    jinja = "{% for _ in 'xxxxxxxx' %}{{ ['a', 'b', 'c'] | choice }}{% endfor %} ||| y"
    draws = [through(jinja, {}, seed).prompt for seed in range(30)]
    assert draws == [through(jinja, {}, seed).prompt for seed in range(30)]
    assert len(set(draws)) > 25 and any(len(set(draw)) == 3 for draw in draws)


def test_the_other_names_of_promptsource_are_there():
    jinja = "{{ [1, 2, 2, 3, 3] | most_frequent }} {% for a, b in zip('ab', 'cd') %}{{ a }}{{ b }}{% endfor %} ||| y"
    assert through(jinja, {}).prompt == "[2, 3] acbd"


@given(plain, plain)
def test_what_is_rendered_is_read_back_as_it_was(prompt, target):
    found = through("{{ p }} ||| {{ t }}", {"p": prompt, "t": target})
    assert (found.prompt, found.targets) == (prompt.strip(), [target.strip()])


@given(st.lists(plain, min_size=1, max_size=5), st.data())
def test_fields_with_bars_inside_survive_a_round_trip(parts, data):
    text = "|||".join(parts)
    found = through("{{ p }} ||| {{ q | tojson }}", {"p": text, "q": text})
    assert found.prompt == text.strip()
    assert json.loads(found.targets[0]) == text
