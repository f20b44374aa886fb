"""The engine, through `replies`: order, memory, sharing between threads and processes, stopping."""

import json
import subprocess
import sys
import threading
import time

import pytest

from schemas.errors import Interrupted
from schemas.llm import LLM
from schemas.reply import Request
from schemas.settings import Settings
from schemas.tables import Message
from tasks.calls import halting
from tasks.llm import complete, replies
from warehouse.run import begin

PROCESS = """
import json, sys
from pathlib import Path
from schemas.reply import Request
from schemas.settings import Settings
from schemas.tables import Message
from tasks.llm import complete
from warehouse.run import begin
run = begin(Path(sys.argv[1]), "corpus", sys.argv[2], "e", {})
asked = [Request(messages=[Message(role="user", content=f"q {i}")], sampling={}) for i in range(40)]
sys.stdout.write(json.dumps([reply.text for reply in complete(asked, run, Settings(), "test")]))
"""


def asking(*texts, **sampling):
    return [Request(messages=[Message(role="user", content=text)], sampling=sampling) for text in texts]


@pytest.fixture
def settings(tmp_path):
    def at(server, **llm):
        about = {"model": "offline/storyteller", "limits_folder": tmp_path / "limits", "attempts": 2, **llm}
        return Settings(llm=LLM(base_url=server.base_url, **about))

    return at


def answered(server):
    return [row["request"] for row in server.log if row["answered"] and row["request"]]


def test_a_stream_of_requests_is_read_only_as_far_as_it_is_answered(run, rehearsal, settings):
    read = []

    def many():
        for i in range(5000):
            read.append(i)
            yield from asking(f"q {i}", max_tokens=3)

    stream = replies(many(), run, settings(rehearsal(), concurrency=8), "test")
    first = [next(stream) for _ in range(10)]
    assert len(read) < 1500
    stream.close()
    assert all(reply.text is not None for reply in first)


def test_a_question_that_is_asked_twice_in_one_list_is_sent_once(run, rehearsal, settings):
    server = rehearsal(latency=0.05)
    found = complete(asking("a", "b", "a", "a"), run, settings(server), "test")
    assert found[0] == found[2] == found[3] and found[0].request_id != found[1].request_id
    assert len(answered(server)) == 2


def test_the_same_question_with_another_index_is_another_sample(run, rehearsal, settings):
    server = rehearsal()
    asked = [asking("a")[0].model_copy(update={"index": i}) for i in range(3)]
    complete(asked, run, settings(server), "test")
    complete(asked, run, settings(server), "test")
    assert len(answered(server)) == 3


def test_shards_in_several_threads_share_one_engine_and_its_limits(run, rehearsal, settings):
    server = rehearsal(latency=0.05)
    asked = asking(*(f"q {i}" for i in range(60)))
    here = settings(server, concurrency=4)
    found = {}

    def shard(n):
        found[n] = complete(asked[20 * n - 10 : 20 * n + 20] if n else asked[:20], run, here, "test")

    threads = [threading.Thread(target=shard, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answered(server)) == len(set(answered(server))) == 60
    assert max(row["in_flight"] for row in server.log) <= 4
    assert [reply.text for reply in found[0][10:]] == [reply.text for reply in found[1][:10]]


def test_two_processes_of_one_warehouse_never_pay_for_the_same_question(tmp_path, rehearsal, monkeypatch):
    server = rehearsal(latency=0.1)
    for name, value in {
        "BASE_URL": server.base_url,
        "MODEL": "offline/storyteller",
        "CONCURRENCY": "6",
        "LIMITS_FOLDER": str(tmp_path / "limits"),
    }.items():
        monkeypatch.setenv(f"SEEDLOOM_LLM__{name}", value)
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path / "w"), name], stdout=subprocess.PIPE)
        for name in ("one", "two", "three")
    ]
    texts = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert texts[0] == texts[1] == texts[2]
    assert len(answered(server)) == len(set(answered(server))) == 40
    assert max(row["in_flight"] for row in server.log) <= 6


def test_when_told_to_stop_it_sends_no_more_and_keeps_what_was_under_way(run, rehearsal, settings):
    server = rehearsal(latency=0.5)
    threading.Timer(0.75, lambda: halting.halt(Interrupted("told to"))).start()
    with halting.watched():
        with pytest.raises(Interrupted, match="told to"):
            complete(asking(*(f"q {i}" for i in range(400))), run, settings(server, concurrency=10), "test")
        with pytest.raises(Interrupted, match="told to"):
            complete(asking("another"), run, settings(server), "test")
    n = len(answered(server))
    assert n <= 40 and n % 10 == 0 and len(server.log) == n
    kept = complete(asking(*(f"q {i}" for i in range(400)))[:n], run, settings(server), "test")
    assert all(not reply.replayed and reply.text for reply in kept) and len(answered(server)) == n


