import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.rehearsal import KINDS, Fault, Fixed, Latency, Lognormal, Plan, Uniform

LATENCY = TypeAdapter(Latency)
SHARES = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("form", "latency"),
    [
        ("0.2", Fixed(seconds=0.2)),
        (0.2, Fixed(seconds=0.2)),
        (1, Fixed(seconds=1)),
        ("fixed:0.2", Fixed(seconds=0.2)),
        ("uniform:0.1,0.5", Uniform(low=0.1, high=0.5)),
        ("lognormal:0.2,0.5", Lognormal(median=0.2, sigma=0.5)),
        ({"kind": "uniform", "low": 0.1, "high": 0.5}, Uniform(low=0.1, high=0.5)),
    ],
)
def test_a_latency_has_a_short_form_and_a_long_one(form, latency):
    assert LATENCY.validate_python(form) == latency


@pytest.mark.parametrize(
    "form", ["soon", "uniform:0.1", "uniform:0.5,0.1", "gamma:1,2", "-1", "0.1,0.2", True, ["0.1"]]
)
def test_any_other_form_is_refused(form):
    with pytest.raises(ValidationError):
        LATENCY.validate_python(form)


@given(SHARES, SHARES)
def test_latencies_grow_with_their_share_and_stay_in_their_range(one, other):
    low, high = sorted((one, other))
    for latency in (Fixed(seconds=0.3), Uniform(low=0.1, high=0.5), Lognormal(median=0.2, sigma=0.7)):
        assert 0 <= latency.quantile(low) <= latency.quantile(high)
    assert 0.1 <= Uniform(low=0.1, high=0.5).quantile(one) <= 0.5


def test_half_of_the_lognormal_latencies_are_below_the_median_and_sixteen_percent_a_sigma_above():
    latency = Lognormal(median=0.2, sigma=0.5)
    assert latency.quantile(0.5) == pytest.approx(0.2)
    assert latency.quantile(0.8413447) == pytest.approx(0.2 * math.exp(0.5), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_makes_a_fault(kind):
    assert Fault(kind=kind, rate=0.5).share(1) == 0.5


def test_a_fault_says_when_it_happens():
    with pytest.raises(ValidationError, match="never happens"):
        Fault(kind="reset")
    with pytest.raises(ValidationError, match="the first is larger"):
        Fault.model_validate({"kind": "reset", "from": 5, "to": 4})
    with pytest.raises(ValidationError):
        Fault(kind="reset", at=(0,))


def named(fault):
    return [number for number in range(1, 8) if fault.names(number)]


def test_a_range_without_a_share_is_all_of_it_and_with_one_it_is_drawn():
    whole = Fault.model_validate({"kind": "reset", "from": 3, "to": 4})
    assert (named(whole), whole.share(3)) == ([3, 4], 0.0)
    part = Fault.model_validate({"kind": "reset", "rate": 0.2, "from": 3, "to": 4})
    assert (named(part), [part.share(n) for n in (2, 3, 4, 5)]) == ([], [0, 0.2, 0.2, 0])
    assert Fault.model_validate({"kind": "reset", "from": 3}).names(10**9)


def test_numbers_are_named_and_a_share_comes_on_top():
    fault = Fault(kind="reset", at=(2, 5), rate=0.1)
    assert (named(fault), fault.share(1)) == ([2, 5], 0.1)
    assert named(Fault(kind="reset", at=(2,))) == [2]


def test_the_shares_of_faults_that_may_meet_do_not_exceed_one():
    halves = [{"kind": "reset", "rate": 0.6}, {"kind": "hang", "rate": 0.6, "from": 10}]
    with pytest.raises(ValidationError, match=r"completion 10 add up to 1\.2"):
        Plan(faults=halves)
    apart = [{"kind": "reset", "rate": 1, "to": 9}, {"kind": "hang", "rate": 1, "from": 10}]
    assert len(Plan(faults=apart).faults) == 2


def test_the_default_plan_answers_at_once_without_a_fault():
    plan = Plan()
    assert (plan.latency.quantile(0.9), plan.faults, plan.key, plan.models) == (
        0.0,
        (),
        None,
        ("offline/storyteller",),
    )


def test_a_plan_never_shows_its_key():
    plan = Plan(key="sk-canary")
    assert "sk-canary" not in repr(plan) + plan.model_dump_json()
    with pytest.raises(ValidationError) as error:
        Plan(key=["sk-canary"])
    assert "sk-canary" not in str(error.value)


def test_a_field_that_no_plan_has_is_refused():
    with pytest.raises(ValidationError, match="extra"):
        Plan(latancy=1)
