import asyncio
import json
import time

import pytest
from aiohttp import web

from schemas.llm import LLM, EndpointAt
from tasks.calls import batch_api as batch_api_module
from tasks.calls.batch_api import MAX_LINE, BatchApi
from tasks.calls.endpoint import Endpoint
from tasks.calls.provider import Fatal

OPEN = {
    "id": "batch_1", "object": "batch", "status": "in_progress", "created_at": 1000, "endpoint": "/v1/chat",
    "completion_window": "24h", "input_file_id": "file-1", "metadata": {"seedloom": "mine"},
}  # fmt: skip
FILE = {
    "id": "file-1", "object": "file", "bytes": 1, "created_at": 1, "filename": "f", "purpose": "batch",
    "status": "processed",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(batch_api_module, "FIRST_PAUSE_S", 0.01)


class Script:
    """Answers each request with the next of `answers`; the last one stands."""

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    async def answer(self, request):
        self.seen.append((request.method, request.path))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "reset":
            request.transport.abort()
            return web.Response()
        if answer == "cut":
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b'{"a": 1}\n{"b"')
            request.transport.close()
            return response
        if isinstance(answer, dict):
            return web.json_response(answer)
        status, headers, body = answer
        return web.Response(status=status, headers=headers, body=body)


def asked(script, use, **llm):
    """What `use` makes of an API whose server follows a script."""

    async def main():
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", getattr(script, "answer", script))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        settings = LLM(base_url=url, model="m", **{"patience_s": 5.0, **llm})
        endpoint = Endpoint(EndpointAt(base_url=url), settings)
        api = BatchApi("here", url, "sk-1", settings, endpoint._refuse)
        try:
            return await use(api)
        finally:
            await api.close()
            await endpoint.close()
            await runner.cleanup()

    return asyncio.run(main())


@pytest.mark.parametrize(
    "trouble",
    [
        "reset",
        (500, {}, b"oops"),
        (503, {}, b"{}"),
        (429, {"Retry-After": "0"}, b"{}"),
        (200, {"Content-Type": "text/html"}, b"<html>welcome</html>"),
        (200, {"Content-Type": "application/json"}, b'{"id": '),
        (200, {"Content-Type": "application/json"}, b'{"object": "batch"}'),
    ],
    ids=["reset", "500", "503", "429", "html", "cut json", "no id"],
)
def test_trouble_is_waited_out(trouble):
    script = Script(trouble, trouble, OPEN)
    assert asked(script, lambda api: api.retrieve("batch_1")).status == "in_progress"
    assert script.seen == [("GET", "/v1/batches/batch_1")] * 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {}, b"{}"), "refused the key"),
        ((403, {}, b"{}"), "refused the key"),
        ((404, {}, b"{}"), "here knows no batch batch_1 .404."),
        (
            (429, {}, b'{"error": {"code": "insufficient_quota", "message": "empty"}}'),
            "no credit left: empty",
        ),
        ((307, {"Location": "https://elsewhere.test/"}, b""), "redirects to 'https://elsewhere.test/'"),
        ((400, {}, b'{"error": {"message": "bad id"}}'), "answers 400: bad id"),
        ((429, {"Retry-After": "3600"}, b"{}"), "asks to wait 3600 s, above SEEDLOOM_LLM__PATIENCE_S"),
    ],
    ids=["401", "403", "404", "no credit", "redirect", "400", "an hour"],
)
def test_what_does_not_pass_ends_at_once_with_one_line(answer, said):
    script = Script(answer)
    with pytest.raises(Fatal, match=said) as error:
        asked(script, lambda api: api.retrieve("batch_1"))
    assert "\n" not in str(error.value) and len(script.seen) == 1


def test_no_answer_for_too_long_names_the_setting():
    with pytest.raises(Fatal, match="gave no answer for 0 s, above SEEDLOOM_LLM__PATIENCE_S: batch b: "):
        asked(Script((500, {}, b"")), lambda api: api.retrieve("b"), patience_s=0.05)


def test_an_answer_that_takes_too_long_is_trouble():
    async def slow(request):
        await asyncio.sleep(0.3 if not calls else 0)
        calls.append(None)
        return web.json_response(OPEN)

    calls = []
    assert asked(slow, lambda api: api.retrieve("batch_1"), timeout_s=0.1).id == "batch_1"


def test_a_batch_is_created_from_an_uploaded_file_with_our_mark():
    bodies = []

    async def server(request):
        bodies.append(await request.read())
        return web.json_response(FILE if request.path.endswith("files") else OPEN)

    assert asked(server, lambda api: api.create(b"lines\n", "mine", time.time())).id == "batch_1"
    assert b"lines\n" in bodies[0] and b"batch" in bodies[0]
    assert json.loads(bodies[1])["metadata"] == {"seedloom": "mine"}
    assert json.loads(bodies[1])["input_file_id"] == "file-1"


def test_a_creation_whose_answer_is_lost_is_looked_for_before_it_is_repeated():
    script = Script(FILE, "reset", {"object": "list", "data": [OPEN], "has_more": False})
    assert asked(script, lambda api: api.create(b"x\n", "mine", 1000.0)).id == "batch_1"
    assert script.seen[1:] == [("POST", "/v1/batches"), ("GET", "/v1/batches")]


def test_a_creation_that_did_not_arrive_is_repeated():
    nothing = {"object": "list", "data": [], "has_more": False}
    script = Script(FILE, (500, {}, b""), nothing, OPEN)
    assert asked(script, lambda api: api.create(b"x\n", "mine", 1000.0)).id == "batch_1"
    assert [method for method, _ in script.seen] == ["POST", "POST", "GET", "POST"]


def test_a_mark_is_looked_for_on_every_page_back_to_its_time():
    def page(*marks, created_at=1000):
        data = [
            {**OPEN, "id": f"batch_{mark}", "metadata": {"seedloom": mark} if mark else None} | more
            for mark in marks
            for more in [{"created_at": created_at}]
        ]
        return {"object": "list", "data": data, "has_more": True}

    script = Script(page("x", None), page("mine"))
    assert asked(script, lambda api: api.find("mine", 900.0)).id == "batch_mine"
    script = Script(page("x"), page("y", created_at=10), page("mine"))
    assert asked(script, lambda api: api.find("mine", 100_000.0)) is None
    assert len(script.seen) == 1


def lines_of(script, **llm):
    lines = []

    async def take(line):
        lines.append(line)

    asked(script, lambda api: api.each_line("file-1", take), **llm)
    return lines


def test_lines_end_at_line_feeds_only():
    body = '{"a": "\u2028\x85"}\r\n\n{"b": 1}'.encode()
    assert lines_of(Script((200, {}, body))) == ['{"a": "\u2028\x85"}\r'.encode(), b"", b'{"b": 1}']


def test_a_download_that_breaks_is_begun_again():
    lines = lines_of(Script("cut", (200, {}, b'{"a": 1}\n{"b": 2}\n')))
    assert lines[-2:] == [b'{"a": 1}', b'{"b": 2}']


def test_a_line_without_end_does_not_fill_the_memory():
    (line, after) = lines_of(Script((200, {}, b"x" * (2 * MAX_LINE) + b'\n{"b": 2}\n')))
    assert len(line) < MAX_LINE + (1 << 18) and after == b'{"b": 2}'
