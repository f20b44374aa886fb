"""What the journal knows of batches: which are under way, which answers came, what they cost.

An answer that nobody waits for any more, because the list of requests has changed or a run was stopped, is
written and charged here; who asks for it later gets it from the journal.
"""

import asyncio
import datetime
import time
from collections.abc import Iterable
from typing import Any

from schemas.prices import Price
from schemas.spent import NANO, Spent
from tasks.calls.prices import cost_usd
from tasks.calls.provider import read_completion
from warehouse.journal import FREE, Batch, Entry, Journal

LIVE = {"intended", "open"}  # states in which a batch may still bring answers
LOOK_S = 0.02  # between two looks whether answers are durable
CHUNK = 256  # entries in memory at a time


class Work:
    """A batch on its way."""

    def __init__(self, intent: str, facts: dict[str, Any]) -> None:
        """Its facts are those of the journal: keys, at (Unix s), structured and, once it is open, remote."""
        self.intent, self.facts = intent, facts
        self.keys = frozenset(facts["keys"])
        self.left = set(self.keys)  # nobody was told yet what became of them
        self.fresh_answers: list[str] = []  # keys of answers that are not known to be durable

    @property
    def place(self) -> int:
        """The byte that the process which works on it holds."""
        return int(self.intent[:12], 16)


class Books:
    """The batches of one run at one endpoint."""

    def __init__(self, journal: Journal, run_id: str, name: str, model: str, price: Price | None) -> None:
        """Take whose batches these are, and the price of the model."""
        self._journal, self._run_id, self._name, self._model = journal, run_id, name, model
        self._price = price

    def live(self) -> list[Batch]:
        """Those that may still bring answers, of whatever process."""
        return [each for each in self._journal.batches(self._run_id, self._name) if each.state in LIVE]

    async def note(self, work: Work, state: str) -> None:
        """Make it durable how far a batch is; one that is over needs its keys no more."""
        facts = work.facts if state in LIVE else {**work.facts, "keys": [], "n": len(work.keys)}
        note = Batch(work.intent, self._run_id, self._name, state, facts)
        await asyncio.wrap_future(self._journal.note(note))

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of the keys that have no answer in the journal."""
        wanted, missing = list(keys), []
        for start in range(0, len(wanted), CHUNK):
            some = wanted[start : start + CHUNK]
            found = self._journal.find(some)
            missing += [key for key in some if key not in found]
        return missing

    async def durable(self, work: Work) -> None:
        """Wait until all answers that were given out, or kept, are in the journal."""
        while missing := self.missing(work.fresh_answers):
            work.fresh_answers = missing
            await asyncio.sleep(LOOK_S)
        work.fresh_answers = []

    async def up_to_date(self) -> None:
        """Wait until all that the journal was given before is durable."""
        await asyncio.wrap_future(self._journal.charge(FREE, ()))

    def keep(self, work: Work, key: str, raw: bytes) -> None:
        """Write an answer that nobody waits for, with its bill."""
        said = read_completion(raw)
        cost = cost_usd(self._price, said.n_prompt_tokens, said.n_completion_tokens, batch=True)
        facts = {
            "provider": self._name,
            "model": self._model,
            "latency_s": round(time.time() - work.facts["at"], 6),
            "attempts": 1,
            "cost_usd": cost,
        }
        self._journal.put(Entry(key, self._run_id, raw, facts), bill_of(raw, cost), self._scopes())

    def take_back(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Answers that are kept already, without their charge: whoever gets them now is charged."""
        found = self._journal.find(keys)
        for entry in found.values():
            if entry.run_id == self._run_id:
                bill = bill_of(entry.raw, entry.facts["cost_usd"])
                self._journal.charge(Spent().minus(bill), self._scopes())
        return {key: entry.raw for key, entry in found.items()}

    def _scopes(self) -> tuple[str, ...]:
        """As `tasks/calls/budget.py` names them."""
        return f"run-{self._run_id}", f"day-{datetime.datetime.now(datetime.UTC).date().isoformat()}"


def bill_of(raw: bytes, cost_usd: float | None) -> Spent:
    """What an answer is charged; tokens that the endpoint does not count are not known here."""
    said = read_completion(raw)
    tokens = (said.n_prompt_tokens or 0) + (said.n_completion_tokens or 0)
    return Spent(1, tokens, 0 if cost_usd is None else round(cost_usd * NANO))
