"""Who answers, and what a completion says. Only the engine talks to a provider."""

import asyncio
import json
from typing import Any, NamedTuple, Protocol

from schemas.errors import BadInput, SeedloomError
from schemas.llm import BUILT_IN, OFFLINE, Address
from schemas.reply import Request
from schemas.settings import Settings


class Fatal(SeedloomError):
    """Asking again cannot help: wrong key, unknown model, no credit."""


class Refused(Exception):
    """The endpoint understood and will not answer this request: it is not sent again, and not remembered."""


class Unusable(Exception):
    """No usable answer this time: worth another attempt. `billed`: this one may have to be paid as well."""

    def __init__(self, message: str, billed: bool = True) -> None:
        """Keep whether a model may have worked for it."""
        super().__init__(message)
        self.billed = billed


class Limited(Exception):
    """Too many requests; `after_s` when the endpoint says how long to wait."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        """Keep what the endpoint asks for."""
        super().__init__(message)
        self.after_s = after_s


class NoSchemas(Exception):
    """The endpoint refused the JSON schema: the same request is sent again, which tells it in words."""


class Unreachable(Exception):
    """Nobody took the request: nothing was sent, nothing is to be paid."""


class Provider(Protocol):
    """Something that answers."""

    name: str
    model: str
    concurrency: int
    batch: bool  # answers later and cheaper; what is under way survives the end of this process

    async def send(self, request: Request) -> bytes:
        """The body of a chat completion as the OpenAI API defines it.

        Raises:
            Fatal, Refused, Unusable, Limited, NoSchemas, Unreachable: see there.
        """

    async def close(self) -> None:
        """Let go of connections, in the event loop that made them."""


class Offline:
    """The built-in storyteller, answering in this process."""

    name, model, concurrency, batch = BUILT_IN, OFFLINE, 64, False

    def __init__(self, settings: Settings) -> None:
        """Take the storyteller's manners from the settings."""
        self._manners = settings.storyteller

    async def send(self, request: Request) -> bytes:
        """Answer at once, in the form of an endpoint."""
        from tasks.storyteller import answer

        await asyncio.sleep(0)  # nothing here waits; the others in this loop want their turn
        told = answer(turns(request), request.sampling, request.sampling.get("seed", 0), self._manners)
        choice = {"index": 0, "finish_reason": told.finish_reason, "message": {"content": told.text}}
        usage = {"prompt_tokens": told.n_prompt_tokens, "completion_tokens": told.n_completion_tokens}
        return json.dumps({"model": self.model, "choices": [choice], "usage": usage}).encode()

    async def close(self) -> None:
        """Nothing to let go of."""


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
        text = choice["message"].get("content") or ""
        text.encode()
        usage = body.get("usage") or {}
        counts = (_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unusable(f"no chat completion: {type(error).__name__} in {raw[:80]!r}") from error
    if "\x00" in text:
        raise Unusable("the text holds a NUL character")
    finish = choice.get("finish_reason")
    return Completion(text, finish if isinstance(finish, str) else None, *counts)


def turns(request: Request) -> list[dict[str, str]]:
    """The messages as the API names them."""
    return [{"role": message.role, "content": message.content} for message in request.messages]


def read_key(address: Address) -> str | None:
    """The key of an endpoint. Not to be called in an event loop: there, Prefect's blocks answer otherwise.

    Raises:
        BadInput: when the Secret block that shall hold it does not exist.
    """
    if address.api_key is not None:
        return address.api_key.get_secret_value()
    if address.api_key_block is None:
        return None
    from prefect.blocks.system import Secret

    try:
        return str(Secret.load(address.api_key_block).get())
    except ValueError as error:
        raise BadInput(f"no Prefect Secret block {address.api_key_block!r}; see the Blocks page") from error


def _count(value: Any) -> int | None:
    """A number of tokens, when it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None
