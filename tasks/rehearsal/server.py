"""The rehearsal server: an OpenAI-compatible server on loopback around the offline storyteller.

It answers as a provider does, at no cost, and misbehaves as its plan says: see docs/rehearsal.md.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from schemas.errors import BadInput
from schemas.rehearsal import Plan
from tasks.rehearsal.batches import Batches
from tasks.rehearsal.completions import CHAT, Completions
from tasks.rehearsal.faults import SOUND
from tasks.rehearsal.files import Shelf
from tasks.rehearsal.limits import Limits
from tasks.rehearsal.log import AccessLog, Visit
from tasks.rehearsal.questions import Refused
from tasks.storyteller import answer

HOST = "127.0.0.1"  # never anything else: the server asks for no real key and answers everybody
NAMES = ("127.0.0.1", "localhost", "[::1]")
BACKLOG = 4096
KEEP_ALIVE_S = 600.0  # longer than any client keeps a connection, so that it never meets one just closed
MAX_BODY = 256 << 20
_CREATED = 1_700_000_000

Handler = Callable[[web.Request, Visit], Awaitable[web.StreamResponse]]


class Rehearsal:
    """The server's state: counters, log, files and batches."""

    def __init__(self, plan: Plan, log: AccessLog, state: Path | None = None) -> None:
        """Take the plan; files and batches are kept in the folder `state`, or in memory."""
        self.plan, self.log = plan, log
        self._limits = Limits(plan)
        self._completions = Completions(plan, log, self._limits)
        self.batches = Batches(plan, Shelf(state), self._completions.line)

    def app(self) -> web.Application:
        """The application with all its routes."""
        app = web.Application(client_max_size=MAX_BODY)
        routes: list[tuple[str, str, Handler]] = [
            ("POST", CHAT, self._completions.complete),
            ("GET", "/v1/models", self._models),
            ("GET", "/v1/models/{id:.+}", self._model),
            *self.batches.routes(),
            ("GET", "/health", self._health),
            ("GET", "/rehearsal/log", self._counts),
            ("*", "/{rest:.*}", self._nothing),
        ]
        for method, path, handler in routes:
            app.router.add_route(method, path, self._watched(handler))
        return app

    def _watched(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The handler, its errors in the form of the API, its answer sent whole, and a row of the log."""

        async def watched(request: web.Request) -> web.StreamResponse:
            visit = self.log.begin(request.path, request.headers.get("User-Agent"))
            try:
                response = await self._guarded(handler, request, visit)
                if _open(request):  # else a fault closed the connection, or the client did
                    await response.prepare(request)
                    await response.write_eof()
                    visit.answered = _open(request) and response.status == 200 and visit.fault in SOUND
                visit.status = response.status if response.prepared else None
                return response
            except ConnectionError:
                return web.Response(status=499)  # the client is gone; nobody reads this
            finally:
                self.log.end(visit)

        return watched

    async def _guarded(self, handler: Handler, request: web.Request, visit: Visit) -> web.StreamResponse:
        try:
            self._check_address(request)
            if request.path.startswith("/v1/"):
                self._limits.check_key(request.headers.get("Authorization"))
            return await handler(request, visit)
        except Refused as error:
            visit.fault = visit.fault or error.fault
            headers = {**self._completions.headers(visit), **error.headers}
            return _error(error, headers)
        except ConnectionError:
            raise
        except OSError as error:  # no space for a file, say
            return _error(Refused(500, f"{error.filename}: {error.strerror}", type="server_error"), {})
        except web.HTTPException as error:
            return _error(Refused(error.status, error.reason), self._completions.headers(visit))

    def _check_address(self, request: web.Request) -> None:
        """A page in a browser that has a name lead here must not be answered."""
        name = request.headers.get("Host", "")
        if name.rpartition(":")[0] not in NAMES and name not in NAMES:
            raise Refused(421, f"this server answers at {' and '.join(NAMES)} only")

    async def _models(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        return web.json_response({"object": "list", "data": [_model(name) for name in self.plan.models]})

    async def _model(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        name = request.match_info["id"]
        if name not in self.plan.models:
            raise Refused(404, f"The model `{name}` does not exist", code="model_not_found", param="model")
        return web.json_response(_model(name))

    async def _health(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def _counts(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        return web.json_response(self.log.counts())

    async def _nothing(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        raise Refused(404, f"Unknown request URL: {request.method} {request.path}", code="unknown_url")


async def serve(rehearsal: Rehearsal, port: int, ready: Callable[[int], None], stop: asyncio.Event) -> None:
    """Serve on loopback until `stop` is set; `ready` gets the port, which is a free one where 0 was asked.

    Raises:
        BadInput: when the port is taken.
    """
    answer([{"role": "user", "content": "Hello"}], {}, 0, rehearsal.plan.storyteller)  # reads its books
    runner = web.AppRunner(
        rehearsal.app(),
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=KEEP_ALIVE_S,
        shutdown_timeout=0.2,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port, backlog=BACKLOG).start()
        except OSError as error:
            raise BadInput(f"--port {port}: {error.strerror}; 0 takes any free port") from error
        rehearsal.batches.resume()
        ready(runner.addresses[0][1])
        await stop.wait()
    finally:
        rehearsal.batches.stop()
        await runner.cleanup()
        rehearsal.log.close()


def _open(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def _error(error: Refused, headers: dict[str, str]) -> web.Response:
    return web.Response(
        status=error.status, body=error.body, content_type="application/json", headers=headers
    )


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "rehearsal"}
