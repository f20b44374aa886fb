import asyncio
import json
import logging
import threading
import time
from collections import Counter

import pytest

from schemas.errors import BudgetReached, Interrupted
from schemas.llm import LLM
from schemas.reply import Request
from schemas.settings import Budget, Settings
from schemas.spent import Spent
from schemas.tables import Message
from tasks.calls import asking as asking_module
from tasks.calls import batch as batch_module
from tasks.calls import engine as engine_module
from tasks.calls import halting
from tasks.calls.batch import BatchEndpoint
from tasks.calls.batch_books import Books, Work
from tasks.calls.provider import Fatal
from tasks.llm import complete
from tasks.rehearsal import batch_work as rehearsal_batch_work
from tasks.rehearsal.batches import Batches
from warehouse.journal import Batch, Entry, Journal
from warehouse.turnstile import Turnstile

PRICES = (
    '[[price]]\nmodel = "offline/storyteller"\nusd_per_mtok_in = 1.0\nusd_per_mtok_out = 2.0\n'
    'batch_discount = 0.5\ndate = 2026-11-01\nsource = "https://prices.test/"\n'
)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(batch_module, "QUIET_S", 0.1)
    monkeypatch.setattr(asking_module, "FIRST_PAUSE_S", 0.01)


@pytest.fixture
def settings_for(tmp_path):
    """A function from a server to settings that ask its Batch API."""

    def make(server, **llm):
        prices = tmp_path / "prices.toml"
        prices.write_text(PRICES)
        about = {"batch_size": 100, "batch_poll_s": 0.05, "limits_folder": tmp_path / "limits", **llm}
        return Settings(llm=LLM(provider="batch", base_url=server.base_url, prices=prices, **about))

    return make


def stories(*numbers, **more):
    message = "Write a short story about the number {}."
    return [
        Request(messages=[Message(role="user", content=message.format(i))], sampling={"seed": i, **more})
        for i in numbers
    ]


def journaled(run, settings, requests):
    with Journal(run.root) as journal:
        return journal.find(request.id_at(settings.identity) for request in requests)


def noted(run, server):
    with Journal(run.root) as journal:
        return journal.batches(run.run_id, server.base_url)


def spent(run):
    with Journal(run.root) as journal:
        return journal.spent(f"run-{run.run_id}")


def times_answered(server):
    """How often each question was answered."""
    return Counter(row["request"] for row in server.log if row["batch"] and row["answered"])


def lines_of_batches(server):
    return list(Counter(row["batch"] for row in server.log if row["batch"]).values())


def visits(server, path):
    return sum(row["path"] == path for row in server.log)


def test_every_request_is_answered_in_a_batch_in_the_order_of_the_requests(run, rehearsal, settings_for):
    server = rehearsal()
    replies = complete(stories(*range(30)), run, settings_for(server), "test")
    alone = complete(stories(7), run, settings_for(server).model_copy(update={"llm": LLM()}), "test")
    assert len({reply.text for reply in replies}) == 30
    assert replies[7].text == alone[0].text
    assert visits(server, "/v1/batches") == 1
    assert {row["path"] for row in server.log if not row["batch"]} >= {"/v1/files", "/v1/batches"}
    assert not any(row["path"].endswith("completions") and not row["batch"] for row in server.log)


def test_the_journal_holds_every_reply_with_its_cost_at_the_discount(run, rehearsal, settings_for):
    server = rehearsal()
    settings, requests = settings_for(server), stories(*range(10))
    replies = complete(requests, run, settings, "test")
    entries = journaled(run, settings, requests)
    assert len(entries) == 10
    for reply in replies:
        full = (reply.n_prompt_tokens * 1.0 + reply.n_completion_tokens * 2.0) / 1e6
        assert reply.cost_usd == entries[reply.request_id].facts["cost_usd"] == pytest.approx(full / 2)
    assert spent(run).usd == pytest.approx(sum(reply.cost_usd for reply in replies), abs=1e-8)


def test_a_batch_whose_answers_are_in_the_journal_is_noted_as_collected(run, rehearsal, settings_for):
    server = rehearsal()
    complete(stories(*range(10)), run, settings_for(server), "test")
    (note,) = noted(run, server)
    assert (note.state, note.facts["n"], note.facts["keys"]) == ("collected", 10, [])


def test_a_batch_is_not_collected_before_its_last_answer_is_durable(
    run, rehearsal, settings_for, monkeypatch
):
    note, missing = Books.note, []

    async def checked(self, work, state):
        if state == "collected":
            missing.append(self.missing(work.keys))
        await note(self, work, state)

    monkeypatch.setattr(Books, "note", checked)
    complete(stories(*range(10)), run, settings_for(rehearsal()), "test")
    assert missing == [[]]


