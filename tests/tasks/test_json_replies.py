import json

import pytest

import tasks.json_replies  # noqa: F401  (declares the parser)
from schemas.errors import BadInput, BudgetReached
from schemas.llm import LLM
from schemas.reply import Request
from schemas.settings import Budget, Settings
from schemas.tables import Message
from tasks.growth import PLACES, Prompt, grow
from tasks.llm import complete
from tasks.recipe import load_recipe, read_recipe
from tasks.replies import PARSERS, Told

STORY = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}, "output": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}
STORIES = {"type": "array", "items": STORY}
RECIPE = """
name = "{name}"
title = "Stories as JSON"
citation = "none"
licence = "CC0-1.0"

[[level]]
name = "story"
prompt = "Tell a story as JSON."
reply = "json"
instruction = "Tell a story."
final = true
json_schema = {schema}
"""


def pieces(text, schema):
    return PARSERS["json"](Told(text, "stop", {}, schema))


def settings_for(server, tmp_path, **llm):
    about = {"limits_folder": tmp_path / "limits", "attempts": 2, **llm}
    return Settings(llm=LLM(base_url=server.base_url, model="small", **about))


def completion(text):
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage}


def test_an_object_says_its_own_text_and_output():
    (piece,) = pieces('Here it is: {"text": " A dog. ", "output": "yes"}', STORY)
    assert (piece.text, piece.output, piece.input, piece.reason) == ("A dog.", "yes", None, None)


def test_each_element_of_an_array_is_a_sample():
    assert [piece.text for piece in pieces('[{"text": "a"}, {"text": "b"}]', STORIES)] == ["a", "b"]


def test_any_other_value_is_its_json():
    assert [piece.text for piece in pieces('[1, "x", {"b": 2, "a": 1}]', {"type": "array"})] == [
        "1",
        '"x"',
        '{"a": 1, "b": 2}',
    ]


def test_what_is_no_such_json_is_kept_with_the_reason():
    (piece,) = pieces('{"text": 7}', STORY)
    assert (
        piece.text == '{"text": 7}' and piece.reason.startswith("no such JSON: ") and "text" in piece.reason
    )


def test_an_endpoint_that_takes_schemas_is_sent_one(run, rehearsal, tmp_path):
    server = rehearsal(storyteller={"bad": 0, "repeat": 0})
    asked = [
        Request(messages=[Message(role="user", content="Tell a story.")], sampling={}, json_schema=STORY)
    ]
    settings = Settings(
        llm=LLM(base_url=server.base_url, model="offline/storyteller", limits_folder=tmp_path)
    )
    (reply,) = complete(asked, run, settings, "test")
    assert set(json.loads(reply.text)) <= {"text", "output"} and reply.attempts == 1


def test_a_reply_that_is_no_such_json_is_repaired_once_and_never_paid_twice(run, endpoint, tmp_path):
    said = iter(["Sure! A dog.", '{"text": "A dog."}'])
    endpoint.answer = lambda body: completion(next(said))
    asked = [Request(messages=[Message(role="user", content="Tell.")], sampling={}, json_schema=STORY)]
    settings = settings_for(endpoint, tmp_path)
    (reply,) = complete(asked, run, settings, "test")
    assert json.loads(reply.text) == {"text": "A dog."}
    assert (reply.attempts, reply.n_prompt_tokens, reply.n_completion_tokens) == (2, 20, 10)
    turns = [turn["role"] for turn in endpoint.seen[1]["messages"]]
    assert turns == ["user", "assistant", "user"] and "response_format" in endpoint.seen[0]
    assert complete(asked, run, settings, "test") == [reply]
    assert len(endpoint.seen) == 2


def test_repairs_are_bounded_and_the_last_reply_is_kept(run, endpoint, tmp_path):
    endpoint.answer = lambda body: completion(f"never {len(endpoint.seen)}")
    asked = [Request(messages=[Message(role="user", content="Tell.")], sampling={}, json_schema=STORY)]
    (reply,) = complete(asked, run, settings_for(endpoint, tmp_path, repairs=2), "test")
    assert reply.text == "never 3" and len(endpoint.seen) == 3


def test_an_endpoint_that_refuses_schemas_is_told_in_words(run, rehearsal, tmp_path):
    server = rehearsal(structured=False)
    settings = Settings(
        llm=LLM(base_url=server.base_url, model="offline/storyteller", limits_folder=tmp_path)
    )
    asked = [
        Request(messages=[Message(role="user", content=f"Tell {i}.")], sampling={}, json_schema=STORY)
        for i in range(3)
    ]
    replies = complete(asked, run, settings, "test")
    assert [reply.error for reply in replies] == [None] * 3
    refused = [row for row in server.log if row["status"] == 400]
    assert 1 <= len(refused) <= 3


def test_a_schema_that_is_refused_is_a_request_of_its_own_in_the_budget(run, rehearsal, tmp_path):
    server = rehearsal(structured=False, latency=0.05)
    llm = LLM(base_url=server.base_url, model="offline/storyteller", limits_folder=tmp_path, concurrency=8)
    asked = [
        Request(messages=[Message(role="user", content=f"Tell {i}.")], sampling={}, json_schema=STORY)
        for i in range(40)
    ]
    with pytest.raises(BudgetReached, match="12 of 12 requests"):
        complete(asked, run, Settings(llm=llm, budget=Budget(budget_requests=12)), "test")
    assert len(server.log) == 12


def test_a_recipe_may_ask_for_json(run, endpoint, tmp_path):
    path = tmp_path / "told.toml"
    path.write_text(RECIPE.format(name="told", schema='{type = "array", items = {type = "string"}}'))
    recipe = read_recipe(path)
    endpoint.answer = lambda body: completion(json.dumps([f"story {i}" for i in range(PLACES + 5)]))
    prompts = [Prompt("Tell a story as JSON.", None, {}, {}, None, None, 0, 1)]
    tables = grow(run, recipe, recipe.levels[0], prompts, settings_for(endpoint, tmp_path))
    assert tables["sample"].height == PLACES
    dropped = tables["verdict"].filter(~tables["verdict"]["keep"])
    assert dropped["reason"].to_list() == [f"more than {PLACES} samples in one reply"]


def test_a_faulty_schema_is_refused_with_its_place(tmp_path):
    path = tmp_path / "told.toml"
    path.write_text(RECIPE.format(name="told", schema='{type = "objet"}'))
    with pytest.raises(BadInput, match="level.0.json_schema.*objet"):
        read_recipe(path)


def test_json_and_its_schema_go_together(tmp_path):
    path = tmp_path / "told.toml"
    path.write_text(RECIPE.format(name="told", schema="{}").replace('reply = "json"', 'reply = "text"'))
    with pytest.raises(BadInput, match="json_schema go together"):
        read_recipe(path)
    assert all(level.json_schema is None for level in load_recipe("tiny_stories").levels)
