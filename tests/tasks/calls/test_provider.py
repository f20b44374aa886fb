import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SeedloomError
from schemas.llm import OFFLINE, Address
from schemas.reply import Request
from schemas.settings import Settings
from schemas.tables import Message
from tasks.calls.provider import (
    Fatal,
    Limited,
    Offline,
    Refused,
    Unreachable,
    Unusable,
    read_completion,
    read_key,
    turns,
)

QUESTION = Request(messages=[Message(role="user", content="Tell a story.")], sampling={"seed": 7})


def test_the_storyteller_answers_in_the_form_of_an_endpoint():
    async def ask(seed):
        provider = Offline(Settings())
        request = QUESTION.model_copy(update={"sampling": {"seed": seed}})
        raws = [await provider.send(request) for _ in range(2)]
        await provider.close()
        return raws

    first, again = asyncio.run(ask(7))
    said = read_completion(first)
    assert first == again, "the same question, the same answer"
    assert said.text and said.finish_reason == "stop"
    assert said.n_prompt_tokens > 0 and said.n_completion_tokens > 0
    assert read_completion(asyncio.run(ask(8))[0]).text != said.text
    assert json.loads(first)["model"] == Offline.model == OFFLINE


def test_messages_have_the_names_of_the_api():
    request = Request(
        messages=[Message(role="system", content="Be kind."), Message(role="user", content="hi")], sampling={}
    )
    assert turns(request) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hi"},
    ]


def test_only_what_cannot_be_mended_by_asking_again_ends_a_run():
    assert issubclass(Fatal, SeedloomError)
    assert not any(issubclass(kind, SeedloomError) for kind in (Refused, Unusable, Limited, Unreachable))


def test_an_answer_that_is_no_use_may_have_been_billed_unless_it_is_known_better():
    assert Unusable("x").billed and not Unusable("x", billed=False).billed
    assert Limited("x").after_s is None and Limited("x", 2.5).after_s == 2.5


def test_a_key_is_read_from_where_it_is_named():
    assert read_key(Address(api_key="sk")) == "sk"
    assert read_key(Address(api_key="sk", api_key_block="nope")) == "sk"
    assert read_key(Address()) is None


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


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (None, (None, None)),
        ({}, (None, None)),
        ({"prompt_tokens": 0, "completion_tokens": 7}, (0, 7)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (None, None)),
        ({"prompt_tokens": "12", "completion_tokens": 1.5}, (None, None)),
    ],
)
def test_tokens_count_only_where_they_are_numbers_of_tokens(usage, counts):
    raw = json.dumps({"choices": [{"message": {"content": None}}], "usage": usage}).encode()
    assert read_completion(raw) == ("", None, *counts)


def test_half_a_character_is_unusable():
    with pytest.raises(Unusable):
        read_completion(b'{"choices": [{"message": {"content": "\\ud83d"}}]}')
