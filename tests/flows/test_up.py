"""`seedloom up`, for real: a corpus made by a worker, and the model that it hands over to.

One server serves most of this file; the test of SIGTERM stops it.
"""

import contextlib
import datetime
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import psutil
import pytest
from prefect.states import Scheduled

from flows import up
from schemas.errors import BadInput
from warehouse import connect

LATE = datetime.timedelta(days=3)
# Half held out: the edition is a date, and on some dates a tenth of ten trees is none.
PARAMETERS = {"recipe": ["tiny_stories_instruct"], "count": 12, "curation": {"min_train": 1, "heldout": 0.5}}
CANARY = b"sk-canary-of-the-test"  # see conftest.py


@pytest.fixture(scope="module")
def corpus_run(server, eventually):
    """A run of the corpus deployment that was due three days ago, when it has ended."""
    with server.client() as client:
        deployment = client.read_deployment_by_name("corpus/corpus")
        due = Scheduled(scheduled_time=datetime.datetime.now(datetime.UTC) - LATE)
        asked = client.create_flow_run_from_deployment(deployment.id, parameters=PARAMETERS, state=due)
        return eventually(lambda: ended(client.read_flow_run(asked.id)))


def test_server_and_workers_listen_on_loopback_and_nowhere_else(server):
    ours = {server.process.pid, *(child.pid for child in psutil.Process(server.process.pid).children(True))}
    listening = [
        each.laddr for each in psutil.net_connections("inet") if each.pid in ours and each.status == "LISTEN"
    ]
    assert (up.HOST, server.port) in listening
    assert {address.ip for address in listening} == {up.HOST}


def test_the_server_asks_for_a_login_that_only_the_user_can_read(server):
    asked = urllib.request.Request(f"{server.url}/api/deployments/filter", data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked)
    with refused.value as reply:
        assert reply.code in {401, 403}
    for name in ("auth", "env", "logs/server.log"):
        assert (server.root / "prefect" / name).stat().st_mode & 0o077 == 0
    assert (server.root / "prefect").stat().st_mode & 0o777 == 0o700


def test_the_deployments_are_there_with_their_schedules_and_their_next_runs(server, eventually):
    with server.client() as client:
        deployed = {each.name: each for each in client.read_deployments()}
    pools = {name: each.work_pool_name for name, each in deployed.items()}
    assert pools == {"corpus": "cpu", "curate": "cpu", "classifier": "cpu", "preview": "cpu", "model": "gpu"}
    crons = {name: [s.schedule.cron for s in each.schedules if s.active] for name, each in deployed.items()}
    scheduled = {name: cron for name, cron in crons.items() if cron}
    assert scheduled == {"corpus": ["30 1 * * *"], "model": ["0 5 * * 0"]}
    tonight = eventually(lambda: server.runs("corpus")[1], 120)  # none ever with a SQLAlchemy 2.1
    assert {(run.expected_start_time.hour, run.expected_start_time.minute) for run in tonight} == {(1, 30)}


def test_the_server_says_where_it_is_and_how_to_start_a_run(server):
    said = server.log.read_text()
    for needed in (server.url, "corpus/corpus", "curate/curate", "model/model", f"{server.root}/prefect/env"):
        assert needed in said


def test_a_second_up_on_the_same_warehouse_is_one_line_that_names_it(server, free):
    second = server.again("--root", server.root, "--port", free())
    assert (second.returncode, second.stderr.count("\n")) == (2, 1)
    assert f"another `seedloom up` holds {server.root}/prefect" in second.stderr


def test_a_port_in_use_is_one_line_that_names_it(server, tmp_path):
    second = server.again("--root", tmp_path / "other", "--port", server.port)
    assert (second.returncode, second.stderr.count("\n")) == (2, 1)
    assert f"port {server.port} of 127.0.0.1: Address already in use" in second.stderr


def test_a_worker_makes_a_release_of_the_day_for_which_the_run_was_scheduled(server, corpus_run):
    assert corpus_run.state.name == "Completed", corpus_run.state.message
    due = datetime.datetime.now(datetime.UTC).date() - LATE
    assert ask(server.root, "SELECT run.edition, passed FROM release JOIN run USING (run_id)") == [
        (due.isoformat(), True)
    ]


