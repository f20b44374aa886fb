"""One request until it is answered: which site, what it may cost, and what to do when it fails.

A server error, a broken or late answer is asked again after a pause with full jitter (0 to 0.5 s, doubling),
`attempts` times; too many requests and an absent server are waited for, within `patience_s`; a bad request is
given up; a wrong key ends the site. Every attempt that a model may have worked for is charged.
"""

import asyncio
import random
import time
from typing import NamedTuple

from schemas.ids import canonical
from schemas.llm import LLM
from schemas.reply import Request
from schemas.spent import NANO, Spent
from tasks.calls.budget import Hold, Purse, bound
from tasks.calls.fleet import Fleet, Site
from tasks.calls.prices import cost_usd, most_usd
from tasks.calls.provider import (
    Completion,
    Fatal,
    Limited,
    NoSchemas,
    Refused,
    Unreachable,
    Unusable,
    read_completion,
)
from warehouse.journal import Entry, Journal

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
SCHEMA_BYTES = 512  # of the sentences around a schema
TEMPLATE_TOKENS = 64  # what a chat template may add to the bytes of a prompt


class GivenUp(Exception):
    """A request that will not be answered; the run goes on without it."""

    def __init__(self, why: str, attempts: int) -> None:
        """Keep how often it was sent."""
        super().__init__(why)
        self.attempts = attempts


class Answer(NamedTuple):
    """A reply that is paid for and not yet durable."""

    entry: Entry
    said: Completion
    bill: Spent
    scopes: tuple[str, ...]


class Counts:
    """What a job has done so far."""

    def __init__(self) -> None:
        """Nothing."""
        self.sent = self.retried = self.failed = self.answered = 0
        self.tokens = self.tokens_out = self.nano_usd = 0
        self.cost_known = True


