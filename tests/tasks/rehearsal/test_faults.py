"""Each fault is at the socket what its name says."""

import json
import socket
import time
from collections import Counter

import openai
import pytest

from schemas.rehearsal import KINDS, Plan
from tasks.rehearsal.faults import SOUND, drawn

MODEL = "offline/storyteller"
STORY = [{"role": "user", "content": "Write a short story with the words cat, run and red."}]


def post(server, **body):
    """Head and body as they came in, until the server closes; a reset is raised as ConnectionResetError."""
    sent = json.dumps({"model": MODEL, "messages": STORY, "seed": 1, **body}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(sent)}\r\n\r\n"
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head.encode() + sent)
        while chunk := connection.recv(1 << 20):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, body


@pytest.fixture
def meet(rehearsal):
    """A function that starts a server whose second completion meets a fault, and sends two."""

    def start(kind, body=None, **fields):
        meet.server = rehearsal(faults=[{"kind": kind, "at": [2], **fields}])
        status, _, first = post(meet.server)
        assert status == 200
        meet.good = json.loads(first)["choices"][0]["message"]["content"]
        try:
            return post(meet.server, **(body or {}))
        finally:
            meet.row = meet.server.log[-1]
            assert meet.row["fault"] == kind
            assert meet.server.log[0]["fault"] is None

    meet = start
    return start


def content(body):
    return json.loads(body)["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("kind", "fields", "status", "code", "retry_after"),
    [
        ("rate_limit", {}, 429, "rate_limit_exceeded", "1"),
        ("rate_limit", {"retry_after": 7.5}, 429, "rate_limit_exceeded", "7.5"),
        ("server_error", {}, 500, None, None),
        ("server_error", {"status": 503, "retry_after": 3}, 503, None, "3"),
        ("bad_request", {}, 400, "bad_request", None),
        ("quota", {}, 429, "insufficient_quota", None),
        ("wrong_key", {}, 401, "invalid_api_key", None),
    ],
)
def test_a_refusal_has_its_status_and_the_error_of_the_api(meet, kind, fields, status, code, retry_after):
    got, headers, body = meet(kind, **fields)
    error = json.loads(body)["error"]
    assert (got, error["code"], headers.get("retry-after")) == (status, code, retry_after)
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    assert (meet.row["status"], meet.row["answered"]) == (status, False)


def test_reset_is_a_reset_before_any_byte(meet):
    with pytest.raises(ConnectionResetError):
        meet("reset")
    assert (meet.row["status"], meet.row["answered"]) == (None, False)


def test_hang_sends_nothing_for_its_time(meet):
    began = time.monotonic()
    with pytest.raises(ConnectionResetError):
        meet("hang", seconds=0.5)
    assert time.monotonic() - began >= 0.5
    assert meet.row["answered"] is False


def test_a_client_that_gives_up_a_hanging_request_ends_it(rehearsal):
    server = rehearsal(faults=[{"kind": "hang", "at": [1]}])
    ai = openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0, timeout=0.2)
    with ai, pytest.raises(openai.APITimeoutError):
        ai.chat.completions.create(model=MODEL, messages=STORY)
    end = time.monotonic() + 20
    while not server.log and time.monotonic() < end:
        time.sleep(0.01)
    assert server.log[0]["status"] is None


def test_drip_sends_the_whole_answer_byte_by_byte(rehearsal):
    server = rehearsal(faults=[{"kind": "drip", "rate": 1, "seconds": 0.001}])
    sent = json.dumps({"model": MODEL, "messages": STORY, "max_tokens": 1}).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(sent)}\r\n\r\n"
        connection.sendall(head.encode() + sent)
        pieces = []
        while chunk := connection.recv(1 << 16):
            pieces.append(chunk)
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["choices"]
    assert len(pieces) > len(body) / 3  # one send a byte; the socket may join some
    assert server.log[0]["answered"] is True


def test_truncated_announces_more_than_it_sends(meet):
    status, headers, body = meet("truncated")
    assert status == 200
    assert 0 < len(body) < int(headers["content-length"])
    assert meet.row["answered"] is False


def test_cut_announces_what_it_sends_but_the_json_ends_early(meet):
    status, headers, body = meet("cut")
    assert (status, int(headers["content-length"])) == (200, len(body))
    with pytest.raises(ValueError):
        json.loads(body)
    assert (meet.row["status"], meet.row["answered"]) == (200, False)


def test_malformed_is_nearly_json(meet):
    status, headers, body = meet("malformed")
    assert (status, int(headers["content-length"])) == (200, len(body))
    with pytest.raises(ValueError):
        json.loads(body)
    assert json.loads(body.replace(b"'", b'"', 2))["choices"]


def test_choices_are_none_or_one_too_many(rehearsal):
    server = rehearsal(faults=[{"kind": "choices", "rate": 1}])
    counts = [len(json.loads(post(server, n=2)[2])["choices"]) for _ in range(2)]
    assert counts == [0, 3]
    assert [row["answered"] for row in server.log] == [False, False]


def test_empty_is_a_content_of_no_character(meet):
    status, _, body = meet("empty")
    assert (status, content(body), json.loads(body)["usage"]["completion_tokens"]) == (200, "", 0)
    assert meet.row["answered"] is True


