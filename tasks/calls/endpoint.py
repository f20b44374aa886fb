"""An OpenAI-compatible endpoint over HTTP: one request, one answer or one named reason why there is none.

Bodies are read up to 4 MiB, redirects are not followed (a key must not travel), compressed bodies are refused
(a small one can fill the memory), and the time limit runs to the last byte: a read timeout never fires on a
slow drip.
"""

import asyncio
import contextlib
import email.utils
import json
import math
import ssl
import time
from typing import Any, NoReturn
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from schemas.errors import BadInput
from schemas.llm import LLM, EndpointAt
from schemas.reply import Request
from tasks.calls.provider import Fatal, Limited, NoSchemas, Refused, Unreachable, Unusable, read_key, turns

MAX_BYTES = 4 << 20
NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
PASSING = {408, 409, 425}  # worth another attempt, as every 5xx


class Endpoint:
    """One endpoint. Nothing is sent before the first request."""

    batch = False

    def __init__(self, site: EndpointAt, llm: LLM) -> None:
        """Take address, model and time limit from the settings, the key from where they say.

        Raises:
            BadInput: for an address that is none, a name and password in it besides a key, no Secret block.
        """
        self.base_url = _checked(site.base_url.rstrip("/"))
        self.name = without_user(self.base_url)
        self.model = site.model or llm.model
        self.concurrency = llm.limits_of(site).concurrency
        self.structured: bool | None = None  # whether it takes a JSON schema: unknown until it is asked
        self._in_words: set[int] = set()  # requests whose schema was refused, and that are sent again
        self._timeout_s = llm.timeout_s
        self._key = read_key(site)
        if self._key is not None and self.name != self.base_url:
            raise BadInput(f"{self.name} is named with a user and with a key: leave out one of them")
        self._urls = {path: URL(f"{self.base_url}{path}") for path in ("/chat/completions", "/models")}
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request) -> bytes:
        """Send once.

        Raises:
            Fatal: for a wrong key, an unknown model, no credit, a bad certificate, a redirect.
            Refused: for a request that the endpoint calls bad.
            Unusable: for server errors, broken or late answers.
            Limited: for too many requests.
            NoSchemas: when it may be the JSON schema that it refuses.
            Unreachable: when no connection was made.
        """
        worded = id(request) in self._in_words
        offered = request.json_schema is not None and self.structured is not False and not worded
        status, headers, raw = await self._call("POST", "/chat/completions", self._body(request, offered))
        self._in_words.discard(id(request))
        if status in {400, 500} and offered and self.structured is not True:
            self._in_words.add(id(request))  # 400 is what such servers say, llama_cpp.server says 500
            raise NoSchemas(f"{self.name} answers {status} to a JSON schema")
        if status != 200:
            self._refuse(status, headers, raw)
        if self.structured is None and (offered or worded):
            self.structured = offered
        return raw

    async def models(self) -> set[str]:
        """The models that the endpoint names; empty when it does not list them.

        Raises:
            BadInput: when nobody answers, the answer is no API, or the key is refused.
        """
        try:
            status, headers, raw = await self._call("GET", "/models", None)
            if status in {401, 402, 403} or 300 <= status < 400:
                self._refuse(status, headers, raw)
        except (Unreachable, Unusable) as error:
            raise BadInput(
                f"no server answers at {self.name}: {error}; see SEEDLOOM_LLM__BASE_URL"
            ) from error
        except Fatal as error:
            raise BadInput(str(error)) from error
        if status == 200 and raw.lstrip()[:1] == b"<":
            raise BadInput(f"{self.name} answers HTML, no API: does SEEDLOOM_LLM__BASE_URL end in /v1?")
        try:
            return {model["id"] for model in json.loads(raw)["data"]} if status == 200 else set()
        except (ValueError, KeyError, TypeError, RecursionError):
            return set()  # many servers do not list their models; the first request will tell

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _body(self, request: Request, structured: bool) -> bytes:
        body: dict[str, Any] = {"model": self.model, "messages": turns(request), **request.sampling}
        if request.json_schema is None:
            return json.dumps(body).encode()
        from tasks.calls.structured import in_words, response_format

        if structured:
            body["response_format"] = response_format(request.json_schema)
        else:
            last = body["messages"][-1]
            last["content"] = f"{last['content']}\n\n{in_words(request.json_schema)}"
        return json.dumps(body).encode()

    async def _call(self, method: str, path: str, body: bytes | None) -> tuple[int, Any, bytes]:
        if self._session is None:
            self._session = _session(self._key)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.request(method, self._urls[path], data=body, allow_redirects=False) as response,
            ):
                return response.status, response.headers, await _read(response)
        except TimeoutError as error:
            raise Unusable(f"no whole answer within {self._timeout_s:g} s") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise Fatal(f"TLS to {self.name} failed: {error}") from error
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise Unreachable(f"{self.name}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unusable(_one_line(f"the connection broke: {type(error).__name__} {error}")) from error

    def _refuse(self, status: int, headers: Any, raw: bytes) -> NoReturn:
        """Say what an answer other than 200 means."""
        code, message = _error(raw)
        told = f"{self.name} answers {status}: {message}"
        if status in {401, 403}:
            raise Fatal(
                f"{self.name} refused the key ({status}): set SEEDLOOM_LLM__API_KEY, or "
                "SEEDLOOM_LLM__API_KEY_BLOCK to the name of a Prefect Secret block"
            )
        if status == 404:
            unknown = f"no model {self.model!r} or no /chat/completions"
            raise Fatal(f"{self.name} knows {unknown} (404); see SEEDLOOM_LLM__MODEL")
        if status == 402 or (status == 429 and code in NO_CREDIT):
            raise Fatal(f"{self.name} reports no credit left: {message}")
        if status == 429:
            raise Limited(told, retry_after_s(headers))
        if 300 <= status < 400:
            raise Fatal(f"{self.name} redirects to {headers.get('Location')!r}: name that address itself")
        if status >= 500 or status in PASSING:
            raise Unusable(told, billed=False)
        raise Refused(told)


def retry_after_s(headers: Any) -> float | None:
    """How many seconds the endpoint asks to wait: milliseconds, seconds, or a date."""
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        told = headers.get(name)
        if told is None:
            continue
        with contextlib.suppress(ValueError):
            if math.isfinite(seconds := float(told) * scale):
                return max(0.0, seconds)
        with contextlib.suppress(ValueError, OverflowError):
            return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - time.time())
    return None


