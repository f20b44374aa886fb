import json

import pytest

from schemas.errors import BadInput
from schemas.reply import Request
from schemas.tables import Message
from tasks import tiny_model
from tasks.calls.completion import MAX_TOKENS, asked, completion_body, prompt_of
from tasks.calls.provider import read_completion


def request(content="u", index=0, **sampling):
    return Request(messages=[Message(role="user", content=content)], sampling=sampling, index=index)


def test_what_is_not_said_is_as_the_api_has_it():
    how = asked(request(seed=1, temperature=None))
    assert (how.temperature, how.top_p, how.presence_penalty, how.frequency_penalty) == (1.0, 1.0, 0.0, 0.0)
    assert (how.max_tokens, how.stop) == (MAX_TOKENS, ())


def test_the_parameters_are_taken_as_they_are_named():
    given = {
        "temperature": 0,
        "top_p": 0.5,
        "presence_penalty": 1,
        "frequency_penalty": -1.5,
        "max_tokens": 7,
    }
    how = asked(request(**given, n=1))
    assert {name: getattr(how, name) for name in given} == given
    assert asked(request(max_completion_tokens=9)).max_tokens == 9


def test_one_stop_or_several_are_texts_and_empty_ones_are_dropped():
    assert asked(request(stop="END")).stop == ("END",)
    assert asked(request(stop=["a", "", "b"])).stop == ("a", "b")


def test_the_seed_decides_and_the_index_tells_samples_apart():
    assert asked(request("a", seed=1)).seed == asked(request("b", seed=1)).seed
    assert (
        len({asked(request(seed=1)).seed, asked(request(seed=2)).seed, asked(request(seed=1, index=1)).seed})
        == 3
    )


def test_without_a_seed_the_request_itself_is_the_seed():
    assert asked(request("a")).seed == asked(request("a")).seed
    different = [request("a"), request("b"), request("a", top_p=0.5), request("a", index=1)]
    assert len({asked(each).seed for each in different}) == 4


@pytest.mark.parametrize(
    "sampling, said",
    [
        ({"logit_bias": {}}, "no sampling parameter 'logit_bias'; known: temperature, top_p"),
        ({"temperature": 2.5}, "temperature is 2.5, not a number from 0 to 2"),
        ({"temperature": "1"}, "temperature is '1', not"),
        ({"top_p": True}, "top_p is True, not"),
        ({"frequency_penalty": float("nan")}, "frequency_penalty is nan"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_tokens": 2.0}, "max_tokens is 2.0"),
        ({"seed": "one"}, "seed is 'one'"),
        ({"stop": [1]}, r"stop is \[1\]"),
        ({"stop": 1}, "stop is 1"),
        ({"n": 2}, "n is 2"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(sampling, said):
    with pytest.raises(BadInput, match=said):
        asked(request(**sampling))


def test_the_body_is_one_that_our_own_reader_reads():
    raw = completion_body("m", "täxt\n", "length", 3, 4)
    assert read_completion(raw) == ("täxt\n", "length", 3, 4)
    body = json.loads(raw)
    assert body["model"] == "m" and body["usage"]["total_tokens"] == 7
    assert body["choices"][0]["message"]["role"] == "assistant" and body["choices"][0]["index"] == 0


def test_a_prompt_ends_where_the_model_is_to_speak():
    rows = [[{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "A cat."}]]
    tokenizer = tiny_model.tokenizer_for(rows, 64)
    assert tokenizer.decode(prompt_of(tokenizer, request("Who?"))) == "<|user|>\nWho?\n<|assistant|>\n"
