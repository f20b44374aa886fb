import asyncio
import contextlib
import datetime
import email.utils
import gzip
import ipaddress
import json
import math
import socket
import ssl
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from schemas.errors import BadInput
from schemas.llm import LLM
from schemas.reply import Request
from schemas.tables import Message
from tasks.calls.endpoint import MAX_BYTES, Endpoint, retry_after_s, without_user
from tasks.calls.provider import Fatal, Limited, NoSchemas, Refused, Unreachable, Unusable, read_completion

KEY = "sk-quite-secret"
ANSWER = {"choices": [{"message": {"content": "[1]"}, "finish_reason": "stop"}]}
QUESTION = Request(messages=[Message(role="user", content="hello")], sampling={"seed": 1})
STRUCTURED = QUESTION.model_copy(update={"json_schema": {"type": "array", "items": {"type": "integer"}}})


def endpoint_at(base_url, **settings):
    llm = LLM(**({"base_url": base_url, "model": "small", "timeout_s": 20} | settings))
    return Endpoint(llm.sites()[0], llm)


def using(base_url, work, **settings):
    """What a coroutine function gives for an endpoint at this address."""

    async def use():
        one = endpoint_at(base_url, **settings)
        try:
            return await work(one)
        finally:
            await one.close()

    return asyncio.run(use())


def sent(base_url, request=QUESTION, **settings):
    return using(base_url, lambda one: one.send(request), **settings)


def listed(base_url, **settings):
    return using(base_url, lambda one: one.models(), **settings)