def test_no_batch_is_larger_than_the_settings_say(run, rehearsal, settings_for):
    server = rehearsal()
    replies = complete(stories(*range(30)), run, settings_for(server, batch_size=12), "test")
    assert all(reply.text for reply in replies)
    assert sorted(lines_of_batches(server)) == [6, 12, 12]


def test_no_upload_is_larger_than_endpoints_take(run, rehearsal, settings_for, monkeypatch):
    monkeypatch.setattr(batch_module, "MAX_UPLOAD", 1000)  # bytes: a handful of lines
    server = rehearsal()
    replies = complete(stories(*range(20)), run, settings_for(server), "test")
    assert all(reply.text for reply in replies)
    assert max(lines_of_batches(server)) < 10 and sum(lines_of_batches(server)) == 20


def test_only_the_failures_are_put_into_another_batch(run, rehearsal, settings_for):
    server = rehearsal(faults=[{"kind": "server_error", "at": [3, 8]}, {"kind": "choices", "at": [5]}])
    replies = complete(stories(*range(20)), run, settings_for(server), "test")
    assert all(reply.text for reply in replies)
    assert sorted(lines_of_batches(server)) == [3, 20]
    assert Counter(reply.attempts for reply in replies) == {1: 17, 2: 3}
    assert set(times_answered(server).values()) == {1}


def test_a_bad_request_is_not_asked_again(run, rehearsal, settings_for):
    server = rehearsal()
    requests = stories(1, 2) + stories(3, temperature="hot")
    replies = complete(requests, run, settings_for(server), "test")
    assert [bool(reply.text) for reply in replies] == [True, True, False]
    assert "answers 400" in replies[2].error and "temperature" in replies[2].error
    assert lines_of_batches(server) == [3]


def test_many_bad_requests_among_good_ones_do_not_end_the_run(run, rehearsal, settings_for):
    server = rehearsal()
    requests = stories(*range(30)) + stories(*range(30, 60), temperature="hot")
    replies = complete(requests, run, settings_for(server), "test")
    assert sum(reply.text is not None for reply in replies) == 30


def test_an_endpoint_without_json_schemas_is_asked_again_in_words(run, rehearsal, settings_for):
    server = rehearsal(structured=False)
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    requests = [each.model_copy(update={"json_schema": schema}) for each in stories(1, 2, 3)]
    replies = complete(requests, run, settings_for(server, repairs=0), "test")
    assert all(reply.text for reply in replies), replies
    statuses = Counter(row["status"] for row in server.log if row["batch"])
    assert statuses == {400: 3, 200: 3}


def test_what_expired_is_asked_again_until_the_attempts_are_used_up(run, rehearsal, settings_for):
    server = rehearsal(batch_delay_s=1.0, batch_expires_s=0.3)
    replies = complete(stories(*range(40)), run, settings_for(server, attempts=2), "test")
    failed = [reply for reply in replies if reply.text is None]
    assert 0 < len(failed) < 35
    assert all("batch_expired" in reply.error and reply.attempts == 2 for reply in failed)
    assert set(times_answered(server).values()) == {1}
    assert visits(server, "/v1/batches") == 2


def test_a_batch_that_failed_as_a_whole_is_one_clear_line_and_can_be_sent_again(
    run, rehearsal, settings_for, monkeypatch
):
    server = rehearsal()
    requests, settings = stories(*range(5)), settings_for(server)
    with monkeypatch.context() as patch:
        patch.setattr(batch_module, "request_line", lambda key, body: b'{"custom_id": "x", "url": "/v1/"}\n')
        with pytest.raises(Fatal, match=r"batch batch_\d+ at .* failed: line 1: .*POST") as error:
            complete(requests, run, settings, "test")
    assert "\n" not in str(error.value)
    assert [note.state for note in noted(run, server)] == ["failed"]
    assert all(reply.text for reply in complete(requests, run, settings, "test"))


def test_lines_that_are_no_results_are_told_and_their_requests_asked_again(
    run, rehearsal, settings_for, monkeypatch, caplog
):
    filed = rehearsal_batch_work.BatchWork._file

    def spoilt(self, name, results):
        if name == "batch_00000001_output.jsonl":
            results = [{**results[0], "custom_id": "nobody's", "response": {"body": "{"}}, *results[1:]]
        return filed(self, name, results)

    monkeypatch.setattr(rehearsal_batch_work.BatchWork, "_file", spoilt)
    server = rehearsal()
    with caplog.at_level(logging.WARNING, "seedloom.llm"):
        replies = complete(stories(*range(5)), run, settings_for(server), "test")
    assert all(reply.text for reply in replies)
    assert lines_of_batches(server) == [5, 1]
    assert "batch batch_00000001: 1 lines are no results" in caplog.text


