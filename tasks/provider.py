"""Who answers: the offline storyteller in this process (the default), or any OpenAI-compatible endpoint.

Only `tasks/llm.py` uses what is here; nothing else talks to a model.
"""

import asyncio
import json
from typing import Any, NamedTuple, Protocol

from schemas.errors import BadInput, SeedloomError
from schemas.reply import Request
from schemas.settings import LLM, OFFLINE, Settings


class Unusable(Exception):
    """A reply that is no completion: worth another attempt."""


class Fatal(SeedloomError):
    """Asking again cannot help: wrong key, unknown model, nobody there."""


class Provider(Protocol):
    """Something that answers."""

    name: str
    model: str
    concurrency: int
    attempts: int

    async def send(self, request: Request) -> bytes:
        """The body of a chat completion as the OpenAI API defines it, whole and valid."""

    async def close(self) -> None:
        """Let go of connections, in the event loop that made them."""


class Offline:
    """The built-in storyteller, answering in this process."""

    name, model, concurrency, attempts = "offline", OFFLINE, 64, 1

    def __init__(self, settings: Settings) -> None:
        """Take the storyteller's manners from the settings."""
        self._manners = settings.storyteller

    async def send(self, request: Request) -> bytes:
        """Answer at once, in the form of an endpoint."""
        from tasks.storyteller import answer

        told = answer(_turns(request), request.sampling, request.sampling.get("seed", 0), self._manners)
        choice = {"index": 0, "finish_reason": told.finish_reason, "message": {"content": told.text}}
        usage = {"prompt_tokens": told.n_prompt_tokens, "completion_tokens": told.n_completion_tokens}
        return json.dumps({"model": self.model, "choices": [choice], "usage": usage}).encode()

    async def close(self) -> None:
        """Nothing to let go of."""


class Endpoint:
    """An OpenAI-compatible server."""

    def __init__(self, llm: LLM) -> None:
        """Take address, model and limits from the settings; nothing is sent yet."""
        self.name = str(llm.base_url)
        self.model = llm.model
        self.concurrency, self.attempts = llm.concurrency, llm.attempts
        self._llm = llm
        self._key = read_key(llm)
        self._client: Any = None

    async def send(self, request: Request) -> bytes:
        """Send once.

        Raises:
            Unusable: for anything that is no whole completion.
            Fatal: for a wrong key or an unknown model.
            openai.APIError: for everything else the server refuses.
        """
        import openai

        if self._client is None:
            self._client = _client(self._llm, self._key)
        try:
            async with asyncio.timeout(self._llm.timeout_s):  # a read timeout never fires on a slow drip
                reply = await self._client.chat.completions.with_raw_response.create(
                    model=self.model, messages=_turns(request), **request.sampling
                )
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise Fatal(_refusal(self._llm, error)) from error
        except openai.RateLimitError as error:
            if error.code == "insufficient_quota":
                raise Fatal(f"{self.name} reports no credit left: {error.message}") from error
            raise
        read_completion(reply.content)
        return reply.content

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()


def provider_of(settings: Settings) -> Provider:
    """The endpoint of the settings, or the offline storyteller when none is set."""
    return Endpoint(settings.llm) if settings.llm.base_url else Offline(settings)


def check_endpoint(settings: Settings) -> None:
    """Ask the endpoint for its models before any work is begun.

    Raises:
        BadInput: when nobody answers, the key is refused, or the model is not among those it names.
    """
    llm = settings.llm
    if not llm.base_url:
        if llm.model != OFFLINE:
            raise BadInput(f"SEEDLOOM_LLM__MODEL is {llm.model!r} but SEEDLOOM_LLM__BASE_URL is not set")
        return
    known = asyncio.run(_known_models(llm, read_key(llm)))
    if known and llm.model not in known:
        raise BadInput(f"no model {llm.model!r} at {llm.base_url}; known: {sorted(known)[:20]}")


class Completion(NamedTuple):
    """What a completion says."""

    text: str
    finish_reason: str | None
    n_prompt_tokens: int | None
    n_completion_tokens: int | None


def read_completion(raw: bytes) -> Completion:
    """Parse the body of a chat completion.

    Raises:
        Unusable: for HTML, cut JSON, a wrong number of choices, text that no store could keep.
    """
    try:
        body = json.loads(raw)
        (choice,) = body["choices"]
        text = choice["message"]["content"] or ""
        text.encode()
        usage = body.get("usage") or {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unusable(f"no chat completion: {type(error).__name__} in {raw[:80]!r}") from error
    if "\x00" in text:
        raise Unusable("the text holds a NUL character")
    return Completion(
        text, choice.get("finish_reason"), usage.get("prompt_tokens"), usage.get("completion_tokens")
    )


def _turns(request: Request) -> list[dict[str, str]]:
    return [message.model_dump() for message in request.messages]


def _client(llm: LLM, key: str | None) -> Any:
    import openai

    return openai.AsyncOpenAI(
        base_url=llm.base_url,
        api_key=key or "none",  # local servers ask for none, the client insists on one
        max_retries=0,
        timeout=llm.timeout_s,
        http_client=openai.DefaultAioHttpClient(follow_redirects=False),
    )


def read_key(llm: LLM) -> str | None:
    """The key of the endpoint. Not to be called in an event loop: there, Prefect's blocks answer otherwise.

    Raises:
        BadInput: when the Secret block that shall hold it does not exist.
    """
    if llm.api_key is not None:
        return llm.api_key.get_secret_value()
    if llm.api_key_block is None:
        return None
    from prefect.blocks.system import Secret

    try:
        return str(Secret.load(llm.api_key_block).get())
    except ValueError as error:
        raise BadInput(f"no Prefect Secret block named {llm.api_key_block!r}; see the Blocks page") from error


async def _known_models(llm: LLM, key: str | None) -> set[str]:
    import openai

    try:
        async with _client(llm, key) as client:
            return {model.id async for model in client.models.list()}
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise BadInput(_refusal(llm, error)) from error
    except openai.APIConnectionError as error:
        raise BadInput(f"no server answers at SEEDLOOM_LLM__BASE_URL {llm.base_url}: {error}") from error
    except (openai.APIError, ValueError, AttributeError, TypeError):
        return set()  # many servers do not list their models; the first request will tell


def _refusal(llm: LLM, error: Any) -> str:
    if error.status_code == 404:
        unknown = f"no model {llm.model!r} or no /chat/completions"
        return f"{llm.base_url} knows {unknown} (404); see SEEDLOOM_LLM__MODEL"
    return (
        f"{llm.base_url} refused the key ({error.status_code}): set SEEDLOOM_LLM__API_KEY, or "
        "SEEDLOOM_LLM__API_KEY_BLOCK to the name of a Prefect Secret block"
    )
