import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.reply import Reply, Request
from schemas.tables import Message

TURNS = [Message(role="system", content="be brief"), Message(role="user", content="hello")]
SAMPLING = {"temperature": 0.7, "seed": 3, "stop": ["\n"]}
ASKED = Request(messages=TURNS, sampling=SAMPLING)


def test_the_id_of_a_question_does_not_depend_on_the_order_of_its_parameters():
    turned = Request(messages=TURNS, sampling=dict(reversed(SAMPLING.items())))
    assert turned.id_at("m") == ASKED.id_at("m")


def test_everything_that_changes_an_answer_changes_the_id():
    others = [
        Request(messages=TURNS[::-1], sampling=SAMPLING),
        Request(messages=TURNS[1:], sampling=SAMPLING),
        Request(messages=[*TURNS, TURNS[1]], sampling=SAMPLING),
        Request(messages=[TURNS[0], Message(role="assistant", content="hello")], sampling=SAMPLING),
        Request(messages=TURNS, sampling={**SAMPLING, "seed": 4}),
        Request(messages=TURNS, sampling={**SAMPLING, "temperature": 0.8}),
        Request(messages=TURNS, sampling={}),
    ]
    others += [ASKED.model_copy(update=each) for each in ({"index": 1}, {"json_schema": {"type": "object"}})]
    ids = [ASKED.id_at("m"), ASKED.id_at("n"), ASKED.id_at(["m", {"bad": 0.5}])]
    ids += [other.id_at("m") for other in others]
    assert len(set(ids)) == len(ids)


@given(st.permutations(range(6)))
def test_an_id_does_not_depend_on_the_place_in_a_list(order):
    asked = [Request(messages=TURNS, sampling={"seed": seed}) for seed in range(6)]
    expected = {seed: asked[seed].id_at("m") for seed in range(6)}
    assert {seed: asked[seed].id_at("m") for seed in order} == expected


def test_a_question_that_no_store_could_keep_is_refused():
    with pytest.raises(UnicodeEncodeError):
        Request(messages=[Message(role="user", content="\ud83d")], sampling={}).id_at("m")
    with pytest.raises(ValueError):
        Request(messages=TURNS, sampling={"temperature": float("nan")}).id_at("m")


def test_an_answer_without_text_claims_nothing():
    reply = Reply(request_id="r", provider="host", model="m")
    assert (reply.text, reply.cost_usd, reply.n_prompt_tokens) == (None, None, None)
    assert (reply.attempts, reply.replayed) == (0, False)


@pytest.mark.parametrize(
    "thing",
    [ASKED, Reply(request_id="r", provider="host", model="m", text="hi", cost_usd=0.1)],
    ids=["request", "reply"],
)
def test_both_are_frozen_and_travel_as_json(thing):
    assert type(thing).model_validate_json(thing.model_dump_json()) == thing
    with pytest.raises(ValidationError, match="frozen"):
        setattr(thing, next(iter(type(thing).model_fields)), None)
