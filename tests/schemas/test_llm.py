import json
import os
import tempfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.llm import LLM, OFFLINE, Address, EndpointAt, Limits
from schemas.settings import Settings

KEY = "sk-quite-secret"
URL = "http://127.0.0.1:1/v1"


def test_without_an_address_the_storyteller_writes():
    assert LLM().is_offline and LLM().model == OFFLINE and LLM().sites() == ()


@pytest.mark.parametrize("provider", ["batch", "transformers", "vllm"])
def test_a_provider_that_is_named_is_not_the_storyteller(provider):
    assert not LLM(provider=provider).is_offline


def test_an_address_of_its_own_is_one_site_with_the_key_and_the_name_of_its_block():
    llm = LLM(base_url=URL, api_key=KEY, api_key_block="block", model="m")
    (site,) = llm.sites()
    assert not llm.is_offline
    assert (site.base_url, site.api_key.get_secret_value(), site.api_key_block) == (URL, KEY, "block")
    assert (site.model, site.weight, site.limits) == (None, 1.0, None)
    assert {name: getattr(site, name) for name in Address.model_fields} == {
        name: getattr(llm, name) for name in Address.model_fields
    }


def test_several_endpoints_are_the_sites_as_they_were_named():
    named = (EndpointAt(base_url=URL), EndpointAt(base_url=f"{URL}/b", weight=3, model="its-name"))
    llm = LLM(endpoints=named)
    assert llm.sites() == named and not llm.is_offline


def test_one_address_and_several_endpoints_together_are_refused():
    with pytest.raises(ValidationError, match="base_url and endpoints are both set"):
        LLM(base_url=URL, endpoints=[{"base_url": URL}])


def test_limits_of_an_endpoint_are_its_own_or_those_of_all():
    of_all = {
        "concurrency": 7,
        "requests_per_second": 1.5,
        "requests_per_minute": 60.0,
        "input_tokens_per_minute": 1000.0,
        "output_tokens_per_minute": 500.0,
    }
    assert set(of_all) == set(Limits.model_fields)
    own = EndpointAt(base_url=URL, limits={"concurrency": 2})
    other = EndpointAt(base_url=f"{URL}/b")
    llm = LLM(endpoints=[own, other], **of_all)
    assert llm.limits_of(other) == Limits(**of_all)
    assert llm.limits_of(own) == Limits(concurrency=2)


def test_limits_are_shared_by_the_runs_of_one_user_of_this_host():
    assert LLM().limits_folder == Path(tempfile.gettempdir()) / f"seedloom-{os.getuid()}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("concurrency", 0),
        ("concurrency", 1025),
        ("requests_per_second", 0),
        ("requests_per_minute", -1),
        ("input_tokens_per_minute", 0),
        ("output_tokens_per_minute", 0),
        ("timeout_s", 0),
        ("attempts", 0),
        ("attempts", 21),
        ("repairs", -1),
        ("repairs", 6),
        ("patience_s", 0),
        ("usd_per_day", 0),
        ("tokens_per_day", 0),
        ("requests_per_day", 0),
        ("provider", "other"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(field, value):
    with pytest.raises(ValidationError, match=field):
        LLM(**{field: value})


@pytest.mark.parametrize("weight", [0, -1])
def test_an_endpoint_without_a_share_is_refused(weight):
    with pytest.raises(ValidationError, match="weight"):
        EndpointAt(base_url=URL, weight=weight)


def test_a_key_is_neither_in_what_is_printed_nor_in_what_is_dumped():
    llm = LLM(endpoints=[{"base_url": URL, "api_key": KEY}])
    alone = LLM(base_url=URL, api_key=KEY)
    for each in (llm, alone, *llm.sites(), *alone.sites(), Settings(llm=llm), Settings(llm=alone)):
        shown = (repr(each), str(each), each.model_dump_json(), str(each.model_dump()))
        assert not any(KEY in text for text in shown)


@pytest.mark.parametrize(
    "wrong",
    [
        {"api_key": KEY, "unknown": 1},
        {"api_keys": KEY},
        {"api_key": [KEY]},
        {"base_url": URL, "endpoints": [{"base_url": URL, "api_key": KEY}]},
        {"endpoints": [{"api_key": KEY}]},
        {"endpoints": [{"base_url": URL, "api_key": {"value": KEY}}]},
        {"endpoints": [{"base_url": URL, "key": KEY}]},
        {"endpoints": KEY},
    ],
)
def test_no_error_shows_a_key(wrong, monkeypatch):
    with pytest.raises(ValidationError) as found:
        LLM(**wrong)
    assert KEY not in str(found.value)
    monkeypatch.setenv("SEEDLOOM_LLM", json.dumps(wrong))
    with pytest.raises(Exception) as found:  # noqa: PT011
        Settings()
    assert KEY not in str(found.value)
