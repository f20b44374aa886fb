"""The Batch API of an endpoint: requests are gathered, answered within a day, at a discount.

A batch outlives the process that made it. Before anything is uploaded the journal holds the intent with its
keys, and the batch carries the id of the intent as metadata: whatever moment a process dies at, the next one
finds what is under way, and no request is in two batches. A batch is over when each answer that it brought is
in the journal; until then it is collected again. Processes that work on the same run keep their batches apart
by a locked byte of a file, which the kernel frees when its holder dies.
"""

import asyncio
import contextlib
import logging
import random
import time
import uuid
from collections.abc import Coroutine
from typing import Any

from schemas.errors import SeedloomError
from schemas.llm import LLM, EndpointAt
from schemas.reply import Request
from tasks.calls import halting
from tasks.calls.batch_api import BatchApi
from tasks.calls.batch_books import Books, Work
from tasks.calls.batch_lines import Result, failure_of, request_line
from tasks.calls.batch_results import each_result
from tasks.calls.batch_waiting import Waiting
from tasks.calls.endpoint import Endpoint
from tasks.calls.prices import load_prices, price_of
from tasks.calls.provider import Fatal, Limited, Refused, Unusable, read_completion
from warehouse.journal import Batch, Journal
from warehouse.turnstile import Turnstile

logger = logging.getLogger("seedloom.llm")

QUIET_S = 1.0  # a batch is sent when no request came for so long
MAX_UPLOAD = 64 << 20  # bytes of requests in one batch; OpenAI takes 200 MB
AT_ONCE = 256  # answers given out before they are durable
ENDED = {"completed", "failed", "expired", "cancelled"}