async def served(answer, work, ssl_context=None, **settings):
    """A server on a raw socket, which does `answer(reader, writer)`, and an endpoint that works with it."""

    serving = set()

    async def connected(reader, writer):
        serving.add(asyncio.current_task())
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=ssl_context)
    scheme = "http" if ssl_context is None else "https"
    one = endpoint_at(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", **settings)
    try:
        return await work(one)
    finally:
        await one.close()
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def from_socket(answer, request=QUESTION, **arguments):
    return asyncio.run(served(answer, lambda one: one.send(request), **arguments))


def body(message="no", **error):
    return json.dumps({"error": {"message": message, **error}}).encode()


# ---- what is sent


def test_a_request_goes_out_as_the_api_wants_it_and_the_answer_comes_back_as_it_was(endpoint):
    raw = sent(f"{endpoint.base_url}/", QUESTION, api_key=KEY)
    assert read_completion(raw).text == "answer 1"
    assert endpoint.seen == [
        {"model": "small", "messages": [{"role": "user", "content": "hello"}], "seed": 1}
    ]
    assert endpoint.keys == [f"Bearer {KEY}"]


def test_an_endpoint_may_have_a_name_of_its_own_for_the_model(endpoint):
    llm = LLM(model="small", endpoints=[{"base_url": endpoint.base_url, "model": "its-small"}], concurrency=3)
    one = Endpoint(llm.sites()[0], llm)

    async def send():
        await one.send(QUESTION)
        await one.close()
        await one.close()

    asyncio.run(send())
    assert endpoint.seen[0]["model"] == "its-small" and endpoint.keys == [None]
    assert one.concurrency == 3


# ---- bodies


def test_a_body_without_end_is_left_after_four_megabytes():
    written = 0

    async def answer(reader, writer):
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n")
        for _ in range(60_000_000 // 100_000):
            writer.write(bytes(100_000))
            await writer.drain()
            written += 100_000

    with pytest.raises(Unusable, match=f"longer than {MAX_BYTES} bytes"):
        from_socket(answer)
    assert written < 30_000_000, "the rest stays where it is, but for what the kernel had taken"


def test_a_body_of_four_megabytes_is_read(endpoint):
    endpoint.faults = [(200, {}, bytes(MAX_BYTES))]
    assert len(sent(endpoint.base_url)) == MAX_BYTES


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_compressed_body_is_refused_unread(endpoint, coding):
    endpoint.faults = [(200, {"Content-Encoding": coding}, gzip.compress(bytes(50_000_000)))]
    with pytest.raises(Unusable, match="compressed"):
        sent(endpoint.base_url)


def test_a_slow_drip_ends_at_the_time_limit():
    async def answer(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    began = time.monotonic()
    with pytest.raises(Unusable, match="no whole answer within 0.3 s") as found:
        from_socket(answer, timeout_s=0.3)
    assert time.monotonic() - began < 10 and found.value.billed


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal"])
def test_a_server_that_is_silent_ends_at_the_time_limit(sent):
    async def answer(reader, writer):
        writer.write(sent)
        await asyncio.sleep(5)

    with pytest.raises(Unusable, match="no whole answer"):
        from_socket(answer, timeout_s=0.2)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
def test_a_broken_answer_is_worth_another_attempt_and_may_be_billed(reply):
    async def answer(reader, writer):
        writer.write(reply)
        await writer.drain()

    with pytest.raises(Unusable) as found:
        from_socket(answer)
    assert found.value.billed and "\n" not in str(found.value)


def test_a_reset_is_worth_another_attempt(endpoint):
    endpoint.faults = ["reset"]
    with pytest.raises(Unusable, match="the connection broke"):
        sent(endpoint.base_url)


# ---- statuses


def test_a_redirect_is_not_followed_since_a_key_must_not_travel(endpoint):
    for status in (301, 302, 303, 307, 308):
        endpoint.faults = [(status, {"Location": f"{endpoint.base_url}/chat/completions"}, b"")]
        with pytest.raises(Fatal, match=f"redirects to '{endpoint.base_url}/chat/completions'"):
            sent(endpoint.base_url, api_key=KEY)
    assert len(endpoint.seen) == 5


@pytest.mark.parametrize(
    ("status", "raw", "says"),
    [
        (401, body(f"Incorrect API key provided: {KEY}"), "refused the key .401.: set SEEDLOOM_LLM__API_KEY"),
        (403, b"", "refused the key .403."),
        (402, body("pay first"), "no credit left: pay first"),
        (404, body(), "knows no model 'small' or no /chat/completions .404.; see SEEDLOOM_LLM__MODEL"),
        (429, body("quota", code="insufficient_quota"), "no credit left: quota"),
        (429, body("quota", code=None, type="insufficient_quota"), "no credit left: quota"),
        (429, body(code="billing_hard_limit_reached"), "no credit left"),
        (429, body(code="billing_not_active"), "no credit left"),
    ],
)
def test_what_asking_again_cannot_help_is_fatal(endpoint, status, raw, says):
    endpoint.faults = [(status, {}, raw)]
    with pytest.raises(Fatal, match=says) as found:
        sent(endpoint.base_url, api_key=KEY)
    assert endpoint.base_url in str(found.value) and KEY not in str(found.value)


@pytest.mark.parametrize("status", [400, 405, 413, 414, 422, 451])
def test_a_bad_request_is_refused(endpoint, status):
    endpoint.faults = [(status, {}, body("too\nlong", code="context_length_exceeded"))]
    with pytest.raises(Refused, match=f"answers {status}: too long"):
        sent(endpoint.base_url)


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504, 529])
def test_what_passes_is_worth_another_attempt_and_not_billed(endpoint, status):
    endpoint.faults = [(status, {}, b"<html>\nupstream" + bytes(1000))]
    with pytest.raises(Unusable, match=f"answers {status}: <html> upstream") as found:
        sent(endpoint.base_url)
    assert not found.value.billed and len(str(found.value)) < 300


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b'{"error": null}',
        b'{"error": "slow down"}',
        b'{"error": {"code": ["insufficient_quota"], "message": {"a": 1}}}',
        b'{"error": {"code": 429}}',
        b"[" * 100_000,
    ],
)
def test_whatever_comes_with_a_429_it_is_too_many(endpoint, raw):
    endpoint.faults = [(429, {"Retry-After": "3"}, raw)]
    with pytest.raises(Limited) as found:
        sent(endpoint.base_url)
    assert found.value.after_s == 3 and "\n" not in str(found.value)


# ---- Retry-After


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "Wed, 99 Foo 2015 07:28:00 GMT"}, None),
    ],
)
def test_the_endpoint_says_when_to_come_again(headers, seconds):
    assert retry_after_s(headers) == seconds


def test_the_endpoint_may_name_a_date():
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=100)
    told = email.utils.format_datetime(when.replace(microsecond=0), usegmt=True)
    assert 90 < retry_after_s({"retry-after": told}) <= 100


