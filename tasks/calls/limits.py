"""What an endpoint allows, kept by all runs of this host together: places in flight, requests, tokens.

Not Prefect's global concurrency limits: those cost a request to a server for each call, a killed run holds
its slots for minutes, and a flow started from a terminal has no shared server. A locked byte of a file is
freed by the kernel when its holder dies; a number in shared memory costs microseconds.

Rates are kept by spacing (generic cell rate algorithm without bursts): no window of a minute holds more than
its share, but for the tokens of the last request in it. The number in flight adapts as TCP does (Chiu & Jain
1989): halved when the endpoint answers 429, one more for each full round that it answers, faster once it has
been content for a while.
"""

import asyncio
import contextlib
import math
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from schemas.errors import BadInput
from schemas.ids import digest
from schemas.llm import Limits
from warehouse.tally import Tally
from warehouse.turnstile import Turnstile

POLL_S = 0.05  # how often another process is asked for a place
STALE_NS = 3600 * 10**9  # a later moment than this is of another boot: its clock began elsewhere
CONTENT_NS = 10 * 10**9  # without a 429 for so long, the window grows by one with each answer
MILLI = 1000
_MOMENTS = ("second", "minute", "input", "output")
_NAMES = ("window", "pause_until", "decreased_at", *_MOMENTS)


class Ticket(NamedTuple):
    """Leave to send one request."""

    place: int
    entered_at: int  # monotonic, ns
    tokens: tuple[int, int]  # prompt and completion, as they were guessed


class Gate(Protocol):
    """Where requests wait until they may be sent."""

    async def enter(self, n_in: int, n_out: int) -> Ticket:
        """Wait for leave to send a request of about so many tokens."""

    def leave(self, ticket: Ticket) -> None:
        """The request is over, whatever came of it."""

    def answered(self, ticket: Ticket, tokens: tuple[int | None, int | None]) -> None:
        """It was answered, with so many tokens."""

    def limited(self, ticket: Ticket, after_s: float | None) -> None:
        """The endpoint said that it was too many."""

    def pause(self, seconds: float) -> None:
        """Send nothing for a while."""

    def close(self) -> None:
        """Let go of files."""


class OwnGate:
    """For a model in this process: a number of places and nothing else."""

    def __init__(self, concurrency: int) -> None:
        """So many at once."""
        self._places = asyncio.Semaphore(concurrency)

    async def enter(self, n_in: int, n_out: int) -> Ticket:
        """Wait for a place."""
        await self._places.acquire()
        return Ticket(0, time.monotonic_ns(), (n_in, n_out))

    def leave(self, ticket: Ticket) -> None:
        """Free the place."""
        self._places.release()

    def answered(self, ticket: Ticket, tokens: tuple[int | None, int | None]) -> None:
        """Nothing to adapt."""

    def limited(self, ticket: Ticket, after_s: float | None) -> None:
        """Does not happen."""

    def pause(self, seconds: float) -> None:
        """Does not happen."""

    def close(self) -> None:
        """Nothing to let go of."""


