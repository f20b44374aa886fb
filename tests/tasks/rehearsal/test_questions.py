import json

import pytest

from schemas.ids import digest
from tasks.rehearsal.questions import Refused, ask, parse, question_id

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def asked(structured=True, **fields):
    return ask({**BODY, **fields}, ["m"], structured)


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": None}, 400, "model"),
        ({"model": "other"}, 404, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": "Hi"}, 400, "messages"),
        ({"messages": [{"content": "Hi"}]}, 400, "messages[0].role"),
        ({"messages": [BODY["messages"][0], {"role": "user", "content": 5}]}, 400, "messages[1].content"),
        ({"n": 0}, 400, "n"),
        ({"n": 1000}, 400, "n"),
        ({"n": True}, 400, "n"),
        ({"n": 1.5}, 400, "n"),
        ({"max_tokens": -1}, 400, "max_tokens"),
        ({"temperature": 3}, 400, "temperature"),
        ({"seed": "one"}, 400, "seed"),
        ({"top_logprobs": 21}, 400, "top_logprobs"),
        ({"stop": 5}, 400, "stop"),
        ({"stop": ["a", "b", "c", "d", "e"]}, 400, "stop"),
        ({"stream_options": [1]}, 400, "stream_options"),
        ({"response_format": {"type": "yaml"}}, 400, "response_format"),
        ({"response_format": {"type": "json_schema"}}, 400, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": 5}}, 400, "response_format"),
        ({"response_format": []}, 400, "response_format"),
        ({"messages": [{"role": "user", "content": "\ud83d"}]}, 400, None),
        ({"user": float("nan")}, 400, None),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(fields, status, param):
    with pytest.raises(Refused) as error:
        asked(**fields)
    assert (error.value.status, error.value.error["param"]) == (status, param)
    assert json.loads(error.value.body)["error"]["message"]


@pytest.mark.parametrize("body", [[], "text", None, 5])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(Refused, match="no JSON object"):
        ask(body, ["m"], True)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 200_000])
def test_a_body_that_is_no_json_is_refused(raw):
    with pytest.raises(Refused, match="no JSON"):
        parse(raw)


def test_defaults_and_nulls_are_the_same():
    nulls = dict.fromkeys(["n", "stop", "seed", "max_tokens", "stream", "stream_options", "response_format"])
    plain, explicit = asked(), asked(**nulls)
    assert plain._replace(id="") == explicit._replace(id="")
    assert (plain.n, plain.stream, plain.top_logprobs, plain.form, plain.sampling) == (
        1,
        False,
        None,
        None,
        {},
    )


def test_the_identity_is_the_content_but_not_how_it_is_sent():
    assert question_id(BODY) == digest(BODY)
    assert question_id({**BODY, "stream": True, "stream_options": {}}) == digest(BODY)
    assert question_id(dict(reversed(BODY.items()))) == digest(BODY)
    assert len({question_id({**BODY, "seed": seed}) for seed in (0, 1, None)}) == 3


def test_the_form_of_the_answer_is_a_schema_any_object_or_none():
    schema = {"type": "string"}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert asked(response_format=wanted).form == schema
    assert asked(response_format={"type": "json_object"}).form == {}
    assert asked(response_format={"type": "text"}).form is None
    with pytest.raises(Refused, match="known: text, json_object$"):
        asked(structured=False, response_format=wanted)