def test_huge_has_the_size_that_was_asked_for(meet):
    status, headers, body = meet("huge", size=3 << 20)
    assert (status, len(content(body))) == (200, 3 << 20)
    assert int(headers["content-length"]) == len(body)
    assert json.loads(body)["usage"]["completion_tokens"] > 100_000


def test_invalid_utf8_cannot_be_decoded(meet):
    status, headers, body = meet("invalid_utf8")
    assert (status, int(headers["content-length"])) == (200, len(body))
    with pytest.raises(UnicodeDecodeError):
        body.decode()
    assert content(body.decode("utf-8", "ignore")).startswith(meet.good)


def test_a_lone_surrogate_is_json_but_no_text(meet):
    text = content(meet("lone_surrogate")[2])
    assert text.startswith(meet.good)
    with pytest.raises(UnicodeEncodeError):
        text.encode()


def test_nul_is_in_the_content(meet):
    assert "\x00" in content(meet("nul")[2])


def test_duplicate_is_the_text_of_the_first_answer(meet):
    body = meet("duplicate", {"messages": [{"role": "user", "content": "What is red?"}], "seed": 9})[2]
    assert content(body) == meet.good
    assert meet.row["answered"] is True


def test_language_is_another_language(meet):
    text = content(meet("language")[2])
    assert text != meet.good
    assert not {"the", "and", "was"} & set(text.lower().split())
    assert meet.row["answered"] is True


def test_html_is_a_page(meet):
    status, headers, body = meet("html")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/html")
    assert body.startswith(b"<!DOCTYPE html>")
    assert meet.row["answered"] is False


def test_an_error_object_comes_with_status_200(meet):
    status, _, body = meet("error_object")
    assert (status, set(json.loads(body))) == (200, {"error"})


@pytest.mark.parametrize(("fields", "expected"), [({}, 307), ({"status": 302}, 302)])
def test_redirect_leads_to_where_nothing_is_and_the_log_shows_who_follows(meet, fields, expected):
    status, headers, _ = meet("redirect", **fields)
    assert (status, headers["location"]) == (expected, "/v1/elsewhere")
    with (
        openai.OpenAI(base_url=meet.server.base_url, api_key="x", max_retries=0) as ai,
        pytest.raises(openai.NotFoundError),
    ):
        ai.get("/elsewhere", cast_to=object)
    assert meet.server.log[-1]["path"] == "/v1/elsewhere"


STREAM = {"stream": True}


def test_a_stream_that_is_truncated_ends_without_its_last_chunk(meet):
    status, headers, body = meet("truncated", STREAM)
    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    assert not body.endswith(b"0\r\n\r\n") and b"[DONE]" not in body


def test_a_stream_that_is_cut_ends_properly_but_is_not_done(meet):
    _, _, body = meet("cut", STREAM)
    assert body.endswith(b"0\r\n\r\n") and b"[DONE]" not in body


@pytest.mark.parametrize(
    ("kind", "mark"),
    [
        ("malformed", b"'choices'"),
        ("invalid_utf8", b"\xff\xfe"),
        ("lone_surrogate", b"\\ud83d"),
        ("nul", b"\\u0000"),
    ],
)
def test_a_stream_is_spoilt_as_well(meet, kind, mark):
    _, _, body = meet(kind, STREAM)
    assert mark in body and b"[DONE]" in body
    assert meet.row["answered"] is False


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_leaves_a_server_that_goes_on(rehearsal, kind):
    server = rehearsal(faults=[{"kind": kind, "at": [1], "seconds": 0, "size": 1000}])
    try:
        post(server)
    except ConnectionResetError:
        assert kind in ("reset", "hang")
    assert post(server)[0] == 200
    first, second = server.log
    assert (first["fault"], first["answered"]) == (kind, kind in SOUND)
    assert (second["fault"], second["answered"]) == (None, True)


def test_faults_come_at_their_rate_and_the_plan_alone_decides_when():
    faults = [
        {"kind": "reset", "rate": 0.1},
        {"kind": "hang", "rate": 0.2, "from": 2001},
        {"kind": "html", "at": [7]},
    ]
    plan = Plan(faults=faults, seed=1)
    met = [fault.kind if (fault := drawn(plan, number)) else None for number in range(1, 6001)]
    assert met[6] == "html"
    first, second = Counter(met[:2000]), Counter(met[2000:])
    assert first["reset"] == pytest.approx(200, abs=5 * (2000 * 0.09) ** 0.5) and not first["hang"]
    assert second["reset"] == pytest.approx(400, abs=5 * (4000 * 0.09) ** 0.5)
    assert second["hang"] == pytest.approx(800, abs=5 * (4000 * 0.16) ** 0.5)
    again, other = Plan(faults=faults, seed=1), Plan(faults=faults, seed=2)
    assert [drawn(again, number) for number in (7, 5000)] == [drawn(plan, number) for number in (7, 5000)]
    assert met != [fault.kind if (fault := drawn(other, number)) else None for number in range(1, 6001)]


def test_two_servers_with_the_same_plan_behave_equally(rehearsal):
    fields = {"faults": [{"kind": "server_error", "rate": 0.4}, {"kind": "empty", "rate": 0.2}], "seed": 3}
    seen = []
    for _ in range(2):
        server = rehearsal(**fields)
        seen.append([(post(server, seed=i)[0], server.log[-1]["fault"]) for i in range(12)])
    assert seen[0] == seen[1]
    assert {fault for _, fault in seen[0]} == {None, "server_error", "empty"}