def test_a_release_starts_the_model_once_however_often_it_is_handed_over(server, corpus_run, eventually):
    ((release,),) = ask(server.root, "SELECT release_id FROM release")
    ((model,), _) = server.runs("model")
    assert (model.parameters, model.idempotency_key) == ({"release": release}, f"model-{release}")
    hand_over = "import sys; from tasks.handoff import start_model; print(start_model(sys.argv[1]))"
    again = subprocess.run(
        [sys.executable, "-c", hand_over, release],
        env=server.environment(**server.exports),
        cwd=server.folder,
        capture_output=True,
        text=True,
    )
    assert again.stdout.split()[-1] == str(model.id), again.stderr
    assert [run.id for run in server.runs("model")[0]] == [model.id]
    eventually(lambda: server.runs("model")[0][0].state.name in {"Running", "Completed"})


def test_sigterm_stops_everything_and_the_key_of_the_model_was_written_nowhere(server, eventually):
    below = psutil.Process(server.process.pid).children(recursive=True)
    assert len(below) >= 3
    assert server.stop() == 128 + signal.SIGTERM
    eventually(lambda: not any(alive(process) for process in below))
    with socket.socket() as probe:
        assert probe.connect_ex((up.HOST, server.port)) != 0
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if CANARY in path.read_bytes()] == []


def test_the_server_and_its_workers_get_safe_defaults_and_the_warehouse(tmp_path, monkeypatch):
    forget_prefect(monkeypatch)
    monkeypatch.setenv("SEEDLOOM_LLM__MODEL", "mine")
    monkeypatch.setenv("PREFECT_API_KEY", "of another server")
    given = up.environment_of(tmp_path, 4242, tmp_path)
    assert given.items() >= {
        ("PREFECT_API_URL", "http://127.0.0.1:4242/api"),
        ("PREFECT_HOME", str(tmp_path)),
        ("PREFECT_RESULTS_DEFAULT_SERIALIZER", "json"),
        ("PREFECT_SERVER_ANALYTICS_ENABLED", "false"),
        ("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "http://127.0.0.1:4242"),
        ("PREFECT_SERVER_CSRF_PROTECTION_ENABLED", "true"),
        ("PREFECT_WORKER_QUERY_SECONDS", "2"),
        ("DO_NOT_TRACK", "1"),
        ("SEEDLOOM_LLM__MODEL", "mine"),
        ("SEEDLOOM_ROOT", str(tmp_path)),
    }
    assert "PREFECT_API_KEY" not in given


def test_what_the_user_has_set_stays(tmp_path, monkeypatch):
    forget_prefect(monkeypatch)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PREFECT_WORKER_QUERY_SECONDS", "9")
    monkeypatch.setenv(up.LOGIN, "me:mine")
    given = up.environment_of(tmp_path, 4242, tmp_path)
    assert given["PREFECT_HOME"] == str(tmp_path / "elsewhere")
    assert given["PREFECT_WORKER_QUERY_SECONDS"] == "9"
    assert given[up.LOGIN] == given["PREFECT_API_AUTH_STRING"] == "me:mine"
    assert not (tmp_path / "auth").exists()


def test_the_login_is_made_once_and_only_an_empty_setting_switches_it_off(tmp_path, monkeypatch):
    forget_prefect(monkeypatch)
    first, second = (up.environment_of(tmp_path, 4242, tmp_path)[up.LOGIN] for _ in range(2))
    assert first == second == (tmp_path / "auth").read_text().strip()
    (tmp_path / "auth").write_text("")  # an emptied file does not open the door
    assert len(up.environment_of(tmp_path, 4242, tmp_path)[up.LOGIN]) == len(first) > 32
    monkeypatch.setenv(up.LOGIN, "")
    assert not {up.LOGIN, "PREFECT_API_AUTH_STRING"} & set(up.environment_of(tmp_path, 4242, tmp_path))


def test_the_lines_for_a_shell_quote_odd_names_and_hold_nothing_else():
    lines = up.exports(
        {"PREFECT_API_URL": "http://h/api", "SEEDLOOM_ROOT": "/a b/$c", "SEEDLOOM_LLM__API_KEY": "x"}
    )
    assert lines == "export PREFECT_API_URL=http://h/api\nexport SEEDLOOM_ROOT='/a b/$c'\n"


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_number_that_is_no_port_is_refused(port):
    with pytest.raises(BadInput, match=f"port {port} is none"):
        up.refuse_taken(port)


def test_an_installation_without_deployments_says_what_it_needs(tmp_path):
    with pytest.raises(BadInput, match="checkout"):
        up.refuse_without(tmp_path / "prefect.yaml")


def ask(root, query):
    with connect(root) as connection:
        return connection.execute(query).fetchall()


def forget_prefect(monkeypatch):
    for name in list(os.environ):
        if name.startswith("PREFECT_"):
            monkeypatch.delenv(name)


def ended(run):
    return run if run.state.is_final() else None


def alive(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
