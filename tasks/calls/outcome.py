"""A request on its way through the engine, and what became of it."""

import threading
from typing import NamedTuple

from schemas.errors import SeedloomError
from schemas.reply import Request
from tasks.calls.provider import Completion
from warehouse.journal import Entry


class Outcome(NamedTuple):
    """What became of a request."""

    entry: Entry | None = None
    said: Completion | None = None
    why: str | None = None  # there is no answer
    attempts: int = 0
    repairs: tuple[Entry, ...] = ()  # replies that were no such JSON, and paid for


class Ask:
    """A request and, once it is over, its outcome or the error that ends the stage."""

    __slots__ = ("error", "followers", "key", "over", "outcome", "request")

    def __init__(self, key: str, request: Request, over: "Countdown") -> None:
        """Not asked yet; `over` counts it when it is."""
        self.key, self.request, self.over = key, request, over
        self.followers: list[Ask] = []
        self.outcome: Outcome | None = None
        self.error: SeedloomError | None = None


class Countdown:
    """Set when so many asks are over."""

    def __init__(self, n: int) -> None:
        """To be counted down from `n`."""
        self._left, self._turn, self.event = n, threading.Lock(), threading.Event()

    def step(self) -> None:
        """One is over."""
        with self._turn:
            self._left -= 1
            if not self._left:
                self.event.set()
