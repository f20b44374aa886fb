"""From the thread of the journal to the event loop: replies become durable in groups, and land in groups.

A future that wakes the loop for itself costs a system call and a turn of the loop for each reply.
"""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable

Act = Callable[[BaseException | None], None]


class Landing:
    """Wakes who waits in an event loop for futures of another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """For this loop."""
        self._loop, self._turn = loop, threading.Lock()
        self._done: list[tuple[Act, BaseException | None]] = []

    def then(self, future: "concurrent.futures.Future[None]", act: Act) -> None:
        """Call `act` in the loop when the future is done, with its error or None."""
        future.add_done_callback(lambda done: self._landed(act, done.exception()))

    def _landed(self, act: Act, error: BaseException | None) -> None:
        with self._turn:
            self._done.append((act, error))
            first = len(self._done) == 1
        if first:
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        with self._turn:
            done, self._done = self._done, []
        for act, error in done:
            act(error)
