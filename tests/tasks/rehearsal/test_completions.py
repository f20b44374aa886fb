"""Chat completions through the `openai` client unchanged."""

import itertools
import json

import jsonschema
import openai
import pytest

STORY = [{"role": "user", "content": "Write a short story with the words cat, run and red."}]
OTHER = [{"role": "user", "content": "Write a short story with the words dog, sit and blue."}]
MODEL = "offline/storyteller"
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture
def ask(rehearsal):
    """A function that asks one server; `ask.server` is that server."""

    class Ask:
        server = rehearsal()
        ai = openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=0, timeout=20)

        def __call__(self, messages=STORY, **options):
            return self.ai.chat.completions.create(model=MODEL, messages=messages, **options)

    asking = Ask()
    yield asking
    asking.ai.close()


def texts(reply):
    return [choice.message.content for choice in reply.choices]


def test_the_same_question_gets_the_same_text_whatever_came_before(ask, rehearsal):
    questions = [
        {"messages": m, **s} for m in (STORY, OTHER) for s in ({"seed": 1}, {"seed": 2}, {"n": 3}, {})
    ]
    first = [texts(ask(**question)) for question in questions]
    assert [texts(ask(**question)) for question in reversed(questions)] == first[::-1]
    assert len({text for group in first for text in group}) == 2 * (1 + 1 + 3 + 1)
    assert [row["request"] for row in ask.server.log[:8]] == [row["request"] for row in ask.server.log[:7:-1]]
    assert len({row["request"] for row in ask.server.log}) == 8


def test_it_says_what_the_storyteller_in_this_process_says(ask):
    from schemas.settings import Storyteller
    from tasks.storyteller import answer

    told = answer(STORY, {"temperature": 0.7}, 5, Storyteller())
    reply = ask(seed=5, temperature=0.7)
    assert texts(reply) == [told.text]
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (
        told.n_prompt_tokens,
        told.n_completion_tokens,
    )
    assert reply.choices[0].finish_reason == told.finish_reason


def test_n_choices_differ_are_numbered_and_all_paid_for(ask):
    reply = ask(n=3, seed=5)
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert len(set(texts(reply))) == 3
    alone = ask(seed=5)
    assert texts(alone)[0] == texts(reply)[0]
    assert reply.usage.completion_tokens > alone.usage.completion_tokens
    assert reply.usage.prompt_tokens == alone.usage.prompt_tokens


def test_stop_and_both_limits_end_the_text(ask):
    (whole,) = texts(ask(seed=5))
    stopped = ask(seed=5, stop=["."])
    assert texts(stopped) == [whole.partition(".")[0]]
    for limit in (
        {"max_tokens": 7},
        {"max_completion_tokens": 7},
        {"max_tokens": 9, "max_completion_tokens": 7},
    ):
        cut = ask(seed=5, **limit)
        assert cut.usage.completion_tokens == 7
        assert cut.choices[0].finish_reason == "length"
        assert whole.startswith(texts(cut)[0])


def test_parts_of_a_message_are_one_text(ask):
    parts = [{"role": "user", "content": [{"type": "text", "text": STORY[0]["content"]}]}]
    assert texts(ask(parts, seed=5)) == texts(ask(seed=5))