@given(
    st.text(max_size=40) | st.floats().map(str) | st.dates().map(lambda day: f"{day:%a, %d %b %Y} 00:00:00")
)
def test_no_header_whatever_gives_more_than_a_number_of_seconds(told):
    found = retry_after_s({"retry-after": told})
    assert found is None or (found >= 0 and math.isfinite(found))


# ---- connections


def unused_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_where_nobody_is_nothing_was_sent(host):
    url = f"http://{host}:{unused_port()}/v1"
    with pytest.raises(Unreachable, match=url):
        sent(url)
    with pytest.raises(BadInput, match=f"no server answers at {url}.*see SEEDLOOM_LLM__BASE_URL"):
        listed(url)


def certificate(folder):
    """A certificate for 127.0.0.1 that nobody has signed but itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(days=1),
        not_valid_after=now + datetime.timedelta(days=1),
    ).add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "certificate.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    return folder / "certificate.pem", folder / "key.pem"


def test_a_certificate_that_nobody_trusts_is_fatal_and_the_key_stays_here(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    heard = []

    async def answer(reader, writer):
        heard.append(1)

    async def both(one):
        with pytest.raises(Fatal, match=f"TLS to {one.name} failed: .*certificate") as found:
            await one.send(QUESTION)
        assert "\n" not in str(found.value)
        with pytest.raises(BadInput, match="TLS to .* failed"):
            await one.models()

    asyncio.run(served(answer, both, ssl_context=context, api_key=KEY))
    assert heard == []


def test_a_server_that_speaks_no_tls_is_fatal(endpoint):
    with pytest.raises(Fatal, match="TLS to https://127.0.0.1.* failed"):
        sent(endpoint.base_url.replace("http:", "https:"))


# ---- structured replies


async def answer_to(one, request):
    """As the asker does: sent again when the schema is refused."""
    try:
        return await one.send(request)
    except NoSchemas:
        return await one.send(request)


def refuses_schemas(endpoint, status=400):
    """The server answers, but to requests with a response_format."""
    plain = endpoint.answer

    def answer(asked):
        return plain(asked) if "response_format" not in asked else None

    class Server:
        faults = property(lambda self: self)

        def __bool__(self):
            return "response_format" in endpoint.seen[-1]

        def pop(self, index):
            return (status, {}, body("response_format is not supported"))

    endpoint.answer, endpoint.faults = answer, Server()


@pytest.mark.parametrize("status", [400, 500])
def test_an_endpoint_that_knows_no_schemas_is_told_in_words_and_never_offered_one_again(endpoint, status):
    refuses_schemas(endpoint, status)

    async def work(one):
        await answer_to(one, STRUCTURED)
        await answer_to(one, STRUCTURED)
        await answer_to(one, QUESTION)
        return one.structured

    assert using(endpoint.base_url, work) is False
    assert ["response_format" in asked for asked in endpoint.seen] == [True, False, False, False]
    words = [asked["messages"][-1]["content"] for asked in endpoint.seen]
    assert words[0] == words[3] == "hello"
    assert words[1] == words[2] and words[1].startswith("hello\n\n") and "integer" in words[1]


def test_all_requests_that_were_offered_a_schema_at_the_same_time_are_answered(endpoint):
    refuses_schemas(endpoint)

    async def work(one):
        return await asyncio.gather(*(answer_to(one, STRUCTURED.model_copy()) for _ in range(8)))

    assert len(using(endpoint.base_url, work)) == 8


def test_an_endpoint_that_knows_schemas_gets_them(endpoint):
    async def work(one):
        await one.send(STRUCTURED)
        endpoint.faults = [(400, {}, body("too long"))]
        with pytest.raises(Refused, match="too long"):
            await one.send(STRUCTURED)
        await one.send(STRUCTURED)

    using(endpoint.base_url, work)
    assert len(endpoint.seen) == 3, "a bad request is not asked again"
    for asked in endpoint.seen:
        assert asked["response_format"]["json_schema"]["schema"]["type"] == "array"
        assert asked["messages"][-1]["content"] == "hello"


def test_a_request_that_is_bad_in_any_form_takes_no_schemas_from_the_others(endpoint):
    async def work(one):
        endpoint.faults = [(400, {}, body("too long"))] * 2
        with pytest.raises(Refused, match="too long"):
            await answer_to(one, STRUCTURED)
        await answer_to(one, STRUCTURED)

    using(endpoint.base_url, work)
    assert ["response_format" in asked for asked in endpoint.seen] == [True, False, True]


# ---- models


def test_models_are_listed(endpoint):
    endpoint.models = ["small", "large"]
    assert listed(endpoint.base_url, api_key=KEY) == {"small", "large"}
    assert endpoint.keys == [f"Bearer {KEY}"]


def page(status, raw, **headers):
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(raw)}",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]
    whole = "\r\n".join(lines).encode() + b"\r\n\r\n" + raw

    async def answer(reader, writer):
        writer.write(whole)
        await writer.drain()

    return answer


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b"\xff", b'{"data": [1]}', b'{"data": [{"id": [1]}]}', b"[" * 99999]
)
def test_a_server_that_lists_no_models_will_be_asked_all_the_same(raw):
    assert asyncio.run(served(page(200, raw), lambda one: one.models())) == set()
    assert asyncio.run(served(page(404, raw), lambda one: one.models())) == set()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            page(200, b" <!DOCTYPE html><p>Welcome"),
            "answers HTML, no API: does SEEDLOOM_LLM__BASE_URL end in /v1",
        ),
        (page(401, body(KEY)), "refused the key .401."),
        (page(403, b""), "refused the key .403."),
        (page(402, body()), "no credit left"),
        (page(302, b"", Location="http://other/v1"), "redirects to 'http://other/v1'"),
        (page(200, b"x", **{"Content-Encoding": "gzip"}), "no server answers at .* compressed"),
    ],
)
def test_an_endpoint_that_is_none_is_found_out_before_any_work(answer, says):
    with pytest.raises(BadInput, match=says) as found:
        asyncio.run(served(answer, lambda one: one.models(), api_key=KEY))
    assert KEY not in str(found.value) and "\n" not in str(found.value)


# ---- secrets


def test_a_name_and_password_in_the_address_are_used_and_never_shown(endpoint):
    url = endpoint.base_url.replace("http://", "http://anna:hush@")
    one = endpoint_at(url)
    assert one.name == endpoint.base_url and "hush" not in one.name
    sent(url)
    assert endpoint.keys[0].startswith("Basic ")
    for status in (301, 400, 401, 402, 404, 429, 500):
        endpoint.faults = [(status, {}, b"")]
        with pytest.raises((Fatal, Refused, Limited, Unusable)) as found:
            sent(url)
        assert "hush" not in str(found.value) and "anna" not in str(found.value)
    gone = url.replace(str(endpoint.port), str(unused_port()))
    for work in (sent, listed):
        with pytest.raises((Unreachable, BadInput)) as found:
            work(gone)
        assert "hush" not in str(found.value)


def test_a_key_and_a_password_are_one_too_many(endpoint):
    url = endpoint.base_url.replace("http://", "http://anna:hush@")
    with pytest.raises(BadInput, match="leave out one of them") as found:
        endpoint_at(url, api_key=KEY)
    assert "hush" not in str(found.value) and KEY not in str(found.value)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000/v1",
        "localhost/v1",
        "ftp://anna:hush@host/v1",
        "http://",
        "http:///v1",
        "http://anna:hush@host:99999999/v1",
        "http://anna:hush@host:port/v1",
        "http://anna:hush@[::1/v1",
        "",
    ],
)
def test_an_address_that_is_none_is_one_clear_line(url):
    with pytest.raises(BadInput, match="no http.s. address .* see SEEDLOOM_LLM__BASE_URL") as found:
        endpoint_at(url)
    assert "hush" not in str(found.value) and "\n" not in str(found.value)


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX-Other: 1", f"{KEY}\x00", f"{KEY}ü"])
def test_a_key_that_is_none_is_refused_and_not_shown(endpoint, key):
    for work, kind in ((sent, Fatal), (listed, BadInput)):
        with pytest.raises(kind, match="was a line end copied") as found:
            work(endpoint.base_url, api_key=SecretStr(key))
        assert KEY not in str(found.value)
    assert endpoint.keys == []


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://host/v1", "http://host/v1"),
        ("https://a:b@host:1/v1", "https://host:1/v1"),
        ("https://a@host/v1?x=@y", "https://host/v1?x=@y"),
        ("https://a:b@c@host/v1", "https://host/v1"),
    ],
)
def test_the_user_is_taken_out_of_an_address(url, name):
    assert without_user(url) == name
