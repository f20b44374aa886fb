"""A run that must stop early: a signal, a budget, a wrong key, a cancel in Prefect. What came is kept."""

import signal
import sqlite3
import time

import killing
import pytest
from given import ask

from flows.corpus import corpus
from schemas.errors import BadInput, BudgetReached, GateBlocked
from schemas.settings import Budget, Curation
from tasks.calls.provider import Fatal

pytestmark = pytest.mark.filterwarnings("ignore")  # of Prefect's own code

SMALL = Curation(min_train=1, heldout=0.2)


@pytest.fixture
def api_url(prefect_server):
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value()


@pytest.fixture
def writes_at(monkeypatch, tmp_path):
    """Point the settings at a server."""

    def point(server, **more):
        facts = {
            "base_url": server.base_url,
            "model": "offline/storyteller",
            "limits_folder": tmp_path,
            **more,
        }
        for name, value in facts.items():
            monkeypatch.setenv(f"SEEDLOOM_LLM__{name.upper()}", str(value))

    return point


def journaled(root):
    connection = sqlite3.connect(root / "journal" / "calls.sqlite")
    (n,) = connection.execute("SELECT count(*) FROM reply").fetchone()
    connection.close()
    return n


def answered(server):
    return [row["request"] for row in server.log if row["answered"] and row["request"]]


def test_sigterm_sends_no_more_keeps_what_came_and_the_next_run_asks_only_the_rest(tmp_path, api_url):
    server = killing.Server(tmp_path, "--latency", "0.4")
    root, log = tmp_path / "warehouse", (tmp_path / "output").open("ab")
    process = killing.start(root, server, api_url, 30, 8, log)
    while server.answers() < 20:
        assert process.poll() is None, (tmp_path / "output").read_text()[-2000:]
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    told_at = time.time()
    assert process.wait(25) == 130
    assert "SIGTERM: no more requests were sent" in (tmp_path / "output").read_text()
    assert max(killing.began(row) for row in server.rows()) < told_at + 1.0
    assert journaled(root) == server.answers()
    assert killing.start(root, server, api_url, 30, 8, log).wait(120) == 0
    server.stop()
    outcome = killing.judged(server.rows(), [], 0)
    assert outcome.repeated == 0


def test_a_budget_stops_the_run_and_a_higher_one_resumes_it(root, rehearsal, writes_at):
    server = rehearsal()
    writes_at(server)
    asked = {"recipe": ["tiny_stories_instruct"], "count": 12, "edition": "e", "curation": SMALL}
    with pytest.raises(
        BudgetReached, match=r"20 of 20 requests.*raise --budget-requests.*needs about \d+ more"
    ):
        corpus(**asked, budget=Budget(budget_requests=20))
    assert len(answered(server)) == 20 == journaled(root)
    assert corpus(**asked, budget=Budget(budget_requests=100))
    assert len(answered(server)) == len(set(answered(server))) == journaled(root)
    assert ask(root, "SELECT count(*) FROM call WHERE reply IS NOT NULL") == [(journaled(root),)]


def test_a_key_that_expires_in_the_middle_stops_the_run_and_the_next_one_goes_on(root, rehearsal, writes_at):
    asked = {"recipe": ["tiny_stories"], "count": 30, "edition": "e", "curation": SMALL}
    writes_at(server := rehearsal(expires_after=10), concurrency=4)
    with pytest.raises(Fatal, match="refused the key"):
        corpus(**asked)
    kept = journaled(root)
    assert kept == len(answered(server)) == 10
    writes_at(server := rehearsal())
    assert corpus(**asked)
    assert len(answered(server)) == journaled(root) - kept == 20


def test_an_estimate_pays_nothing_twice_and_is_compared_with_what_the_run_took(
    root, rehearsal, writes_at, tmp_path
):
    table = tmp_path / "prices.toml"
    table.write_text(
        '[[price]]\nmodel = "offline/storyteller"\nusd_per_mtok_in = 1.0\nusd_per_mtok_out = 2.0\n'
        'date = 2026-11-01\nsource = "https://prices.test/"\n'
    )
    server = rehearsal()
    writes_at(server, prices=table)
    asked = {"count": 40, "edition": "e", "curation": SMALL}
    said = corpus(**asked, estimate=True)
    assert "cost_usd: 0.0" in said and "requests: " in said
    assert ask(root, "SELECT count(*) FROM sample") == [(0,)]
    probed = len(answered(server))
    assert probed > 0
    corpus(**asked)
    assert len(answered(server)) == len(set(answered(server)))
    rows = ask(root, "SELECT quantity, estimated, low, high, taken, within FROM estimate ORDER BY quantity")
    assert [row[0] for row in rows] == ["completion_tokens", "cost_usd", "hours", "prompt_tokens", "requests"]
    taken = {row[0]: row for row in rows}
    assert taken["requests"][4] == len(answered(server))
    assert all(low < value < high for _, value, low, high, _, _ in rows)
    assert all(abs(taken[name][1] / taken[name][4] - 1) < 0.4 for name in ("requests", "cost_usd"))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("language", r"blocked by size.*obedience dropped 16 \("),
        ("empty", r"blocked by size.*format dropped 16 \(empty reply\)"),
        ("bad_request", r"blocked by size.*16 calls failed \(http.* answers 400"),
    ],
)
def test_a_model_that_answers_uselessly_is_said_to_and_the_next_run_goes_on(
    root, rehearsal, writes_at, fault, said
):
    asked = {"recipe": ["tiny_stories"], "count": 16, "curation": Curation(min_train=4)}
    writes_at(rehearsal(faults=[{"kind": fault, "rate": 1.0}]))
    with pytest.raises(GateBlocked, match=said) as error:
        corpus(**asked, edition="ill")
    assert "\n" not in str(error.value)
    writes_at(rehearsal())
    assert corpus(**asked, edition="well")


def test_a_budget_in_usd_without_a_price_is_refused_before_anything_is_sent(root, rehearsal, writes_at):
    writes_at(server := rehearsal(models=["unheard-of"]), model="unheard-of")
    with pytest.raises(BadInput, match="no price of 'unheard-of'"):
        corpus(recipe=["tiny_stories"], count=4, edition="e", budget=Budget(budget_usd=1.0))
    assert answered(server) == []


def test_a_cancel_in_prefect_stops_sending_and_keeps_what_came(tmp_path, api_url, root, monkeypatch):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import StateType
    from prefect.states import Cancelling

    server = killing.Server(tmp_path, "--latency", "0.4")
    for name, value in {
        "BASE_URL": server.base_url,
        "MODEL": "offline/storyteller",
        "CONCURRENCY": "8",
        "LIMITS_FOLDER": str(tmp_path / "limits"),
    }.items():
        monkeypatch.setenv(f"SEEDLOOM_LLM__{name}", value)
    serving = killing.serve(api_url, tmp_path)
    try:
        with get_client(sync_client=True) as client:
            run = killing.scheduled(client, {"count": 60, "edition": "e"})
            while server.answers() < 20:
                assert serving.poll() is None
                time.sleep(0.05)
            client.set_flow_run_state(run.id, Cancelling())
            deadline = time.time() + 40
            while (state := client.read_flow_run(run.id).state).type != StateType.CANCELLED:
                assert time.time() < deadline, state
                time.sleep(0.2)
        n = server.answers()
        time.sleep(1.5)
        assert server.answers() == n
        assert journaled(root) == n
    finally:
        serving.send_signal(signal.SIGINT)
        serving.wait(30)
        server.stop()
