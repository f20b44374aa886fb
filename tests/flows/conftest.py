"""A real `seedloom up`: server, workers and deployments on a free port and an empty warehouse."""

import datetime
import os
import shlex
import signal
import socket
import subprocess
import sys
import time

import pytest

COMMAND = (sys.executable, "-m", "flows", "up")
CANARY = "sk-canary-of-the-test"
PATIENCE_S = 600


class Up:
    """A running `seedloom up`. Its model server would have the key CANARY."""

    def __init__(self, folder):
        self.folder, self.root, self.port = folder, folder / "warehouse", free_port()
        self.url, self.log = f"http://127.0.0.1:{self.port}", folder / "up.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "--port", str(self.port), "--root", "warehouse"],
                cwd=folder,
                env=self.environment(SEEDLOOM_LLM__API_KEY=CANARY),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(lambda: "stop " in self.log.read_text() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def environment(self, **more):
        """Ours without any setting of Prefect, and a home of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        return {**kept, "HOME": str(self.folder), **more}

    def again(self, *arguments):
        """Another `seedloom up`, one that is expected to end."""
        command = [*COMMAND, *map(str, arguments)]
        return subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, timeout=PATIENCE_S
        )

    @property
    def exports(self):
        """What its file `env` gives to a shell."""
        lines = (self.root / "prefect" / "env").read_text().splitlines()
        return dict(shlex.split(line)[1].split("=", 1) for line in lines)

    def client(self):
        from prefect.client.orchestration import SyncPrefectClient

        exports = self.exports
        return SyncPrefectClient(exports["PREFECT_API_URL"], auth_string=exports["PREFECT_API_AUTH_STRING"])

    def runs(self, name):
        """Runs of a deployment: those that are due, and those in the future."""
        from prefect.client.schemas.filters import FlowRunFilter

        now = datetime.datetime.now(datetime.UTC)
        with self.client() as client:
            deployment = client.read_deployment_by_name(f"{name}/{name}")
            only = FlowRunFilter.model_validate({"deployment_id": {"any_": [deployment.id]}})
            runs = client.read_flow_runs(flow_run_filter=only)
        due = [run for run in runs if run.expected_start_time <= now]
        return due, [run for run in runs if run not in due]

    def stop(self):
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One `seedloom up` for the tests of a file."""
    running = Up(tmp_path_factory.mktemp("up"))
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="session")
def free():
    """A function that finds a free port."""
    return free_port


@pytest.fixture(scope="session")
def eventually():
    """A function that waits until another gives something true, and gives that."""
    return until


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(met, seconds=PATIENCE_S):
    end = time.monotonic() + seconds
    while not (value := met()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)
    return value
