"""Caps that hold: what a request may cost at most is reserved before it is sent, and settled by its bill.

A reservation stands in numbers that all processes of the warehouse share (`warehouse/tally.py`), one set for
the run and one for the day. It is never too small: a token is at least one byte of the prompt, and a
completion ends at `max_tokens`. Who dies with requests in flight leaves their reservations standing, since
they may be billed. What the journal knows to be spent survives a power cut and is the least that counts.
"""

import asyncio
import datetime
import time
from pathlib import Path
from typing import NamedTuple

from schemas.errors import BadInput, BudgetReached
from schemas.llm import LLM
from schemas.settings import Budget
from schemas.spent import NANO, Caps, Spent
from warehouse.journal import Journal
from warehouse.tally import Tally

DAY_S = 86_400
_RAISE = {"run": "--budget-{}", "day": "SEEDLOOM_LLM__{}_PER_DAY"}
_UNITS = {"requests": "requests", "tokens": "tokens", "nano_usd": "usd"}


class Hold(NamedTuple):
    """A reservation."""

    need: Spent
    scopes: tuple[str, ...]


class Purse:
    """The caps of one run and of the day."""

    def __init__(self, root: Path, journal: Journal, run_id: str, budget: Budget, llm: LLM) -> None:
        """Take the caps from the parameters of the run and the settings of the installation."""
        self._folder, self._journal, self._run_id = root / "journal" / "budget", journal, run_id
        self._caps = {
            "run": _caps(budget.budget_usd, budget.budget_tokens, budget.budget_requests),
            "day": _caps(llm.usd_per_day, llm.tokens_per_day, llm.requests_per_day),
        }
        self._limited = any(cap is not None for caps in self._caps.values() for cap in caps)
        self._tallies: dict[str, Tally] = {}
        self._open: set[int] = set()
        self._settled = asyncio.Event()
        self._named: tuple[int, tuple[str, ...]] | None = None

    @property
    def needs_bounds(self) -> bool:
        """Whether a request must say how long its reply may be."""
        return any(caps.tokens is not None or caps.nano_usd is not None for caps in self._caps.values())

    @property
    def needs_prices(self) -> bool:
        """Whether the price of the model must be known."""
        return any(caps.nano_usd is not None for caps in self._caps.values())

    async def reserve(self, need: Spent) -> Hold:
        """Reserve what a request may cost at most; waits while requests under way may leave enough.

        Raises:
            BudgetReached: when a cap leaves no room, and nothing of ours is under way.
        """
        if not self._limited:
            return Hold(need, self._scopes())
        while (broken := self._reserved(need, scopes := self._scopes())) is not None:
            if not self._open:
                raise BudgetReached(broken)
            self._settled.clear()
            await self._settled.wait()
        self._open.add(id(hold := Hold(need, scopes)))
        return hold

    def settle(self, hold: Hold, bill: Spent) -> None:
        """Put the bill in the place of the reservation."""
        if not self._limited:
            return
        self._open.discard(id(hold))
        for scope in hold.scopes:
            self._add(scope, bill.minus(hold.need))
        self._settled.set()

    def close(self) -> None:
        """Let go of the files."""
        for tally in self._tallies.values():
            tally.close()

    def _scopes(self) -> tuple[str, ...]:
        day = int(time.time() // DAY_S)  # UTC
        if self._named is None or self._named[0] != day:
            date = datetime.datetime.fromtimestamp(day * DAY_S, datetime.UTC).date().isoformat()
            self._named = day, (f"run-{self._run_id}", f"day-{date}")
        return self._named[1]

    def _reserved(self, need: Spent, scopes: tuple[str, ...]) -> str | None:
        """None when it is reserved in all scopes, else which cap leaves no room; then in none."""
        done: list[str] = []
        for scope in scopes:
            broken = self._add(scope, need, self._caps[scope[:3]])
            if broken is not None:
                for earlier in done:
                    self._add(earlier, Spent().minus(need))
                return broken
            done.append(scope)
        return None

    def _add(self, scope: str, change: Spent, caps: Caps | None = None) -> str | None:
        if not any(cap is not None for cap in self._caps[scope[:3]]):
            return None
        with self._tally(scope).held() as numbers:
            before = Spent(**numbers)
            after = before.plus(change)
            broken = caps.broken_by(after) if caps else None
            if broken is None:
                numbers.update(after._asdict())
                return None
        return _told(scope, broken, before, change, self._caps[scope[:3]])

    def _tally(self, scope: str) -> Tally:
        if scope not in self._tallies:
            self._tallies[scope] = Tally(self._folder / scope, Spent._fields)
            known = self._journal.spent(scope)
            with self._tallies[scope].held() as numbers:
                numbers.update({name: max(n, getattr(known, name)) for name, n in numbers.items()})
        return self._tallies[scope]


def bound(max_tokens: int | None, purse: Purse) -> int:
    """The most tokens that a reply may have.

    Raises:
        BadInput: when there is a cap and the request does not say.
    """
    if max_tokens is None and purse.needs_bounds:
        raise BadInput("a budget in tokens or USD needs `max_tokens` in the sampling of every level")
    return max_tokens or 0


def _caps(usd: float | None, tokens: int | None, requests: int | None) -> Caps:
    return Caps(requests, tokens, None if usd is None else round(usd * NANO))


def _told(scope: str, name: str, before: Spent, need: Spent, caps: Caps) -> str:
    kind, unit = scope[:3], _UNITS[name]
    scale = NANO if name == "nano_usd" else 1
    used, cap, most = (getattr(each, name) / scale for each in (before, caps, need))
    option = _RAISE[kind].format(unit if kind == "run" else unit.upper())
    return (
        f"the budget of this {kind} is reached: {used:.6g} of {cap:.6g} {unit} spent, the next request may "
        f"take up to {most:.6g}; raise {option} and run the same command again"
    )
