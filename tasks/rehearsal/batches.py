"""Files and batches of the rehearsal server: /v1/files and /v1/batches as the OpenAI API has them."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from schemas.rehearsal import Plan
from tasks.rehearsal.batch_work import CHAT, ENDED, Answering, BatchWork
from tasks.rehearsal.files import Shelf
from tasks.rehearsal.log import Visit
from tasks.rehearsal.questions import Refused, parse

_DAY_S = 86_400

Handler = Callable[[web.Request, Visit], Awaitable[web.StreamResponse]]


class Batches:
    """The endpoints, and the work behind them."""

    def __init__(self, plan: Plan, shelf: Shelf, answer: Answering) -> None:
        """Take the plan, the place where all is kept, and the function that answers a line."""
        self._shelf = shelf
        self._work = BatchWork(plan, shelf, answer)
        self._expires_s = _DAY_S if plan.batch_expires_s is None else plan.batch_expires_s

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each endpoint."""
        return [
            ("POST", "/v1/files", self._upload),
            ("GET", "/v1/files/{id}", self._file),
            ("GET", "/v1/files/{id}/content", self._content),
            ("POST", "/v1/batches", self._create),
            ("GET", "/v1/batches", self._list),
            ("GET", "/v1/batches/{id}", self._retrieve),
            ("POST", "/v1/batches/{id}/cancel", self._cancel),
        ]

    def resume(self) -> None:
        """Go on with the batches that an earlier server did not end."""
        for batch in self._all():
            if batch["status"] not in ENDED:
                self._work.begin(batch["id"])

    def stop(self) -> None:
        """Stop working; what is not done is done by the next server on the same folder."""
        self._work.stop()

    async def _upload(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        form = await request.post()
        purpose, sent = form.get("purpose"), form.get("file")
        if purpose != "batch":
            raise Refused(400, f"purpose is {purpose!r}; known here: batch", param="purpose")
        if not isinstance(sent, web.FileField):
            raise Refused(400, "no file was sent", param="file")
        content = sent.file.read()
        return web.json_response(self._shelf.put_file(content, sent.filename, "batch", int(time.time())))

    async def _file(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        return web.json_response(self._known(request.match_info["id"], "file"))

    async def _content(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        file = self._known(request.match_info["id"], "file")
        return web.Response(body=self._shelf.content(file["id"]), content_type="application/octet-stream")

    async def _create(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        body = parse(await request.read())
        if not isinstance(body, dict) or body.get("endpoint") != CHAT:
            raise Refused(400, f"endpoint must be {CHAT}", param="endpoint")
        if body.get("completion_window") != "24h":
            raise Refused(400, "completion_window must be 24h", param="completion_window")
        file = self._known(str(body.get("input_file_id")), "file")
        now = time.time()
        batch = {
            "id": f"batch_{len(self._all()) + 1:08d}",
            "object": "batch",
            "endpoint": CHAT,
            "errors": None,
            "input_file_id": file["id"],
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": int(now),
            "expires_at": int(now + self._expires_s),
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": body.get("metadata"),
        }
        batch |= {f"{state}_at": None for state in ("in_progress", "finalizing", "cancelling", *ENDED)}
        self._shelf.put_record(batch)
        self._shelf.put(f"{batch['id']}.began", repr(now).encode())
        self._work.begin(batch["id"])
        return web.json_response(batch)

    async def _retrieve(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        return web.json_response(self._known(request.match_info["id"], "batch"))

    async def _list(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        try:
            limit = min(max(int(request.query.get("limit", 20)), 1), 100)
        except ValueError as error:
            raise Refused(400, "limit is no number from 1 to 100", param="limit") from error
        newest = self._all()[::-1]
        if "after" in request.query:
            after = self._known(request.query["after"], "batch")["id"]
            newest = [batch for batch in newest if batch["id"] < after]
        page = newest[:limit]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
        return web.json_response({"object": "list", "data": page, **ends, "has_more": len(newest) > limit})

    async def _cancel(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        batch = self._known(request.match_info["id"], "batch")
        if batch["status"] in ENDED:
            raise Refused(409, f"batch {batch['id']} is {batch['status']}; it cannot be cancelled any more")
        return web.json_response(self._work.turn(batch["id"], "cancelling"))

    def _known(self, id: str, kind: str) -> dict[str, Any]:
        record = self._shelf.record(id)
        if record is None or record["object"] != kind:
            raise Refused(404, f"No such {kind}: {id}", param="id")
        return record

    def _all(self) -> list[dict[str, Any]]:
        """Every batch, oldest first."""
        names = [name for name in self._shelf.names("batch_") if name.endswith(".json")]
        return [self._known(name.removesuffix(".json"), "batch") for name in names]
