import json

from hypothesis import given
from hypothesis import strategies as st

from schemas.settings import Storyteller
from tasks.rehearsal.questions import ask
from tasks.rehearsal.replies import completion, events, tell, usage
from tasks.storyteller import Completion

MANNERS = Storyteller()


def question(**fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "Write a story."}], **fields}
    return ask(body, ["m"], True)


def texts(events):
    chunks = [json.loads(event.removeprefix(b"data: ")) for event in events[:-1]]
    return "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"])


@given(st.text())
def test_the_pieces_of_a_stream_and_the_tokens_of_the_log_probabilities_are_the_text(text):
    told = [Completion(text, "stop", 3, 5)]
    asked = question(logprobs=True, top_logprobs=1)
    streamed = events(asked, told, 1)
    assert streamed[-1] == b"data: [DONE]\n\n"
    assert all(event.startswith(b"data: {") and event.count(b"\n") == 2 for event in streamed[:-1])
    assert texts(streamed) == text
    (choice,) = json.loads(completion(asked, told, 1))["choices"]
    assert choice["message"]["content"] == text
    assert "".join(token["token"] for token in choice["logprobs"]["content"]) == text


def test_a_very_long_text_is_streamed_in_a_bounded_number_of_events():
    text = "one " * 200_000
    streamed = events(question(), [Completion(text, "stop", 1, 1)], 1)
    assert texts(streamed) == text
    assert len(streamed) < 1100


def test_without_a_seed_the_question_is_the_seed_and_at_temperature_0_none_counts():
    assert tell(question(), MANNERS) == tell(question(), MANNERS) != tell(question(user="x"), MANNERS)
    cold = [tell(question(temperature=0, seed=seed), MANNERS) for seed in (1, 2)]
    assert cold[0] == cold[1]
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array", "minItems": 9}}}
    cold = [tell(question(temperature=0, seed=seed, response_format=form), MANNERS) for seed in (1, 2)]
    assert cold[0] == cold[1]


def test_the_prompt_is_paid_for_once():
    told = [Completion("a b", "stop", 7, 2), Completion("c", "stop", 7, 1)]
    assert usage(told) == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    assert usage([])["total_tokens"] == 0
