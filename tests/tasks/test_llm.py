import json
from pathlib import Path

import pytest

from schemas.llm import LLM
from schemas.reply import Request
from schemas.settings import Settings
from schemas.tables import Message
from tasks.calls import asking as asking_module
from tasks.calls.provider import Fatal
from tasks.llm import complete
from warehouse.run import begin

QUOTA = json.dumps({"error": {"code": "insufficient_quota", "message": "no credit"}}).encode()


def asking(*texts, **sampling):
    return [Request(messages=[Message(role="user", content=text)], sampling=sampling) for text in texts]


def settings_for(endpoint, **llm):
    about = {"timeout_s": 2, "attempts": 3, "patience_s": 1.0, "limits_folder": Path("limits"), **llm}
    return Settings(llm=LLM(base_url=endpoint.base_url, model="small", **about))


def price_table(folder):
    """1 USD for a million prompt tokens, 2 USD for a million of the completion."""
    table = folder / "prices.toml"
    table.write_text(
        '[[price]]\nmodel = "small"\nusd_per_mtok_in = 1.0\nusd_per_mtok_out = 2.0\n'
        'date = 2026-11-01\nsource = "https://prices.test/"\n'
    )
    return table


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Retries happen almost at once."""
    monkeypatch.setattr(asking_module, "FIRST_PAUSE_S", 0.01)


def test_replies_come_in_the_order_of_the_requests(run, endpoint):
    endpoint.answer = lambda body: {
        "choices": [{"message": {"content": body["messages"][0]["content"].upper()}, "finish_reason": "stop"}]
    }
    texts = [f"question {i}" for i in range(50)]
    replies = complete(asking(*texts), run, settings_for(endpoint), "test")
    assert [reply.text for reply in replies] == [text.upper() for text in texts]


def test_sampling_parameters_reach_the_server_as_the_openai_api_names_them(run, endpoint):
    complete(
        asking("hello", temperature=0.5, max_tokens=7, stop=["x"], seed=3),
        run,
        settings_for(endpoint),
        "test",
    )
    (body,) = endpoint.seen
    assert {key: body[key] for key in ("model", "temperature", "max_tokens", "stop", "seed")} == {
        "model": "small",
        "temperature": 0.5,
        "max_tokens": 7,
        "stop": ["x"],
        "seed": 3,
    }


def test_a_request_that_the_journal_knows_is_not_sent_again(run, endpoint):
    settings = settings_for(endpoint)
    first = complete(asking("a", "b"), run, settings, "test")
    again = complete(asking("c", "b", "a"), run, settings, "test")
    assert [again[2].text, again[1].text] == [first[0].text, first[1].text]
    assert len(endpoint.seen) == 3


def test_a_reply_that_another_run_paid_for_is_marked_as_replayed(run, endpoint, tmp_path):
    settings = settings_for(endpoint, prices=price_table(tmp_path))
    (paid,) = complete(asking("a"), run, settings, "test")
    other = begin(run.root, "corpus", "test", "second", {})
    (free,) = complete(asking("a"), other, settings, "test")
    assert (paid.replayed, free.replayed) == (False, True)
    assert paid.cost_usd == free.cost_usd == pytest.approx((10 * 1 + 5 * 2) / 1e6)


def test_an_unknown_price_is_an_unknown_cost_and_never_zero(run, endpoint):
    (reply,) = complete(asking("a"), run, settings_for(endpoint), "test")
    assert reply.cost_usd is None


@pytest.mark.parametrize(
    "fault",
    [
        (500, {}, b"oops"),
        (429, {"Retry-After": "0"}, b"slow down"),
        (200, {"Content-Type": "text/html"}, b"<html>welcome</html>"),
        (200, {"Content-Type": "application/json"}, b'{"choices": [{"mess'),
        (200, {"Content-Type": "application/json"}, b'{"choices": []}'),
        (200, {"Content-Type": "application/json"}, b'{"choices": [{"message": {"content": "\\ud83d"}}]}'),
        "reset",
        "hang",
    ],
    ids=["500", "429", "html", "cut json", "no choice", "lone surrogate", "reset", "hang"],
)
def test_a_passing_fault_is_asked_again(run, endpoint, fault):
    endpoint.faults = [fault]
    (reply,) = complete(asking("a"), run, settings_for(endpoint), "test")
    assert reply.text == "answer 2"
    assert reply.attempts == 2


def test_what_fails_to_the_end_is_an_explained_failure_and_not_journaled(run, endpoint):
    endpoint.faults = [(500, {}, b"oops")] * 3
    settings = settings_for(endpoint)
    (reply,) = complete(asking("a"), run, settings, "test")
    assert reply.text is None
    assert "500" in reply.error or "InternalServerError" in reply.error
    (later,) = complete(asking("a"), run, settings, "test")
    assert later.text == "answer 4"


def test_a_bad_request_is_not_asked_again_and_not_cached_as_an_answer(run, endpoint):
    endpoint.faults = [(400, {}, b'{"error": {"message": "too long"}}')]
    (reply,) = complete(asking("a"), run, settings_for(endpoint), "test")
    assert "answers 400: too long" in reply.error
    assert len(endpoint.seen) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ((401, {}, b"{}"), "SEEDLOOM_LLM__API_KEY"),
        ((404, {}, b"{}"), "'small'"),
        ((429, {}, QUOTA), "credit"),
    ],
    ids=["wrong key", "unknown model", "no credit"],
)
def test_a_fatal_error_stops_at_once_with_one_line_and_keeps_the_successes(run, endpoint, fault, said):
    settings = settings_for(endpoint, concurrency=1)
    endpoint.faults = [(200, {}, json.dumps(endpoint.answer({})).encode()), fault]
    with pytest.raises(Fatal, match=said) as error:
        complete(asking("a", "b", "c"), run, settings, "test")
    assert "\n" not in str(error.value)
    assert len(endpoint.seen) == 2
    complete(asking("a"), run, settings, "test")
    assert len(endpoint.seen) == 2


def test_a_server_that_goes_away_stops_the_run_and_what_it_said_is_safe(run, endpoint):
    settings = settings_for(endpoint)
    complete(asking("a"), run, settings, "test")
    endpoint.stop()
    with pytest.raises(Fatal, match="gave no answer for") as error:
        complete(asking("a", "b"), run, settings, "test")
    assert "\n" not in str(error.value)
    (reply,) = complete(asking("a"), run, settings, "test")
    assert reply.text == "answer 1"


def test_the_key_reaches_the_server_and_nothing_else(run, endpoint):
    settings = settings_for(endpoint, api_key="sk-canary")
    complete(asking("a"), run, settings, "test")
    assert endpoint.keys == ["Bearer sk-canary"]
    written = b"".join(path.read_bytes() for path in run.root.rglob("*") if path.is_file())
    assert b"sk-canary" not in written
    assert "sk-canary" not in repr(settings)
