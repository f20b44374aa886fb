"""The Files and Batches endpoints of the OpenAI API, as the Batch API of a provider is worked with.

Trouble on the way (no connection, a server error, too many requests, an answer that is none) is waited out;
only an endpoint that gives no answer for `patience_s` ends the run. Nothing is created twice: after trouble
with a creation, the endpoint is first asked whether it knows a batch with our mark.
"""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import aiohttp

from schemas.llm import LLM
from tasks.calls.provider import Fatal, Limited, Refused, Unusable

CHAT = "/v1/chat/completions"
MARK = "seedloom"  # the metadata that says which of our batches it is
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
CLOCKS_S = 3600.0  # how far the endpoint's clock may be from ours
MAX_LINE = 8 << 20  # bytes; a longer line of results is none

Refusing = Callable[[int, Any, bytes], NoReturn]  # status, headers, body: raises what they mean
T = TypeVar("T")


class BatchApi:
    """The calls, each with patience. To be used and closed in one event loop."""

    def __init__(self, name: str, base_url: str, key: str | None, llm: LLM, refuse: Refusing) -> None:
        """Take the address; `name` is what messages call it."""
        import openai

        self._name, self._patience_s, self._refuse = name, llm.patience_s, refuse
        self._timeout_s = llm.timeout_s
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key or "none",  # the client insists on one, and would take that of the environment
            http_client=openai.DefaultAioHttpClient(trust_env=False, follow_redirects=False),
            timeout=llm.timeout_s,
            max_retries=0,  # what is worth another attempt, and for how long, is decided here
        )

    async def create(self, content: bytes, mark: str, began: float) -> Any:
        """Upload requests and have a batch made of them, once, whatever happens on the way.

        Raises:
            Fatal: when the endpoint refuses, or gives no answer for too long.
        """
        upload = ("requests.jsonl", content, "application/jsonl")
        file = await self._patiently(
            "files", lambda: self._client.files.create(file=upload, purpose="batch"), transfer=True
        )
        tried = False

        async def made() -> Any:
            nonlocal tried
            found = await self._found(mark, began) if tried else None
            tried = True
            return found or await self._client.batches.create(
                input_file_id=file.id, endpoint=CHAT, completion_window="24h", metadata={MARK: mark}
            )

        return await self._patiently("batches", made)

    async def find(self, mark: str, began: float) -> Any | None:
        """The batch with this mark, if the endpoint knows one; `began` says how far back to look (Unix s).

        Raises:
            Fatal: as `create`.
        """
        return await self._patiently("batches", lambda: self._found(mark, began), nothing=True)

    async def retrieve(self, batch_id: str) -> Any:
        """The batch as it is now.

        Raises:
            Fatal: as `create`.
        """
        return await self._patiently(f"batch {batch_id}", lambda: self._client.batches.retrieve(batch_id))

    async def each_line(self, file_id: str, take: Callable[[bytes], Awaitable[None]]) -> None:
        """Give the lines of a file to `take`, one by one; after trouble, from the first on again.

        Raises:
            Fatal: as `create`.
        """

        async def read() -> bool:
            async with self._client.files.with_streaming_response.content(file_id) as response:
                async for line in _lines(response.iter_bytes(1 << 16)):
                    await take(line)
            return True

        await self._patiently(f"file {file_id}", read, nothing=True, transfer=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _found(self, mark: str, began: float) -> Any | None:
        async for batch in self._client.batches.list(limit=100):
            if (batch.metadata or {}).get(MARK) == mark:
                return batch
            if batch.created_at < began - CLOCKS_S:
                return None
        return None

    async def _patiently(
        self, what: str, call: Callable[[], Awaitable[T]], nothing: bool = False, transfer: bool = False
    ) -> T:
        """The answer, after as much trouble as may be; `nothing`: an answer may be no object of the API."""
        since, pause_s = time.monotonic(), FIRST_PAUSE_S
        while True:
            trouble, after_s = "", 0.0
            try:
                async with asyncio.timeout(None if transfer else self._timeout_s):
                    answer = await call()
                if nothing or isinstance(getattr(answer, "id", None), str):
                    return answer
                trouble = f"answers {str(answer)[:80]!r}, no object of the API"
            except Exception as error:
                trouble, after_s = self._trouble(what, error)
            silent_s = time.monotonic() - since
            if max(silent_s, after_s) > self._patience_s:
                wait = f"asks to wait {after_s:.0f} s" if after_s else f"gave no answer for {silent_s:.0f} s"
                raise Fatal(f"{self._name} {wait}, above SEEDLOOM_LLM__PATIENCE_S: {what}: {trouble}")
            await asyncio.sleep(max(after_s, pause_s * random.uniform(0.5, 1.0)))
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _trouble(self, what: str, error: Exception) -> tuple[str, float]:
        """What passing trouble this is, and how many seconds to wait at least.

        Raises:
            Fatal: when it does not pass.
        """
        import httpx2
        import openai

        if isinstance(error, openai.APIStatusError):
            return self._refusal(what, error.response)
        passing = (openai.APIError, httpx2.HTTPError, aiohttp.ClientError, OSError, ValueError)
        if not isinstance(error, passing):
            raise error
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLError | aiohttp.ClientSSLError):
                raise Fatal(f"TLS to {self._name} failed: {cause}") from error
        return f"{type(error).__name__} {list(_causes(error))[-1]}".strip(), 0.0

    def _refusal(self, what: str, response: Any) -> tuple[str, float]:
        if response.status_code == 404:
            raise Fatal(f"{self._name} knows no {what} (404); the provider 'batch' needs its Batch API")
        try:
            self._refuse(response.status_code, response.headers, response.content)
        except Limited as limited:
            return str(limited), limited.after_s or 0.0
        except Unusable as unusable:
            return str(unusable), 0.0
        except Refused as refused:
            raise Fatal(f"the Batch API of {refused}") from refused


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Split at line feeds only: JSON may hold other characters that text calls ends of lines."""
    kept = b""
    async with contextlib.aclosing(chunks):  # type: ignore[type-var]
        async for chunk in chunks:
            *lines, kept = (kept + chunk).split(b"\n")
            for line in lines:
                yield line
            kept = kept[: MAX_LINE + 1]  # a line without end must not fill the memory; cut, it is no JSON
    if kept:
        yield kept


def _causes(error: BaseException | None) -> list[BaseException]:
    """An error and what caused it, outermost first."""
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes
