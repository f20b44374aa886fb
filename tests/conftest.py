"""What several tests need: a begun run, somebody else's data, a real OpenAI-compatible server on loopback."""

import asyncio
import atexit
import inspect
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
from hypothesis import settings
from objects_server import ObjectsServer

from schemas.settings import Settings
from warehouse.run import begin

settings.register_profile("ours", deadline=None)  # two busy cores: a slow example is no failure
settings.load_profile("ours")
# The very last thing: DuckDB's bindings complain about objects that Prefect's threads still hold.
atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

YOURS = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
SHARED = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture
def run(tmp_path):
    """A run that was just begun in an empty warehouse."""
    return begin(tmp_path / "warehouse", "corpus", "test", "first", {})


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch, tmp_path):
    """Tests see neither the environment's SEEDLOOM_ variables nor a seedloom.toml."""
    for name in list(os.environ):
        if name.startswith("SEEDLOOM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def public_data():
    """A function from a file name to its path among the public data, which lies beside the checkout."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"public data {name} is not beside this checkout ({path})")
        return path

    return find


class EndpointServer:
    """A real OpenAI-compatible server on loopback. It answers `answer(body)`, or the next of `faults` first.

    A fault is (status, headers, body), "reset" or "hang". `seen` holds the bodies of all completions asked
    for.
    """

    def __init__(self):
        self.faults = []
        self.seen = []
        self.keys = []
        self.models = ["small"]
        self.answer = lambda body: {
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"content": f"answer {len(self.seen)}"}}
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5},
        }
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10), "the server did not start"

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def stop(self):
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self):
        from aiohttp import web

        app = web.Application()
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._complete)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _list(self, request):
        from aiohttp import web

        self.keys.append(request.headers.get("Authorization"))
        return web.json_response({"object": "list", "data": [{"id": name} for name in self.models]})

    async def _complete(self, request):
        from aiohttp import web

        body = await request.json()
        self.keys.append(request.headers.get("Authorization"))
        self.seen.append(body)
        fault = self.faults.pop(0) if self.faults else None
        if fault == "reset":
            request.transport.abort()
            return web.Response()
        if fault == "hang":
            await asyncio.sleep(30)
        if fault is not None and fault != "hang":
            status, headers, text = fault
            return web.Response(status=status, headers=headers, body=text)
        return web.Response(body=json.dumps(self.answer(body)).encode(), content_type="application/json")


@pytest.fixture
def endpoint():
    """A server of its own for one test."""
    server = EndpointServer()
    yield server
    server.stop()


class RehearsalServer:
    """The rehearsal server on a thread of this process."""

    def __init__(self, plan, log, state):
        from tasks.rehearsal.log import AccessLog
        from tasks.rehearsal.server import Rehearsal

        self.rehearsal = Rehearsal(plan, AccessLog(log, keep=100_000), state)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30), "the rehearsal server did not start"

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def log(self):
        """The rows of its log so far, oldest first; a reply that was read has its row."""
        return self._inside(lambda: list(self.rehearsal.log.rows))

    @property
    def counts(self):
        return self._inside(self.rehearsal.log.counts)

    def stop(self):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _inside(self, read):
        """What a function gives in the server's thread, or in ours once it has ended."""
        if not self._thread.is_alive():
            return read()

        async def reading():
            return read()

        return asyncio.run_coroutine_threadsafe(reading(), self._loop).result(30)

    async def _serve(self):
        from tasks.rehearsal.server import serve

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()

        def ready(port):
            self.port = port
            self._ready.set()

        await serve(self.rehearsal, 0, ready, self._stop)


class RehearsalProcess:
    """`seedloom rehearse` as a process of its own, with its access log."""

    def __init__(self, folder, arguments, environment):
        self.log_file = folder / f"access-{time.monotonic_ns()}.jsonl"
        command = [sys.executable, "-m", "flows", "rehearse", "--port", "0", "--json", "--log", self.log_file]
        self.process = subprocess.Popen(
            [*map(str, command), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            text=True,
        )
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.said = json.loads(line)
        self.base_url, self.model = self.said["base_url"], self.said["model"]

    @property
    def log(self):
        """The rows of its access log so far, oldest first."""
        text = self.log_file.read_text("utf-8")
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def stop(self, number=signal.SIGTERM):
        """Its exit code, and what it said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, self.stderr = self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def rehearsal():
    """A function that starts a rehearsal server with the fields of a plan, in this process."""
    servers = []

    def start(plan=None, *, log=None, state=None, **fields):
        from schemas.rehearsal import Plan

        servers.append(RehearsalServer(plan or Plan.model_validate(fields), log, state))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def rehearsal_process(tmp_path):
    """A function that starts `seedloom rehearse` with more arguments, as a process of its own."""
    servers = []

    def start(*arguments, **environment):
        servers.append(RehearsalProcess(tmp_path, arguments, environment))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="session")
def prefect_server():
    """One Prefect server for all tests that need one; flows in tests run against it."""
    import warnings

    from prefect.testing.utilities import prefect_test_harness

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Prefect's own server warns; its warnings are not ours to mend
        with prefect_test_harness(server_startup_timeout=60):
            yield


@pytest.fixture
def root(tmp_path, monkeypatch, prefect_server):
    """The folder of a warehouse that flows of this test write into."""
    monkeypatch.setenv("SEEDLOOM_ROOT", str(tmp_path / "warehouse"))
    return tmp_path / "warehouse"


@pytest.fixture
def store(monkeypatch, tmp_path):
    """An object store on loopback with the bucket `bucket`; the environment names it and its credentials."""
    server = ObjectsServer("bucket")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SEEDLOOM_WORK", str(tmp_path / "work"))
    yield server
    server.stop()


@pytest.fixture(params=["s3", "gs"])
def remote(request, store):
    """The root of a warehouse in that bucket; of S3_TEST_URL, with your AWS_ variables, when that is set."""
    yours = os.environ.get("S3_TEST_URL") if request.param == "s3" else None
    if yours:
        if "store" in inspect.signature(request.function).parameters:
            pytest.skip("looks into our own store")
        os.environ.update(YOURS)
    return Settings(root=f"{yours or f'{request.param}://bucket'}/{uuid.uuid4().hex}").root