def without_user(url: str) -> str:
    """An address without the name and password it may hold."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _checked(url: str) -> str:
    """The address, if it is one: an error of the client would show the password that it may hold."""
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() in {"http", "https"} and parts.hostname and parts.port != 0 and URL(url):
            return url
    except ValueError:
        pass
    shown = url.rpartition("@")[2]
    raise BadInput(f"{shown!r} is no http(s) address of an endpoint; see SEEDLOOM_LLM__BASE_URL")


def _session(key: str | None) -> aiohttp.ClientSession:
    headers = {"Accept-Encoding": "identity", "Content-Type": "application/json", "User-Agent": "seedloom"}
    if key is not None:
        if not (key.isascii() and key.isprintable()):
            raise Fatal("the key of the endpoint holds characters that no key has: was a line end copied?")
        headers["Authorization"] = f"Bearer {key}"
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        headers=headers,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
        max_field_size=65536,
    )


async def _read(response: aiohttp.ClientResponse) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Unusable("the body is compressed, which was not asked for")
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_BYTES:
            raise Unusable(f"the body is longer than {MAX_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _error(raw: bytes) -> tuple[str | None, str]:
    """Code and message of an error as the API defines it, else the beginning of what came."""
    try:
        error = json.loads(raw)["error"]
        code = next((error[name] for name in ("code", "type") if error.get(name) in NO_CREDIT), None)
        return code, _one_line(str(error.get("message"))[:300])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, _one_line(raw[:120].decode("utf-8", "replace"))


def _one_line(text: str) -> str:
    return " ".join(text.split())
