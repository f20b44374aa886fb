import json

import polars as pl
import pytest

from schemas.llm import LLM
from schemas.settings import Settings
from tasks.growth import PLACES, Prompt, grow
from tasks.recipe import load_recipe

STORIES = load_recipe("tiny_stories")
SLOTS = {"words": ["dog", "run", "red"], "features": []}


def grown(run, endpoint, texts, **level):
    """Grow one prompt for each text that the endpoint shall say."""
    said = iter(texts)
    endpoint.answer = lambda body: next(said)
    settings = Settings(llm=LLM(base_url=endpoint.base_url, model="small", concurrency=1, attempts=1))
    prompts = [
        Prompt(f"prompt {i}", None, SLOTS, SLOTS, None, None, i * PLACES, i) for i in range(len(texts))
    ]
    return grow(run, STORIES, STORIES.levels[0].model_copy(update=level), prompts, settings)


def completion(text, finish_reason="stop"):
    return {"choices": [{"message": {"content": text}, "finish_reason": finish_reason}]}


def test_a_reply_becomes_a_sample_a_verdict_and_a_call(run, endpoint):
    tables = grown(run, endpoint, [completion("A dog.")])
    (sample,), (verdict,), (call,) = (tables[name].to_dicts() for name in ("sample", "verdict", "call"))
    assert sample["text"] == sample["output"] == "A dog."
    assert sample["instruction"].startswith("Write a short story for a small child.\nWords: dog, run, red")
    assert [turn["role"] for turn in sample["messages"]] == ["user", "assistant"]
    assert json.loads(sample["slots"]) == SLOTS
    assert sample["model"] == call["model"] == "small"
    assert sample["request_id"] == call["request_id"]
    assert (verdict["filter"], verdict["keep"], verdict["sample_id"]) == ("format", True, sample["sample_id"])


def test_what_cannot_be_parsed_is_kept_with_its_reason(run, endpoint):
    tables = grown(run, endpoint, [completion(""), completion("A dog", "length")])
    assert tables["verdict"].sort("reason")["reason"].to_list() == ["cut by length", "empty reply"]
    assert set(tables["sample"]["text"]) == {"", "A dog"}


def test_a_call_that_failed_is_a_call_with_an_error_and_no_sample(run, endpoint):
    endpoint.faults = [(400, {}, b'{"error": {"message": "no"}}')]
    tables = grown(run, endpoint, [completion("A dog.")])
    assert tables["sample"].is_empty()
    assert "answers 400: no" in tables["call"]["error"][0]


def test_several_samples_of_one_reply_have_places_and_ids_of_their_own(run, endpoint):
    text = " Name three kinds of bread.\n2. Say why the sea is salty."
    tables = grown(run, endpoint, [completion(text), completion(text)], reply="tasks", final=False)
    assert sorted(tables["sample"]["ordinal"]) == [0, 1, PLACES, PLACES + 1]
    assert tables["sample"]["sample_id"].n_unique() == 4
    assert tables["sample"]["instruction"].null_count() == 4


@pytest.mark.parametrize(("temperature", "sent"), [(1.0, True), (0.0, False)])
def test_a_seed_is_sent_only_when_something_is_drawn(run, endpoint, temperature, sent):
    level = STORIES.levels[0]
    grown(
        run,
        endpoint,
        [completion("A dog.")],
        sampling=level.sampling.model_copy(update={"temperature": temperature}),
    )
    assert ("seed" in endpoint.seen[0]) is sent


def test_the_same_answers_give_the_same_rows_whatever_the_concurrency(run):
    prompts = [
        Prompt(
            f"Write a short story. Words: dog, run, red. {i}", None, SLOTS, SLOTS, None, None, i * PLACES, i
        )
        for i in range(40)
    ]
    tables = grow(run, STORIES, STORIES.levels[0], prompts, Settings())
    backwards = grow(run, STORIES, STORIES.levels[0], prompts[::-1], Settings())
    order = lambda frame: frame.sort("sample_id")  # noqa: E731
    assert order(tables["sample"]).equals(order(backwards["sample"]))
    assert isinstance(tables["sample"].schema["messages"], pl.List)
