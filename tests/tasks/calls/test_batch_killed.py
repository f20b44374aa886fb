"""What is left of batches when their process, or the server, is killed, and how the next process goes on."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from schemas.llm import LLM
from schemas.reply import Request
from schemas.settings import Settings
from schemas.tables import Message
from tasks.calls import batch as batch_module
from tasks.llm import complete
from warehouse.journal import Journal
from warehouse.run import begin

N = 40
PRICES = (
    '[[price]]\nmodel = "offline/storyteller"\nusd_per_mtok_in = 1.0\nusd_per_mtok_out = 2.0\n'
    'batch_discount = 0.5\ndate = 2026-11-01\nsource = "https://prices.test/"\n'
)
# What a child replaces, so that it dies there: the object, the method, and the call that is the last.
MOMENTS = {
    "nothing": None,
    "the intent is noted": ("tasks.calls.batch_api", "BatchApi", "create", 1),
    "the file is uploaded": ("openai.resources.batches", "AsyncBatches", "create", 1),
    "the batch is created": ("tasks.calls.batch", "BatchEndpoint", "_opened", 1),
    "it is waited for": ("tasks.calls.batch_api", "BatchApi", "retrieve", 2),
    "half of it is collected": ("tasks.calls.batch_waiting", "Waiting", "give", N // 2),
}


def stories(*numbers):
    message = "Write a short story about the number {}."
    return [
        Request(messages=[Message(role="user", content=message.format(i))], sampling={"seed": i})
        for i in numbers
    ]


def settings_for(base_url, folder, **llm):
    prices = folder / "prices.toml"
    prices.write_text(PRICES)
    about = {"batch_size": 100, "batch_poll_s": 0.05, "limits_folder": folder / "limits", **llm}
    return Settings(llm=LLM(provider="batch", base_url=base_url, prices=prices, **about))


def ask(base_url, folder, numbers):
    """Answer these in the warehouse of a folder; asked again, it is the same run."""
    batch_module.QUIET_S, batch_module.AT_ONCE = 0.2, 8
    run = begin(folder / "warehouse", "corpus", "test", "first", {})
    return run, complete(stories(*numbers), run, settings_for(base_url, folder), "test")


def die_at(module, name, method, call):
    """Let this process be killed at one call of a method."""
    owner = getattr(__import__(module, fromlist=[name]), name)
    original, calls = getattr(owner, method), []

    def fatal(*arguments, **more):
        calls.append(None)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **more)

    setattr(owner, method, fatal)


@pytest.fixture
def child(tmp_path):
    """A function that asks in a process of its own, which dies at a moment."""
    children = []

    def start(base_url, numbers, moment="nothing"):
        folders = [str(Path(__file__).parent), str(Path(__file__).parents[3])]
        code = f"import sys; sys.path[:0] = {folders!r}; import test_batch_killed as t; t.main()"
        plan = json.dumps([base_url, str(tmp_path), list(numbers), moment])
        command = [sys.executable, "-c", code, plan]
        children.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return children[-1]

    yield start
    for process in children:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


def main():
    base_url, folder, numbers, moment = json.loads(sys.argv[1])
    if MOMENTS[moment]:
        die_at(*MOMENTS[moment])
    ask(base_url, Path(folder), numbers)


def killed(process):
    said = process.stderr.read()
    assert process.wait(60) == -signal.SIGKILL, said


def state(run):
    with Journal(run.root) as journal:
        return journal.spent(f"run-{run.run_id}"), Counter(note.state for note in _notes(journal, run))


def _notes(journal, run):
    rows = journal._select("SELECT DISTINCT endpoint FROM batch", [])
    return [note for (endpoint,) in rows for note in journal.batches(run.run_id, endpoint)]


def times_answered(log):
    """How often each question was answered."""
    return Counter(row["request"] for row in log if row["batch"] and row["answered"])


def told(replies):
    """What must not depend on kills: not the seconds."""
    return [reply.model_dump(exclude={"latency_s", "provider"}) for reply in replies]


UNINTERRUPTED = {}  # filled once


@pytest.fixture
def uninterrupted(rehearsal, tmp_path):
    """Replies and account of a run that nobody disturbed."""
    if not UNINTERRUPTED:
        (tmp_path / "undisturbed").mkdir()
        run, replies = ask(rehearsal().base_url, tmp_path / "undisturbed", range(N))
        UNINTERRUPTED["it"] = told(replies), state(run)[0]
    return UNINTERRUPTED["it"]


@pytest.mark.parametrize("moment", list(MOMENTS)[1:])
def test_a_killed_process_loses_nothing_and_nothing_is_paid_twice(
    rehearsal, child, tmp_path, uninterrupted, moment
):
    server = rehearsal(batch_delay_s=0.3)
    killed(child(server.base_url, range(N), moment))
    run, replies = ask(server.base_url, tmp_path, range(N))
    spent, states = state(run)
    assert (told(replies), spent) == uninterrupted
    assert times_answered(server.log).keys() and set(times_answered(server.log).values()) == {1}
    never_created = moment in {"the intent is noted", "the file is uploaded"}
    assert states == ({"abandoned": 1, "collected": 1} if never_created else {"collected": 1})


def test_a_changed_list_pays_for_nothing_again_and_keeps_what_is_not_asked_for(rehearsal, child, tmp_path):
    server = rehearsal(batch_delay_s=0.3)
    killed(child(server.base_url, range(N), "it is waited for"))
    run, replies = ask(server.base_url, tmp_path, [35, 36, 37, 100, 101])
    assert all(reply.text for reply in replies)
    assert len(times_answered(server.log)) == N + 2
    asked_before = len(server.log)
    run, replies = ask(server.base_url, tmp_path, [*range(N), 100, 101])
    assert all(reply.text for reply in replies) and len(server.log) == asked_before
    spent, states = state(run)
    assert spent.requests == N + 2
    assert spent.tokens == sum(reply.n_prompt_tokens + reply.n_completion_tokens for reply in replies)
    assert spent.usd == pytest.approx(sum(reply.cost_usd for reply in replies), abs=1e-7)
    assert states == {"collected": 2}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_kills_at_any_moment_lose_nothing_and_nothing_is_paid_twice(
    rehearsal, child, tmp_path, uninterrupted, seed
):
    server, draw = rehearsal(batch_delay_s=0.3), random.Random(seed)
    ended = False
    while not ended:
        process = child(server.base_url, range(N))
        try:
            ended = process.wait(draw.uniform(1.0, 2.2)) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    run, replies = ask(server.base_url, tmp_path, range(N))
    assert (told(replies), state(run)[0]) == uninterrupted
    assert set(times_answered(server.log).values()) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("one_dies", [False, True])
def test_processes_of_one_run_share_its_batches(rehearsal, child, tmp_path, uninterrupted, one_dies):
    server = rehearsal(batch_delay_s=0.5)
    first = child(server.base_url, range(0, 30))
    until(lambda: any(row["path"] == "/v1/batches" for row in server.log))
    second = child(server.base_url, range(10, N))
    if one_dies:
        first.kill()
    assert (first.wait(60), second.wait(60)) == (-signal.SIGKILL if one_dies else 0, 0)
    run, replies = ask(server.base_url, tmp_path, range(N))
    assert (told(replies), state(run)[0]) == uninterrupted
    assert set(times_answered(server.log).values()) == {1}


@pytest.fixture
def serve(tmp_path):
    """A function that starts `seedloom rehearse` with a folder that outlives it; port, process and log."""
    servers = []
    (tmp_path / "plan.toml").write_text("batch_delay_s = 2.0\n")

    def start(port):
        log = tmp_path / f"access-{len(servers)}.jsonl"
        options = {"port": port, "log": log, "state": tmp_path / "state", "plan": tmp_path / "plan.toml"}
        given = [str(each) for name, value in options.items() for each in (f"--{name}", value)]
        command = [sys.executable, "-m", "flows", "rehearse", "--json", *given]
        servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return json.loads(servers[-1].stdout.readline())["base_url"], servers[-1], log

    yield start
    for process in servers:
        process.kill()
        process.wait()
        process.stdout.close()


def rows(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_server_that_was_killed_and_came_back_is_asked_for_the_same_batch(serve, child, tmp_path):
    base_url, server, log = serve(0)
    asking = child(base_url, range(N))
    until(lambda: any(row["path"].startswith("/v1/batches/") for row in rows(log)))
    server.kill()
    server.wait()
    again, _, later = serve(int(base_url.split(":")[2].split("/")[0]))
    assert again == base_url
    said = asking.stderr.read()
    assert asking.wait(60) == 0, said
    run, replies = ask(base_url, tmp_path, range(N))
    assert all(reply.text for reply in replies)
    assert {row["batch"] for row in rows(log) + rows(later) if row["batch"]} == {"batch_00000001"}
    assert state(run)[1] == {"collected": 1} and state(run)[0].requests == N


def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
