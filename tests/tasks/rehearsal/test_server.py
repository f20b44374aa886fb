"""The server at its socket, and through the `openai` client unchanged."""

import asyncio
import concurrent.futures
import json
import re
import socket
import time
from pathlib import Path

import duckdb
import openai
import pytest

from schemas.errors import BadInput
from schemas.rehearsal import Plan
from tasks.rehearsal.log import AccessLog
from tasks.rehearsal.server import Rehearsal, serve

STORY = [{"role": "user", "content": "Write a short story with the words cat, run and red."}]
MODEL = "offline/storyteller"
PAGE = (Path(__file__).parents[3] / "docs" / "rehearsal.md").read_text("utf-8")


def client(server, key="none"):
    return openai.OpenAI(base_url=server.base_url, api_key=key, max_retries=0, timeout=20)


def raw(server, text):
    """What the server sends for bytes that a client of our own making sends, until it closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(text.encode())
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received.decode()


def wait_until(met):
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_the_openai_client_lists_and_retrieves_models(rehearsal):
    server = rehearsal(models=["offline/storyteller", "small"])
    with client(server) as ai:
        assert [model.id for model in ai.models.list()] == ["offline/storyteller", "small"]
        assert ai.models.retrieve("offline/storyteller").object == "model"
        with pytest.raises(openai.NotFoundError) as error:
            ai.models.retrieve("gone")
    assert error.value.code == "model_not_found"


def test_the_log_file_is_a_table_for_duckdb_with_a_row_for_each_request(rehearsal, tmp_path):
    path = tmp_path / "access.jsonl"
    server = rehearsal(log=path, faults=[{"kind": "server_error", "at": [2]}])
    with client(server) as ai:
        ai.chat.completions.create(model=MODEL, messages=STORY, seed=1)
        with pytest.raises(openai.InternalServerError):
            ai.chat.completions.create(model=MODEL, messages=STORY, seed=2)
        ai.chat.completions.create(model=MODEL, messages=STORY, seed=2)
        ai.models.list()
    server.stop()
    rows = duckdb.sql(
        f"select path, status, fault, count(*), count(distinct request), bool_and(answered) "
        f"from '{path}' group by all order by all"
    ).fetchall()
    chat = "/v1/chat/completions"
    assert rows == [
        (chat, 200, None, 2, 2, True),
        (chat, 500, "server_error", 1, 1, False),
        ("/v1/models", 200, None, 1, 0, True),
    ]
    assert [json.loads(line) for line in path.read_text().splitlines()] == server.log
    assert all(row["client"].startswith("OpenAI/Python") for row in server.log)


def test_the_queries_of_the_page_find_a_question_that_was_answered_twice(rehearsal, tmp_path):
    queries = re.findall(r"(select [^`;\"]*'access\.jsonl'[^`;\"]*)", PAGE.replace("\n", " "))
    assert len(queries) == 2
    path = tmp_path / "access.jsonl"
    server = rehearsal(log=path)
    with client(server) as ai:
        for seed in (1, 2, 1):
            ai.chat.completions.create(model=MODEL, messages=STORY, seed=seed)
        ai.models.list()
    twice = server.log[0]["request"]
    counts, doubled = (duckdb.sql(each.replace("access.jsonl", str(path))).fetchall() for each in queries)
    assert counts == [(200, None, 4)]
    assert doubled == [(twice,)]


def test_counts_can_be_asked_for_over_http(rehearsal):
    import urllib.request

    server = rehearsal()
    with client(server) as ai:
        ai.chat.completions.create(model=MODEL, messages=STORY)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/rehearsal/log") as reply:
        counts = json.load(reply)
    assert counts["status"] == {"200": 1}
    assert (counts["answered"], counts["requests"], counts["in_flight"]) == (1, 2, 1)  # itself is served
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/health") as reply:
        assert json.load(reply) == {"status": "ok"}


def test_an_unknown_address_and_method_get_an_error_in_the_form_of_the_api(rehearsal):
    server = rehearsal()
    for first in ("GET /v1/nothing", "DELETE /v1/models"):
        reply = raw(server, f"{first} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head, _, body = reply.partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 404")
        assert json.loads(body)["error"]["code"] == "unknown_url"


def test_a_name_that_was_made_to_lead_here_is_refused(rehearsal):
    server = rehearsal()
    ask = "GET /v1/models HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n"
    assert raw(server, ask.format("evil.example:80")).startswith("HTTP/1.1 421")
    assert raw(server, ask.format(f"127.0.0.1:{server.port}")).startswith("HTTP/1.1 200")
    assert raw(server, ask.format("localhost")).startswith("HTTP/1.1 200")


def test_it_listens_on_loopback_only(rehearsal):
    server = rehearsal()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", server.port), timeout=1)


def test_a_port_that_is_taken_is_named(rehearsal):
    taken = rehearsal().port
    with pytest.raises(BadInput, match=f"--port {taken}: "):
        asyncio.run(serve(Rehearsal(Plan(), AccessLog()), taken, lambda port: None, asyncio.Event()))


def test_a_connection_is_kept_for_the_next_request(rehearsal):
    server = rehearsal()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for _ in range(3):
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    assert len(server.log) == 3


def test_a_client_that_goes_away_is_answered_nothing(rehearsal):
    server = rehearsal(latency=30)
    body = json.dumps({"model": MODEL, "messages": STORY})
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        wait_until(lambda: server.counts["in_flight"] == 1)
    wait_until(lambda: server.counts["in_flight"] == 0)
    (row,) = server.log
    assert (row["answered"], row["status"], row["fault"]) == (False, None, None)
    assert row["request"]


def test_requests_in_flight_are_counted(rehearsal):
    server = rehearsal(latency=0.3)
    with client(server) as ai, concurrent.futures.ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda i: ai.chat.completions.create(model=MODEL, messages=STORY, seed=i), range(5)))
    assert sorted(row["in_flight"] for row in server.log) == [1, 2, 3, 4, 5]
    assert sorted(row["number"] for row in server.log) == [1, 2, 3, 4, 5]
    assert server.counts["max_in_flight"] == 5
    assert all(0.3 <= row["latency_s"] < 10 for row in server.log)


def test_a_body_that_is_too_large_is_refused(rehearsal, monkeypatch):
    monkeypatch.setattr("tasks.rehearsal.server.MAX_BODY", 1000)
    server = rehearsal()
    with client(server) as ai, pytest.raises(openai.APIStatusError) as error:
        ai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x" * 2000}])
    assert error.value.status_code == 413
