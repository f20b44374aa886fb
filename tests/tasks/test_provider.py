import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from schemas.settings import LLM, OFFLINE, Settings
from tasks.provider import Endpoint, Offline, Unusable, check_endpoint, provider_of, read_completion


def test_without_an_address_the_storyteller_writes():
    provider = provider_of(Settings())
    assert isinstance(provider, Offline)
    assert provider.model == OFFLINE


def test_with_an_address_the_endpoint_writes():
    assert isinstance(provider_of(Settings(llm=LLM(base_url="http://127.0.0.1:1/v1", model="m"))), Endpoint)


def test_a_model_without_an_address_is_refused():
    with pytest.raises(BadInput, match="SEEDLOOM_LLM__BASE_URL is not set"):
        check_endpoint(Settings(llm=LLM(model="gpt-x")))


def test_nobody_at_the_address_is_one_clear_line():
    with pytest.raises(BadInput, match="no server answers at .*127.0.0.1:1/v1"):
        check_endpoint(Settings(llm=LLM(base_url="http://127.0.0.1:1/v1", model="m")))


def test_an_unknown_model_names_the_known_ones(endpoint):
    endpoint.models = ["small", "large"]
    with pytest.raises(BadInput, match=r"no model 'huge' .*\['large', 'small'\]"):
        check_endpoint(Settings(llm=LLM(base_url=endpoint.base_url, model="huge")))
    check_endpoint(Settings(llm=LLM(base_url=endpoint.base_url, model="large")))


def test_a_completion_is_read():
    body = {
        "choices": [{"message": {"content": "hi"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
    assert read_completion(json.dumps(body).encode()) == ("hi", "length", 3, 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"choices": null}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": [{"message": {"content": "a\\u0000b"}}]}',
        b"[" * 100_000,
        b'\xff{"choices": []}',
    ],
)
def test_what_is_no_completion_is_unusable(raw):
    with pytest.raises(Unusable):
        read_completion(raw)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_else(raw):
    with contextlib.suppress(Unusable):
        read_completion(raw)


def test_a_key_may_lie_in_a_block_that_must_exist(endpoint, prefect_server):
    from prefect.blocks.system import Secret

    Secret(value="sk-block").save("llm-key", overwrite=True)
    llm = LLM(base_url=endpoint.base_url, model="small", api_key_block="llm-key")
    check_endpoint(Settings(llm=llm))
    assert endpoint.keys == ["Bearer sk-block"]
    with pytest.raises(BadInput, match="no Prefect Secret block named 'nope'"):
        check_endpoint(Settings(llm=llm.model_copy(update={"api_key_block": "nope"})))
