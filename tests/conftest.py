"""What several tests need: a begun run, somebody else's data, a real OpenAI-compatible server on loopback."""

import asyncio
import atexit
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import settings

from warehouse.run import begin

settings.register_profile("ours", deadline=None)  # two busy cores: a slow example is no failure
settings.load_profile("ours")
# The very last thing: DuckDB's bindings complain about objects that Prefect's threads still hold.
atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

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
