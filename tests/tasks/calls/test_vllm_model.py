import importlib.util

import pytest

from schemas.errors import BadInput
from schemas.reply import Request
from schemas.tables import Message
from tasks.calls.vllm_model import VllmModel, sampling_params


def request(json_schema=None, **sampling):
    return Request(messages=[Message(role="user", content="u")], sampling=sampling, json_schema=json_schema)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="the extra gpu is installed here")
def test_without_the_extra_it_says_which():
    with pytest.raises(BadInput, match=r"^provider vllm needs the extra: pip install 'seedloom\[gpu\]'$"):
        VllmModel("model", 8)


def test_parameters_are_named_as_vllm_names_them():
    given = {
        "temperature": 0.7,
        "top_p": 0.9,
        "presence_penalty": 0.5,
        "frequency_penalty": -1.0,
        "max_tokens": 9,
    }
    made = sampling_params(request(**given, stop="END", seed=3))
    assert {name: made[name] for name in given} == given
    assert made["stop"] == ["END"]
    assert set(made) == {*given, "stop", "seed"}
    assert 0 <= made["seed"] < 2**63


def test_the_seed_follows_from_the_request():
    assert (
        sampling_params(request(seed=1))
        == sampling_params(request(seed=1))
        != sampling_params(request(seed=2))
    )


def test_an_empty_nucleus_means_the_likeliest_token():
    made = sampling_params(request(top_p=0, temperature=1.5))
    assert (made["top_p"], made["temperature"]) == (1.0, 0.0)


def test_a_schema_is_handed_on_and_absent_without_one():
    assert sampling_params(request({"type": "null"}))["json_schema"] == {"type": "null"}
    assert "json_schema" not in sampling_params(request())


def test_a_parameter_that_is_not_known_is_refused():
    with pytest.raises(BadInput, match="'best_of'"):
        sampling_params(request(best_of=2))
