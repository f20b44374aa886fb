"""When a flow must stop: a signal, a budget, a wrong key. The first reason holds for all its stages.

Mapped task runs that are still queued would otherwise ask on after the first has failed.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from schemas.errors import Interrupted, SeedloomError

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_told: list[Callable[[], None]] = []  # who is to be woken
_state: dict[str, Any] = {"watching": 0, "reason": None}
_turn = threading.RLock()  # a signal handler may come while this thread holds it


def reason() -> SeedloomError | None:
    """Why everything must stop; None while nothing must."""
    found: SeedloomError | None = _state["reason"]
    return found


def halt(error: SeedloomError) -> None:
    """Stop all stages of this process, while a flow is watched; the first reason stays."""
    with _turn:
        if _state["watching"] and _state["reason"] is None:
            _state["reason"] = error
        for wake in list(_told):
            wake()


@contextlib.contextmanager
def told(wake: Callable[[], None]) -> Iterator[None]:
    """Call this function, from whatever thread, when everything must stop."""
    with _turn:
        _told.append(wake)
    try:
        yield
    finally:
        with _turn:
            _told.remove(wake)


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """While a flow runs, its stages stop together, and the first SIGTERM or SIGINT lets requests end.

    Calls under way are answered and kept, then the stage raises `Interrupted`. Where no request is under way,
    and at the second signal, whoever handled the signal before does.
    """
    with _turn:
        _state["watching"] += 1
    before = _replaced()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        with _turn:
            _state["watching"] -= 1
            if not _state["watching"]:
                _state["reason"] = None


def _replaced() -> dict[signal.Signals, Any]:
    """The handlers there were; ours stand in their place. Only the main thread may do so."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, _handler(signal.getsignal(number))) for number in SIGNALS}


def _handler(before: Any) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        if reason() is None and _told:
            name = signal.Signals(number).name
            halt(Interrupted(f"{name}: no more requests were sent; what came is kept: run it again to go on"))
        elif callable(before):
            before(number, frame)
        elif before != signal.SIG_IGN:
            raise KeyboardInterrupt

    return handle