class BatchEndpoint(Endpoint):
    """An endpoint that is asked through its Batch API. Nothing is sent before the first request."""

    batch = True

    def __init__(self, site: EndpointAt, llm: LLM, journal: Journal, run_id: str, identity: Any) -> None:
        """Work for one run; `identity` is what decides which text a request brings (see `Request.id_at`)."""
        super().__init__(site, llm)
        self.concurrency = llm.batch_size
        self._llm, self._identity = llm, identity
        price = price_of(load_prices(llm.prices), self.model, self.base_url)
        self._books = Books(journal, run_id, self.name, self.model, price)
        self._claims = Turnstile(journal.path.with_name("batches"))
        self._waiting = Waiting()
        self._works: dict[str, Work] = {}  # by intent
        self._tasks: list[asyncio.Task[None]] = []
        self._error: str | None = None

    async def send(self, request: Request) -> bytes:
        """Put a request into the next batch, or wait for the one that has it already.

        A waiter that is cancelled leaves its request in the batch; the answer goes to the journal.

        Raises:
            Fatal: for a wrong key, no credit, a batch that failed as a whole, an endpoint that is gone.
            Refused: for a request that the endpoint calls bad.
            Unusable: for one that failed, expired, or is missing from the results.
        """
        if self._error is not None:
            raise Fatal(self._error)
        if not self._tasks:
            self._api = BatchApi(self.name, self.base_url, self._key, self._llm, self._refuse)
            self._start(self._gather())
        return await self._waiting.answer(request.id_at(self._identity), request)

    async def close(self) -> None:
        """Leave what is under way to the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(SeedloomError):  # the journal cannot be written: its users were told
            await self._books.up_to_date()
            for work in list(self._works.values()):
                if not work.left and not self._books.missing(work.fresh_answers):
                    await self._over(work, "collected")
        if self._tasks:
            await self._api.close()
        self._claims.close()
        await super().close()

    # ---- from requests to batches

    async def _gather(self) -> None:
        waiting, size = self._waiting, self._llm.batch_size
        while True:
            await waiting.came.wait()
            while len(waiting.fresh) < size and await waiting.another(QUIET_S):
                pass
            waiting.came.clear()
            elsewhere = await self._take_up()
            for key, raw in self._books.take_back(filter(waiting.request, waiting.fresh)).items():
                waiting.give(key, raw)  # it came to the journal while its asker was on the way
            for key in list(filter(self._is_held, waiting.fresh)):
                del waiting.fresh[key]
            keys = [key for key in waiting.fresh if key not in elsewhere and waiting.request(key)][:size]
            if keys and halting.reason() is None:
                await self._submit(keys)
            if waiting.fresh:  # other processes have them, or they were too many for one file
                later_s = self._llm.batch_poll_s if elsewhere else QUIET_S
                asyncio.get_running_loop().call_later(later_s, waiting.came.set)

    def _is_held(self, key: str) -> bool:
        return any(key in work.left for work in self._works.values())

    async def _submit(self, keys: list[str]) -> None:
        lines, size, structured = [], 0, self.structured is not False
        for key, request in zip(keys, map(self._waiting.request, keys), strict=True):
            if request is None or size > MAX_UPLOAD:
                break
            lines.append(request_line(key, self._body(request, structured)))
            size += len(lines[-1])
        facts = {"keys": keys[: len(lines)], "at": time.time(), "structured": structured}
        work = Work(uuid.uuid4().hex, facts)
        self._claims.take_at(work.place)
        await self._books.note(work, "intended")
        self._works[work.intent] = work
        for key in work.keys:
            self._waiting.fresh.pop(key, None)
        batch = await self._api.create(b"".join(lines), work.intent, facts["at"])
        await self._opened(work, batch.id)

    async def _take_up(self) -> set[str]:
        """Go on with the batches of processes that died; the keys that living ones wait for."""
        places = {each.batch_id: Work(each.batch_id, each.facts).place for each in self._strange()}
        free = {intent for intent, place in places.items() if self._claims.take_at(place)}
        elsewhere: set[str] = set()
        for note in self._strange() if places else ():  # again: its holder may have just done with it
            if note.batch_id in free:
                free.discard(note.batch_id)
                await self._go_on_with(note)
            else:
                elsewhere.update(note.facts["keys"])
        for intent in free:
            self._claims.give(places[intent])
        return elsewhere

    def _strange(self) -> list[Batch]:
        return [each for each in self._books.live() if each.batch_id not in self._works]

    async def _go_on_with(self, note: Batch) -> None:
        work = Work(note.batch_id, note.facts)
        if note.state == "intended":
            batch = await self._api.find(work.intent, work.facts["at"])
            if batch is None:
                await self._over(work, "abandoned")  # at most a file was uploaded, and that costs nothing
                return
            work.facts["remote"] = batch.id
        self._works[work.intent] = work
        await self._opened(work, work.facts["remote"])

    async def _opened(self, work: Work, batch_id: str) -> None:
        work.facts["remote"] = batch_id
        await self._books.note(work, "open")
        logger.info("batch %s at %s: %d requests", batch_id, self.name, len(work.keys))
        self._start(self._see_through(work))

    # ---- from batches to answers

    async def _see_through(self, work: Work) -> None:
        work.left = set(self._books.missing(work.left))
        state = "collected"
        while work.left:
            batch = await self._api.retrieve(work.facts["remote"])
            if batch.status in ENDED:
                state = await self._collect(work, batch)
                break
            await asyncio.sleep(self._llm.batch_poll_s * random.uniform(0.8, 1.2))
        await self._over(work, state)

    async def _collect(self, work: Work, batch: Any) -> str:
        """Give out what a batch brought; the state that the journal is to show then."""
        if batch.status == "failed":
            told = f"batch {batch.id} at {self.name} failed: {failure_of(batch)}"
            logger.warning("%s", told)
            if any(map(self._waiting.request, work.left)):
                self._fail(told)
            return "failed"
        await each_result(self._api, work, batch, lambda result: self._give_out(work, result))
        await self._books.durable(work)
        return "collected"

    async def _give_out(self, work: Work, result: Result) -> None:
        key = result.key
        work.left.discard(key)
        answer = self._meaning(work, result)
        if isinstance(answer, bytes):
            work.fresh_answers.append(key)
            if not self._waiting.give(key, answer):
                self._books.keep(work, key, answer)
            if len(work.fresh_answers) >= AT_ONCE:
                await self._books.durable(work)
        elif not self._is_held(key):  # else another batch has it, and may still answer
            self._waiting.give(key, answer)

    def _meaning(self, work: Work, result: Result) -> bytes | Exception:
        if result.status is None:
            return Unusable(f"{self.name}: {result.why}", billed=False)
        request = self._waiting.request(result.key)
        in_schema = work.facts["structured"] and request is not None and request.json_schema is not None
        try:
            if result.status == 200:
                read_completion(result.body)
                self.structured = True if in_schema else self.structured
                return result.body
            if result.status in {400, 500} and in_schema and not self.structured:
                self.structured = False  # as `Endpoint.send`: it is asked again in words
                return Unusable(f"{self.name} answers {result.status} to a JSON schema", billed=False)
            self._refuse(result.status, {}, result.body)
        except Limited as error:
            return Unusable(str(error), billed=False)
        except (Fatal, Refused, Unusable) as error:
            return error

    async def _over(self, work: Work, state: str) -> None:
        await self._books.note(work, state)
        self._works.pop(work.intent, None)
        self._claims.give(work.place)

    # ---- the tasks of this endpoint

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(self._guarded(coroutine)))

    async def _guarded(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except SeedloomError as error:
            self._fail(str(error))
        except Exception as error:  # a bug of ours must not leave its askers waiting for ever
            self._fail(f"{type(error).__name__}: {error}")

    def _fail(self, why: str) -> None:
        """End the run; batches stay open in the journal."""
        self._error = self._error or why
        self._waiting.end(self._error)
