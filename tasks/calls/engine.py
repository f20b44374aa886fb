"""The engine: one event loop in a thread of its own, shared by all stages of this process that ask a model.

Shards of a stage run side by side; one engine keeps their requests together within the limits of the endpoint
and never sends the same question twice, neither for two shards nor for two processes of the warehouse. A
fixed number of workers pulls requests, so nothing grows with the list.
"""

import asyncio
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from schemas.errors import SeedloomError
from schemas.reply import Request
from schemas.settings import Settings
from tasks.calls import halting
from tasks.calls.asking import Asker, Counts, GivenUp
from tasks.calls.budget import Purse
from tasks.calls.fleet import fleet_of
from tasks.calls.landing import Landing
from tasks.calls.outcome import Ask, Outcome
from tasks.calls.provider import read_completion
from tasks.calls.structured import ask_again, read_json
from warehouse.company import Company
from warehouse.journal import Entry, Journal
from warehouse.turnstile import Turnstile

GRACE_S = 10.0  # for requests under way when everything must stop; Prefect kills after 30
CLAIMED_S = 0.05  # how often to look whether another process has its answer


class Engine:
    """Answers the requests of one run. Made and left through `tasks/calls/engines.py`."""

    def __init__(self, root: Path, run_id: str, settings: Settings) -> None:
        """Nothing is opened yet but what must not be read inside an event loop."""
        self.settings, self._root = settings, root
        self.model = settings.identity
        self.journal = Journal(root)
        self.fleet = fleet_of(settings, self.journal, run_id)
        self._claims = Turnstile(root / "journal" / "claims")
        self._company = Company(root / "journal", self._claims)
        self._purse = Purse(root, self.journal, run_id, settings.budget, settings.llm)
        self._asker = Asker(self.fleet, self.journal, self._purse, settings.llm, run_id)
        self._turn = threading.Lock()
        self._under_way: dict[str, Ask] = {}  # by key
        self._error: SeedloomError | None = None
        self._running = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="engine", daemon=True)

    @property
    def counts(self) -> Counts:
        """What was sent, answered, failed so far."""
        return self._asker.counts

    def submit(self, asks: list[Ask]) -> None:
        """Answer these: from the journal, from a question that is under way already, or by asking.

        Raises:
            SeedloomError: when the journal cannot be read.
        """
        if not self._under_way:
            self.fleet.rested()
        first = [ask for ask in asks if not self._follows(ask)]
        known = self.journal.find(ask.key for ask in first)
        missing = []
        for ask in first:
            entry = known.get(ask.key)
            if entry is not None and ask.request.json_schema is None:
                self._finish(ask, Outcome(entry))
            else:
                missing.append(ask)
        self._loop.call_soon_threadsafe(self._enqueue, missing)

    def _enqueue(self, asks: list[Ask]) -> None:
        for ask in asks:
            self._queue.put_nowait(ask)

    def _follows(self, ask: Ask) -> bool:
        with self._turn:
            leader = self._under_way.setdefault(ask.key, ask)
            if leader is not ask:
                leader.followers.append(ask)
        return leader is not ask

    def _finish(self, ask: Ask, outcome: Outcome | None = None, error: SeedloomError | None = None) -> None:
        with self._turn:
            self._under_way.pop(ask.key, None)
        for each in (ask, *ask.followers):
            each.outcome, each.error = outcome, error
            each.over.step()

    # ---- what follows runs in the event loop

    def open(self) -> None:
        """Start the thread.

        Raises:
            SeedloomError: when the journal cannot be opened.
        """
        self.journal.__enter__()
        self._thread.start()
        self._running.wait()

    def close(self) -> None:
        """Wait for the last reply to be durable, and let go of everything."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self.journal.__exit__(None, None, None)
        self._company.close()
        self._claims.close()
        self._purse.close()

    async def _main(self) -> None:
        self._loop, self._queue = asyncio.get_running_loop(), asyncio.Queue[Ask]()
        self._ended, self._stopped, self._drained = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._landing = Landing(self._loop)
        with halting.told(lambda: self._loop.call_soon_threadsafe(self._stopped.set)):
            self._running.set()
            workers = [asyncio.create_task(self._worker()) for _ in range(self.fleet.concurrency)]
            watcher = asyncio.create_task(self._watch(workers))
            await self._ended.wait()
            self._error = self._error or SeedloomError("nobody waits for the answer any more")
            self._stopped.set()
            await self._drained.wait()
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
            await self.fleet.close()

    async def _watch(self, workers: list[asyncio.Task[None]]) -> None:
        """When everything must stop: who only waits goes at once, who is sending gets its answer."""
        while self._error is None:
            self._stopped.clear()
            await self._stopped.wait()
            self._error = self._error or halting.reason()
        end = time.monotonic() + GRACE_S
        while self._asker.sending and time.monotonic() < end:
            for worker in set(workers) - self._asker.sending:
                worker.cancel()
            await asyncio.sleep(0.02)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self._drained.set()
        while True:
            self._finish(await self._queue.get(), error=self._error)

    async def _worker(self) -> None:
        while True:
            ask = await self._queue.get()
            if self._error is not None:
                self._finish(ask, error=self._error)
                continue
            try:
                await (self._answer(ask) if ask.request.json_schema is None else self._answer_json(ask))
            except SeedloomError as error:
                self._stop(error)
                self._finish(ask, error=self._error)
            except asyncio.CancelledError:
                self._finish(ask, error=self._error or SeedloomError("the engine was closed"))
                raise
            except Exception as error:  # a bug of ours must not leave its asker waiting for ever
                self._stop(SeedloomError(f"{type(error).__name__}: {error}"))
                self._finish(ask, error=self._error)

    def _stop(self, error: SeedloomError) -> None:
        """The first error ends the stage, and with it the flow."""
        if self._error is None:
            self._error = error
            halting.halt(error)
            self._stopped.set()

    async def _answer(self, ask: Ask) -> None:
        """Ask, and go on to the next while the reply becomes durable."""
        place = await self._claim(ask.key)
        kept = False
        try:
            outcome, durable = await self._asked(ask.key, ask.request)
            if durable is not None:
                self._landing.then(durable, lambda error: self._landed(ask, place, outcome, error))
                kept = True
        finally:
            if not kept:
                self._claims.give(place)
        if not kept:
            self._finish(ask, outcome)

    def _landed(self, ask: Ask, place: int, outcome: Outcome, error: BaseException | None) -> None:
        self._claims.give(place)
        if isinstance(error, SeedloomError):
            self._stop(error)
        self._finish(ask, None if error else outcome, self._error if error else None)

    async def _answer_json(self, ask: Ask) -> None:
        """The reply, and while it is no such JSON the repaired one: each attempt a request of its own."""
        request, schema = ask.request, ask.request.json_schema or {}
        outcome = await self._durable(ask.key, request)
        spoilt: list[Entry] = []
        while outcome.entry is not None and len(spoilt) < self.settings.llm.repairs:
            said = outcome.said or read_completion(outcome.entry.raw)
            problem = read_json(said.text, schema).problem
            if problem is None:
                break
            spoilt.append(outcome.entry)
            again = ask_again(request.messages, said.text, problem)
            request = request.model_copy(update={"messages": again})
            outcome = await self._durable(request.id_at(self.model), request)
        self._finish(ask, outcome._replace(repairs=tuple(spoilt)))

    async def _durable(self, key: str, request: Request) -> Outcome:
        place = await self._claim(key)
        try:
            outcome, durable = await self._asked(key, request)
            if durable is not None:
                await asyncio.wrap_future(durable)
            return outcome
        finally:
            self._claims.give(place)

    async def _asked(self, key: str, request: Request) -> tuple[Outcome, Future[None] | None]:
        """The reply of the journal, else one that was asked for, and what is done when it is durable."""
        look = request.json_schema is not None or self._company.came()
        known = self.journal.find([key]) if look else {}
        if known:
            return Outcome(known[key]), None
        try:
            answer = await self._asker.ask(key, request)
        except GivenUp as error:
            return Outcome(why=str(error)[:500], attempts=error.attempts), None
        durable = self.journal.put(answer.entry, answer.bill, answer.scopes)
        return Outcome(answer.entry, answer.said), durable

    async def _claim(self, key: str) -> int:
        """Hold a question against the other processes of the warehouse."""
        place = int(key[:12], 16)
        while not self._claims.take_at(place):
            await asyncio.sleep(CLAIMED_S)
        return place
