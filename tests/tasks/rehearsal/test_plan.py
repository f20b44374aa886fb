import re
from pathlib import Path

import pytest

from schemas.errors import BadInput
from schemas.rehearsal import KINDS, Fault, Plan, Uniform
from tasks.rehearsal.faults import drawn
from tasks.rehearsal.log import COLUMNS
from tasks.rehearsal.plan import load_plan, parse_fault, plan_of

PAGE = (Path(__file__).parents[3] / "docs" / "rehearsal.md").read_text("utf-8")


def written(tmp_path, text):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("rate_limit:0.1", {"kind": "rate_limit", "rate": 0.1}),
        ("reset@5,6", {"kind": "reset", "at": [5, 6]}),
        ("hang@10-20", {"kind": "hang", "from": 10, "to": 20}),
        ("hang@10-", {"kind": "hang", "from": 10}),
        ("html:0.5@10-20", {"kind": "html", "rate": 0.5, "from": 10, "to": 20}),
        ("rate_limit:0.1,retry_after=7", {"kind": "rate_limit", "rate": 0.1, "retry_after": 7}),
        ("hang@5,6,seconds=2.5", {"kind": "hang", "at": [5, 6], "seconds": 2.5}),
    ],
)
def test_the_short_form_of_a_fault_is_the_long_one(text, fields):
    assert Fault.model_validate(parse_fault(text)) == Fault.model_validate(fields)


@pytest.mark.parametrize("text", ["nope:0.1", "", ":0.1", "reset:0.1,colour=red"])
def test_a_fault_that_is_none_is_named_with_the_known_kinds(text):
    with pytest.raises(BadInput) as error:
        parse_fault(text)
    assert repr(text) in str(error.value) and "'lone_surrogate'" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[faults]]\nkind = 'nope'\nrate = 0.1", r"faults\.0\.kind is 'nope'; known kinds: \['rate_limit'"),
        ("[[faults]]\nkind = 'reset'\nrate = 7", r"faults\.0\.rate is 7: .*less than or equal to 1"),
        ("[[faults]]\nkind = 'reset'", r"faults\.0: fault 'reset' never happens"),
        ("latency = 'soon'", r"latency\.fixed\.seconds is 'soon': .*valid number"),
        (
            "latency = 'gamma:1'",
            r"latency is 'gamma:1': latency 'gamma:1' has none of the forms 0\.2, uniform:",
        ),
        ("latancy = 1", r"latancy is no field of a plan; known: \["),
        ("faults = 3", r"faults is 3, not a list"),
        ("models = []", r"models: "),
        ("seed = ", r"is no TOML"),
    ],
)
def test_a_wrong_plan_is_one_line_with_the_place_and_the_value(tmp_path, text, said):
    with pytest.raises(BadInput, match=said) as error:
        load_plan(written(tmp_path, text))
    assert "plan.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_plan_that_is_not_there_or_not_text_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"no plan at .*gone\.toml"):
        load_plan(tmp_path / "gone.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"bytes\.toml is no TOML"):
        load_plan(tmp_path / "bytes.toml")


def test_a_wrong_key_is_not_repeated():
    with pytest.raises(BadInput) as error:
        plan_of({"key": ["sk-canary"]})
    assert "sk-canary" not in str(error.value)


def test_what_is_given_besides_replaces_fields_and_adds_faults(tmp_path):
    path = written(tmp_path, "seed = 3\nlatency = 1\n[[faults]]\nkind = 'reset'\nat = [1]\n")
    plan = load_plan(path, {"latency": "uniform:0,1", "faults": [parse_fault("hang@2")]})
    assert (plan.seed, plan.latency) == (3, Uniform(low=0, high=1))
    assert [fault.kind for fault in plan.faults] == ["reset", "hang"]
    assert load_plan(None) == Plan()


def test_the_plan_on_the_page_is_a_plan_and_does_what_the_page_says(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    plan = load_plan(written(tmp_path, example))
    assert set(re.findall(r"^(\w+) = ", example.partition("[[")[0], re.MULTILINE)) >= {"latency", "seed"}
    assert [drawn(plan, number).kind for number in (7, 8, 100, 120)] == ["reset"] * 2 + ["server_error"] * 2
    kinds = [fault.kind for number in range(1, 2001) if (fault := drawn(plan, number))]
    assert {fault.kind for fault in plan.faults} == set(kinds)


def test_the_page_explains_every_fault_every_field_of_a_plan_and_every_column():
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert rows == set(KINDS) | set(Plan.model_fields) | set(COLUMNS)
