"""Who waits for an answer of a batch: at most one for each request, and nobody once it was cancelled."""

import asyncio
from typing import NamedTuple

from schemas.reply import Request
from tasks.calls.provider import Fatal


class _Waiter(NamedTuple):
    request: Request
    answer: "asyncio.Future[bytes]"


class Waiting:
    """Those who wait, by key. For one event loop."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._all: dict[str, _Waiter] = {}
        self.fresh: dict[str, None] = {}  # keys that no batch is known to hold, in the order they came
        self.came = asyncio.Event()

    async def answer(self, key: str, request: Request) -> bytes:
        """Wait for an answer.

        Raises:
            Exception: the failure that was given in its place.
        """
        waiter = self._all[key] = _Waiter(request, asyncio.get_running_loop().create_future())
        self.fresh[key] = None
        self.came.set()
        try:
            return await waiter.answer
        finally:
            if self._all.get(key) is waiter:
                del self._all[key]
                self.fresh.pop(key, None)

    async def another(self, seconds: float) -> bool:
        """Whether one more came within so many seconds."""
        self.came.clear()
        try:
            async with asyncio.timeout(seconds):
                return await self.came.wait()
        except TimeoutError:
            return False

    def request(self, key: str) -> Request | None:
        """What somebody waits for under this key; None when nobody does."""
        waiter = self._all.get(key)
        return None if waiter is None or waiter.answer.done() else waiter.request

    def give(self, key: str, answer: bytes | Exception) -> bool:
        """Give an answer, or a failure, to whoever waits for it; false when nobody does."""
        if self.request(key) is None:
            return False
        self.fresh.pop(key, None)
        future = self._all[key].answer
        if isinstance(answer, bytes):
            future.set_result(answer)
        else:
            future.set_exception(answer)
        return True

    def end(self, why: str) -> None:
        """Nobody will be answered any more."""
        for key in list(self._all):
            self.give(key, Fatal(why))