def test_a_stream_is_the_same_text_in_pieces_and_ends_with_the_usage(ask):
    whole = ask(n=2, seed=5)
    chunks = list(ask(n=2, seed=5, stream=True, stream_options={"include_usage": True}))
    got = {0: "", 1: ""}
    for choice in itertools.chain.from_iterable(chunk.choices for chunk in chunks):
        got[choice.index] += choice.delta.content or ""
    assert list(got.values()) == texts(whole)
    assert len(chunks) > 10
    assert chunks[-1].usage == whole.usage
    assert chunks[-1].choices == [] and all(chunk.usage is None for chunk in chunks[:-1])
    ends = [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert ends == [choice.finish_reason for choice in whole.choices]
    whole_row, stream_row = ask.server.log
    assert whole_row["request"] == stream_row["request"]
    assert (whole_row["stream"], stream_row["stream"], stream_row["answered"]) == (False, True, True)


def test_a_stream_without_asking_has_no_usage(ask):
    assert {chunk.usage for chunk in ask(seed=5, stream=True)} == {None}


def test_log_probabilities_cover_the_text_and_rank_the_alternatives(ask):
    reply = ask(seed=5, logprobs=True, top_logprobs=5)
    tokens = reply.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == texts(reply)[0]
    assert bytes(itertools.chain.from_iterable(token.bytes for token in tokens)).decode() == texts(reply)[0]
    for token in tokens:
        values = [each.logprob for each in token.top_logprobs]
        assert (token.top_logprobs[0].token, values[0]) == (token.token, token.logprob)
        assert values == sorted(values, reverse=True) and values[0] <= 0
        assert len({each.token for each in token.top_logprobs}) == 5
    assert ask(seed=5).choices[0].logprobs is None
    streamed = [
        c.logprobs for chunk in ask(seed=5, stream=True, logprobs=True) for c in chunk.choices if c.logprobs
    ]
    assert "".join(token.token for part in streamed for token in part.content) == texts(reply)[0]


def test_a_schema_is_answered_with_json_that_fits_it(ask):
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
    replies = [texts(ask(seed=seed, response_format=form))[0] for seed in (1, 2, 1)]
    for text in replies:
        jsonschema.validate(json.loads(text), PERSON)
    assert replies[0] == replies[2] != replies[1]
    cut = ask(seed=1, response_format=form, max_tokens=5)
    assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 5)
    with pytest.raises(ValueError):
        json.loads(texts(cut)[0])


def test_any_json_object_can_be_asked_for(ask):
    assert isinstance(json.loads(texts(ask(response_format={"type": "json_object"}))[0]), dict)


def test_the_parse_method_of_the_client_works(ask):
    from pydantic import BaseModel

    class Animal(BaseModel):
        name: str
        legs: int

    reply = ask.ai.chat.completions.parse(model=MODEL, messages=STORY, response_format=Animal)
    assert isinstance(reply.choices[0].message.parsed, Animal)


def test_a_server_without_schemas_refuses_them(rehearsal):
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
    server = rehearsal(structured=False)
    with openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as ai:
        with pytest.raises(openai.BadRequestError) as error:
            ai.chat.completions.create(model=MODEL, messages=STORY, response_format=form)
        assert error.value.param == "response_format"
        ai.chat.completions.create(model=MODEL, messages=STORY, response_format={"type": "json_object"})


def test_a_schema_that_cannot_be_answered_is_refused(ask):
    schema = {"type": "string", "pattern": "a+"}
    with pytest.raises(openai.BadRequestError, match="'pattern' is not supported"):
        ask(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})


def test_every_answer_has_an_id_of_its_own(ask):
    raw = [ask.ai.chat.completions.with_raw_response.create(model=MODEL, messages=STORY) for _ in range(2)]
    assert len({reply.headers["X-Request-Id"] for reply in raw}) == 2
    assert len({reply.parse().id for reply in raw}) == 2


def test_latencies_are_those_of_the_plan_and_equal_on_two_servers(rehearsal):
    servers = [rehearsal(latency="uniform:0.02,0.3", seed=4) for _ in range(2)]
    for server in servers:
        with openai.OpenAI(base_url=server.base_url, api_key="none") as ai:
            for seed in range(4):
                ai.chat.completions.create(model=MODEL, messages=STORY, seed=seed)
    one, other = ([row["latency_s"] for row in server.log] for server in servers)
    least = servers[0].rehearsal.plan.latency
    from tasks.rehearsal.faults import share

    expected = [least.quantile(share(servers[0].rehearsal.plan, "latency", n)) for n in range(1, 5)]
    for measured in (one, other):
        assert all(e <= m for e, m in zip(expected, measured, strict=True))
    assert len(set(expected)) == 4