def test_all_that_was_under_way_is_kept_also_what_nobody_has_come_to_yet(run, rehearsal, settings):
    server = rehearsal(latency=2.0)
    here = settings(server, concurrency=400)
    threading.Timer(1.8, lambda: halting.halt(Interrupted("told to"))).start()
    with halting.watched(), pytest.raises(Interrupted, match="told to"):
        complete(asking(*(f"q {i}" for i in range(2000))), run, here, "test")
    n = len(answered(server))
    assert n == len(server.log) > 256
    kept = complete(asking(*(f"q {i}" for i in range(n))), run, here, "test")
    assert all(reply.text for reply in kept) and len(answered(server)) == n


def test_who_stops_reading_loses_nothing_that_was_under_way(run, rehearsal, settings):
    server = rehearsal(latency=0.4)
    here = settings(server, concurrency=300)
    stream = replies(iter(asking(*(f"q {i}" for i in range(3000)))), run, here, "test")
    next(stream)
    stream.close()
    n = len(answered(server))
    assert n == len(server.log) < 1500
    complete(asking(*(f"q {i}" for i in range(256))), run, here, "test")
    assert len(answered(server)) == len(set(answered(server))) == n


def test_after_an_error_every_thread_that_waits_is_told(run, rehearsal, settings):
    server = rehearsal(latency=0.05, expires_after=5)
    here, errors = settings(server, concurrency=2), []

    def shard(n):
        try:
            complete(asking(*(f"{n} {i}" for i in range(300))), run, here, "test")
        except Exception as error:
            errors.append(str(error))

    threads = [threading.Thread(target=shard, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(errors) == 3 and all("refused the key" in error for error in errors)
    assert len(answered(server)) == 5


def test_a_journal_that_cannot_be_written_stops_the_sending(run, rehearsal, settings, monkeypatch):
    import warehouse.journal as journal_module

    server = rehearsal(latency=0.02)
    monkeypatch.setattr(journal_module.Journal, "_insert", lambda *args: "journal: No space left on device")
    began = time.monotonic()
    with pytest.raises(Exception, match="No space left"):
        complete(asking(*(f"q {i}" for i in range(2000))), run, settings(server, concurrency=4), "test")
    assert time.monotonic() - began < 10 and len(server.log) < 100
    monkeypatch.undo()
    assert complete(asking("q 1"), run, settings(server), "test")[0].text


def test_ten_failures_are_rows_and_twenty_in_a_row_end_the_run(run, endpoint, settings):
    here = settings(endpoint, model="small", concurrency=1, attempts=1)
    endpoint.faults = [(400, {}, b'{"error": {"message": "no"}}')] * 10
    found = complete(asking(*(f"q {i}" for i in range(12))), run, here, "test")
    assert [reply.error is None for reply in found] == [False] * 10 + [True] * 2
    endpoint.faults = [(400, {}, b'{"error": {"message": "no"}}')] * 30
    with pytest.raises(Exception, match="20 requests in a row failed.*answers 400: no"):
        complete(asking(*(f"r {i}" for i in range(100))), run, here, "test")


def test_several_endpoints_share_the_work_and_one_that_dies_loses_nothing(run, rehearsal, tmp_path):
    one, two = rehearsal(latency=0.05), rehearsal(latency=0.05)
    sites = [{"base_url": one.base_url, "weight": 3}, {"base_url": two.base_url}]
    llm = LLM(model="offline/storyteller", endpoints=sites, concurrency=8, limits_folder=tmp_path / "limits")
    stream = replies(iter(asking(*(f"q {i}" for i in range(600)))), run, Settings(llm=llm), "test")
    found = [next(stream) for _ in range(256)]
    two.stop()
    found += list(stream)
    assert len(found) == 600 and all(reply.text for reply in found)
    assert {reply.provider for reply in found[:256]} == {one.base_url, two.base_url}
    assert len(set(answered(one))) > 2 * len(set(answered(two))) > 0


def test_a_run_begun_elsewhere_finds_the_replies_and_marks_them(run, rehearsal, settings):
    server = rehearsal()
    (paid,) = complete(asking("a"), run, settings(server), "test")
    (found,) = complete(asking("a"), begin(run.root, "corpus", "other", "e", {}), settings(server), "test")
    assert found.replayed and found.model_copy(update={"replayed": False}) == paid