def test_a_creation_that_broke_after_it_was_done_is_found_and_not_made_again(
    run, rehearsal, settings_for, monkeypatch
):
    create, made = Batches._create, []

    async def broken(self, request, visit):
        made.append(await create(self, request, visit))
        raise RuntimeError("the answer is lost")

    monkeypatch.setattr(Batches, "_create", broken)
    server = rehearsal()
    replies = complete(stories(*range(5)), run, settings_for(server), "test")
    assert all(reply.text for reply in replies)
    assert len(made) == 1 and lines_of_batches(server) == [5]


def test_a_budget_that_is_reached_keeps_the_batch_that_it_paid_for(run, rehearsal, settings_for):
    server = rehearsal(batch_delay_s=0.2)
    settings = settings_for(server)
    with pytest.raises(BudgetReached):
        complete(stories(*range(10)), run, settings.within(Budget(budget_requests=6)), "test")
    assert lines_of_batches(server) == [6] and spent(run).requests == 6
    replies = complete(stories(*range(10)), run, settings, "test")
    assert all(reply.text for reply in replies)
    assert sorted(lines_of_batches(server)) == [4, 6]


def test_a_wrong_key_stops_at_once_and_names_the_setting(run, rehearsal, settings_for):
    server = rehearsal(key="sk-right")
    with pytest.raises(Fatal, match="refused the key .401.: set SEEDLOOM_LLM__API_KEY"):
        complete(stories(1), run, settings_for(server, api_key="sk-wrong"), "test")
    (reply,) = complete(stories(1), run, settings_for(server, api_key="sk-right"), "test")
    assert reply.text


def test_an_endpoint_without_a_batch_api_is_named(run, endpoint, settings_for):
    with pytest.raises(Fatal, match="knows no files .404.; the provider 'batch' needs"):
        complete(stories(1), run, settings_for(endpoint), "test")


def in_another_thread(requests, run, settings):
    """Ask there; the function that is given back waits for the error."""
    errors = []

    def ask():
        try:
            complete(requests, run, settings, "test")
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()

    def ended():
        thread.join(30)
        return errors[0]

    return ended


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_stop_leaves_the_batch_to_the_next_run(run, rehearsal, settings_for, monkeypatch):
    monkeypatch.setattr(engine_module, "GRACE_S", 0.1)
    server = rehearsal(batch_delay_s=1.0)
    requests, settings = stories(*range(10)), settings_for(server)
    with halting.watched():
        ended = in_another_thread(requests, run, settings)
        until(lambda: any(row["path"].startswith("/v1/batches/") for row in server.log))
        halting.halt(Interrupted("stop"))
        assert isinstance(ended(), Interrupted)
    assert [note.state for note in noted(run, server)] == ["open"]
    assert all(reply.text for reply in complete(requests, run, settings, "test"))
    assert set(times_answered(server).values()) == {1}


def test_an_endpoint_that_is_gone_is_named_and_its_batch_stays_open(run, rehearsal, settings_for):
    server = rehearsal(batch_delay_s=5.0)
    ended = in_another_thread(stories(1), run, settings_for(server, patience_s=0.5))
    until(lambda: any(row["path"].startswith("/v1/batches/") for row in server.log))
    server.stop()
    error = ended()
    assert isinstance(error, Fatal) and "above SEEDLOOM_LLM__PATIENCE_S: batch batch_00000001" in str(error)
    assert [note.state for note in noted(run, server)] == ["open"]


def test_a_key_that_a_living_process_waits_for_is_not_sent_again(run, rehearsal, settings_for, tmp_path):
    server = rehearsal()
    settings, (request,) = settings_for(server), stories(1)
    key = request.id_at(settings.identity)
    raw = json.dumps({"choices": [{"message": {"content": "theirs"}}], "usage": {}}).encode()
    theirs = Work("f" * 32, {"keys": [key], "at": time.time(), "structured": True, "remote": "batch_x"})

    async def asked(journal):
        endpoint = BatchEndpoint(
            settings.llm.sites()[0], settings.llm, journal, run.run_id, settings.identity
        )
        asking = asyncio.create_task(endpoint.send(request))
        await asyncio.sleep(0.4)
        assert not asking.done()
        journal.put(Entry(key, run.run_id, raw, {"cost_usd": 0.25}), Spent(1, 0, 250_000_000), (scope,))
        answer = await asking
        await endpoint.close()
        return answer

    scope = f"run-{run.run_id}"
    with Journal(run.root) as journal:
        journal.note(Batch(theirs.intent, run.run_id, server.base_url, "open", theirs.facts)).result()
        living = Turnstile(journal.path.with_name("batches"))
        assert living.take_at(theirs.place)
        assert asyncio.run(asked(journal)) == raw
        living.close()
        assert journal.spent(scope) == Spent()  # whoever asked is charged, and nobody twice
    assert not server.log