class Asker:
    """Asks a fleet on behalf of one run."""

    def __init__(self, fleet: Fleet, journal: Journal, purse: Purse, llm: LLM, run_id: str) -> None:
        """Requests of this run are charged to this purse."""
        self._fleet, self._journal, self._purse, self._llm = fleet, journal, purse, llm
        self._run_id = run_id
        self.counts = Counts()
        self.sending: set[asyncio.Task[None] | None] = set()  # who must not be disturbed

    async def ask(self, key: str, request: Request) -> Answer:
        """Ask until there is an answer.

        Raises:
            GivenUp: when this request is not to be answered.
            Fatal, BudgetReached: when none is.
        """
        sent = failed = 0
        while True:
            site = self._fleet.choose()
            sent += 1
            try:
                return await self._once(site, key, request, sent)
            except (Limited, Unreachable) as error:
                self._wait_for(site, error)
            except NoSchemas:
                pass  # each of the two is reserved, counted and charged
            except Refused as error:
                raise self._given_up(str(error), sent) from error
            except Unusable as error:
                failed += 1
                if failed >= self._llm.attempts:
                    raise self._given_up(str(error), sent) from error
                await asyncio.sleep(
                    random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (failed - 1)))
                )
            except Fatal as error:
                self._fleet.retire(site, error)
            self.counts.retried += 1

    def _wait_for(self, site: Site, error: Limited | Unreachable) -> None:
        if isinstance(error, Unreachable):
            site.fell()
            self._fleet.wait_for(site, error)
        else:
            self._fleet.wait_for(site, error, error.after_s or 0.0)

    def _given_up(self, why: str, sent: int) -> GivenUp:
        self.counts.failed += 1
        self._fleet.failed(why)
        return GivenUp(why, sent)

    async def _once(self, site: Site, key: str, request: Request, number: int) -> Answer:
        """One attempt, with its place, its reservation and its bill."""
        n_bytes = _n_bytes(request)
        most_out = bound(request.sampling.get("max_tokens"), self._purse)
        site.in_flight += 1
        try:
            ticket = await site.gate.enter(n_bytes // 4 + 1, self._guess(most_out))
            try:
                need = self._need(site, n_bytes + TEMPLATE_TOKENS * (1 + len(request.messages)), most_out)
                hold = await self._purse.reserve(need)
                answer = await self._sent(site, key, request, number, hold)
                site.gate.answered(ticket, (answer.said.n_prompt_tokens, answer.said.n_completion_tokens))
                return answer
            except Limited as error:
                site.gate.limited(ticket, error.after_s)
                raise
            finally:
                site.gate.leave(ticket)
        finally:
            site.in_flight -= 1

    async def _sent(self, site: Site, key: str, request: Request, number: int, hold: Hold) -> Answer:
        """Send, and settle the bill whatever comes: what may have been billed stays charged."""
        provider, started = site.provider, time.monotonic()
        me = asyncio.current_task()
        if not provider.batch:  # its answers are not waited for when everything must stop
            self.sending.add(me)
        try:
            self.counts.sent += 1
            raw = await provider.send(request)
            said = read_completion(raw)
        except (Exception, asyncio.CancelledError) as error:
            self._purse.settle(hold, bill := _lost(error, hold.need))
            goes_on = provider.batch and isinstance(error, asyncio.CancelledError)
            if bill != Spent() and not goes_on:  # what goes on is charged when it is collected
                self._journal.charge(bill, hold.scopes)
            raise
        finally:
            self.sending.discard(me)
        cost = cost_usd(site.price, said.n_prompt_tokens, said.n_completion_tokens, provider.batch)
        bill = _bill(said, cost, hold.need)
        self._purse.settle(hold, bill)
        self._fleet.answered(site)
        self._count(bill, said, cost)
        facts = {
            "provider": provider.name,
            "model": provider.model,
            "latency_s": round(time.monotonic() - started, 6),
            "attempts": number,
            "cost_usd": cost,
        }
        return Answer(Entry(key, self._run_id, raw, facts, _asked(request)), said, bill, hold.scopes)

    def _need(self, site: Site, most_in: int, most_out: int) -> Spent:
        usd = most_usd(site.price, most_in, most_out) if site.price is not None else 0.0
        if site.price is None and self._purse.needs_prices:
            raise Fatal(
                f"a budget in USD needs the price of {site.provider.model!r} at {site.provider.name}: "
                "name a table that has it in SEEDLOOM_LLM__PRICES"
            )
        return Spent(1, most_in + most_out, round(usd * NANO + 0.5))

    def _guess(self, most_out: int) -> int:
        """How long a reply will be: as the others were, at first half of what it may be."""
        answered = self.counts.answered
        return min(most_out or 1 << 30, self.counts.tokens_out // answered) if answered else most_out // 2

    def _count(self, bill: Spent, said: Completion, cost: float | None) -> None:
        self.counts.answered += 1
        self.counts.tokens += bill.tokens
        self.counts.tokens_out += said.n_completion_tokens or 0
        self.counts.nano_usd += bill.nano_usd
        self.counts.cost_known &= cost is not None


def _n_bytes(request: Request) -> int:
    """Bytes of what a model reads; a schema is told in words, or read by the endpoint as well."""
    n_bytes = sum(len(message.content.encode()) for message in request.messages)
    return n_bytes + (SCHEMA_BYTES + 2 * len(canonical(request.json_schema)) if request.json_schema else 0)


def _lost(error: BaseException, need: Spent) -> Spent:
    """What an attempt may have cost that brought no answer."""
    if isinstance(error, Unreachable):
        return Spent()
    if isinstance(error, Limited | NoSchemas | Refused | Fatal) or (
        isinstance(error, Unusable) and not error.billed
    ):
        return Spent(requests=1)
    return need


def _bill(said: Completion, cost: float | None, need: Spent) -> Spent:
    """What an answer cost; an endpoint that does not count its tokens is charged with the most it can be."""
    counts = (said.n_prompt_tokens, said.n_completion_tokens)
    tokens = need.tokens if None in counts else sum(counts)  # type: ignore[arg-type]
    return Spent(1, tokens, need.nano_usd if cost is None else round(cost * NANO))


def _asked(request: Request) -> bytes:
    return request.model_dump_json(exclude_defaults=True).encode()