class SharedGate:
    """For an endpoint: its limits, shared with the other processes of this host."""

    def __init__(self, name: str, limits: Limits, folder: Path) -> None:
        """Join the others who use the endpoint of this name.

        Raises:
            BadInput: when the folder belongs to another user, who could lead us anywhere.
        """
        _refuse_strangers(folder)
        stem = folder / digest("endpoint", name, _boot())
        self._limits = limits
        self._numbers = Tally(stem.with_suffix(".numbers"), _NAMES)
        self._places = Turnstile(stem.with_suffix(".places"))
        self._paced = any(self._rates())
        self._door = asyncio.Lock()
        self._freed = asyncio.Event()

    async def enter(self, n_in: int, n_out: int) -> Ticket:
        """Wait for a place, then for the moment at which the rates allow it; first come, first served."""
        async with self._door:
            place = await self._place()
            try:
                await _until(self._moment(n_in, n_out))
            except asyncio.CancelledError:
                self._places.give(place)
                raise
        return Ticket(place, time.monotonic_ns(), (n_in, n_out))

    def leave(self, ticket: Ticket) -> None:
        """Free the place."""
        self._places.give(ticket.place)
        self._freed.set()

    def answered(self, ticket: Ticket, tokens: tuple[int | None, int | None]) -> None:
        """Widen the window after an answer, and correct the guess of its tokens."""
        if not (self._paced or self._numbers.look("window")):
            return
        with self._numbers.held() as numbers:
            if numbers["window"]:
                self._widen(numbers)
            for name, rate, guess, told in zip(
                ("input", "output"), self._rates()[2:], ticket.tokens, tokens, strict=True
            ):
                if rate and told is not None:
                    numbers[name] += round((told - guess) * rate)

    def limited(self, ticket: Ticket, after_s: float | None) -> None:
        """Halve the window, once for all requests that were under way, and wait as the endpoint says."""
        with self._numbers.held() as numbers:
            now = time.monotonic_ns()
            if ticket.entered_at > numbers["decreased_at"] or numbers["decreased_at"] > now:
                numbers["window"] = max(MILLI, self._window(numbers) * MILLI // 2)
                numbers["decreased_at"] = now
        self.pause(after_s if after_s is not None else random.uniform(0.2, 1.0))

    def pause(self, seconds: float) -> None:
        """Send nothing for a while; the longest pause counts."""
        with self._numbers.held() as numbers:
            until = time.monotonic_ns() + round(min(seconds * 1e9, STALE_NS))
            numbers["pause_until"] = max(_known(numbers["pause_until"]), until)

    def close(self) -> None:
        """Give all places back."""
        self._places.close()
        self._numbers.close()

    async def _place(self) -> int:
        while True:
            await _until(_known(self._numbers.look("pause_until")))
            limit = self._window({"window": self._numbers.look("window")})
            if 2 * len(self._places.held) > limit and self._places.others_wait():
                await asyncio.sleep(2 * POLL_S)  # who has most of the places lets the others come
            self._freed.clear()
            place = self._places.take(limit)
            if place is not None:
                return place
            await self._wait_for_a_place(limit)

    async def _wait_for_a_place(self, limit: int) -> None:
        """Until one of ours is free, or it is time to look whether one of another process is."""
        poll = asyncio.get_running_loop().call_later(POLL_S, self._freed.set)
        waiting = 2 * len(self._places.held) <= limit  # who has more is not heard, see `_place`
        if waiting:
            self._places.wait(True)
        try:
            await self._freed.wait()
        finally:  # who is cancelled here waits no more
            poll.cancel()
            if waiting:
                self._places.wait(False)

    def _moment(self, n_in: int, n_out: int) -> int:
        """Take the first moment that all rates allow; those who come later get later ones."""
        if not self._paced:
            return 0
        with self._numbers.held() as numbers:
            costs = dict(zip(_MOMENTS, self._costs(n_in, n_out), strict=True))
            at = max([time.monotonic_ns(), *(_known(numbers[name]) for name in costs if costs[name])])
            for name, cost in costs.items():
                if cost:
                    numbers[name] = at + cost
        return at

    def _costs(self, n_in: int, n_out: int) -> Iterator[int]:
        return (math.ceil(rate * n) for rate, n in zip(self._rates(), (1, 1, n_in, n_out), strict=True))

    def _rates(self) -> tuple[float, float, float, float]:
        """Nanoseconds that a request, a request, a prompt token, a completion token take; 0: no limit."""
        limits = self._limits
        minute = (limits.requests_per_minute, limits.input_tokens_per_minute, limits.output_tokens_per_minute)
        second = 1e9 / limits.requests_per_second if limits.requests_per_second else 0.0
        return second, *(60e9 / each if each else 0.0 for each in minute)  # type: ignore[return-value]

    def _window(self, numbers: dict[str, int]) -> int:
        """How many may be in flight now; 0 in the file stands for as many as the settings say."""
        most = self._limits.concurrency
        return min(most, max(1, numbers["window"] // MILLI)) if numbers["window"] else most

    def _widen(self, numbers: dict[str, int]) -> None:
        content = time.monotonic_ns() - numbers["decreased_at"] > CONTENT_NS
        numbers["window"] += MILLI if content else MILLI * MILLI // numbers["window"]
        if numbers["window"] >= self._limits.concurrency * MILLI:
            numbers["window"] = 0


def _boot() -> str:
    """Which start of this host its clock counts from; empty where nobody says."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _refuse_strangers(folder: Path) -> None:
    if folder.exists() and folder.stat().st_uid not in {os.getuid(), 0}:
        raise BadInput(f"{folder} belongs to another user; name one of ours in SEEDLOOM_LLM__LIMITS_FOLDER")


def _known(moment: int) -> int:
    """A moment of this boot; one far in the future is of another."""
    return 0 if moment - time.monotonic_ns() > STALE_NS else moment


async def _until(moment: int) -> None:
    wait = (moment - time.monotonic_ns()) / 1e9
    if wait > 0:
        await asyncio.sleep(wait)
