"""The only file that stages ask a language model through: requests in, replies out, in the same order.

Every finished request is in the journal before its reply is used; a request that the journal knows is not
sent again. How requests are answered is in `tasks/calls/engine.py`.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.errors import BudgetReached
from schemas.reply import Reply, Request
from schemas.settings import Settings
from tasks.calls.engine import Engine
from tasks.calls.engines import engine_of
from tasks.calls.fleet import name_of
from tasks.calls.outcome import Ask, Countdown, Outcome
from tasks.calls.provider import Completion, read_completion
from tasks.calls.rates import Rates
from tasks.progress import Progress
from warehouse.run import Run

CHUNK = 256  # requests that are looked up together


def complete(requests: list[Request], run: Run, settings: Settings, stage: str) -> list[Reply]:
    """Answer all requests; replies come in the order of the requests, each a text or an explained failure.

    Raises:
        SeedloomError: when asking on cannot help (Fatal), a budget is reached, or somebody asked to stop;
            what was answered before is in the journal.
    """
    return list(replies(requests, run, settings, stage, len(requests)))


def replies(
    requests: Iterable[Request], run: Run, settings: Settings, stage: str, total: int | None = None
) -> Iterator[Reply]:
    """The same for any number of requests: a bounded number of them is in memory at a time.

    Raises:
        SeedloomError: as `complete`.
    """
    with engine_of(run.root, run.run_id, settings) as engine:
        progress = _Told(Progress(stage, total), Rates(engine.counts, total))
        ahead = 2 + 4 * engine.fleet.concurrency // CHUNK
        waiting: deque[_Chunk] = deque()
        source = iter(requests)
        while True:
            while len(waiting) < ahead and (chunk := list(itertools.islice(source, CHUNK))):
                waiting.append(_submitted(engine, chunk))
            if not waiting:
                return
            try:
                asks = _over(waiting.popleft(), progress)
            except BudgetReached as error:
                raise BudgetReached(f"{error}; {progress.needed(list(waiting))}") from error
            for ask in asks:
                yield _reply(ask, engine, run)


class _Chunk(NamedTuple):
    asks: list[Ask]
    over: Countdown


def _submitted(engine: Engine, requests: list[Request]) -> _Chunk:
    over = Countdown(len(requests))
    asks = [Ask(request.id_at(engine.model), request, over) for request in requests]
    engine.submit(asks)
    return _Chunk(asks, over)


class _Told:
    """Says how far a stage is."""

    def __init__(self, progress: Progress, rates: Rates) -> None:
        self.progress, self._rates, self._fresh = progress, rates, 0

    def advance(self, done: int, fresh: int) -> None:
        """So many more are over, and of these so many were asked now."""
        self._fresh += fresh
        self.progress.advance(done, self._rates.told(self.progress.done + done, self._fresh))

    def needed(self, rest: list[_Chunk]) -> str:
        """What the requests that are not answered will take."""
        answered = sum(ask.outcome is not None for chunk in rest for ask in chunk.asks)
        return self._rates.needed(self.progress.total - self.progress.done - answered)


def _over(chunk: _Chunk, told: _Told) -> list[Ask]:
    """Wait for a chunk, saying now and then how far it is."""
    said = (0, 0)
    over = False
    while not over:
        over = chunk.over.event.wait(told.progress.every_s)
        outcomes = [ask.outcome for ask in chunk.asks if ask.outcome is not None]
        now = len(outcomes), sum(outcome.said is not None for outcome in outcomes)
        told.advance(now[0] - said[0], now[1] - said[1])
        said = now
    for ask in chunk.asks:
        if ask.error is not None:
            raise ask.error
    return chunk.asks


def _reply(ask: Ask, engine: Engine, run: Run) -> Reply:
    outcome = ask.outcome or Outcome(why="not asked")
    if outcome.entry is None:
        return Reply(
            request_id=ask.key,
            provider=name_of(engine.settings),
            model=engine.settings.llm.model,
            error=outcome.why,
            attempts=outcome.attempts,
        )
    entry, said = outcome.entry, outcome.said or read_completion(outcome.entry.raw)
    facts = {**entry.facts, **_totals(outcome, said)}
    return Reply(request_id=ask.key, **{**said._asdict(), **facts}, replayed=entry.run_id != run.run_id)


def _totals(outcome: Outcome, said: Completion) -> dict[str, float | int | None]:
    """What a repaired reply cost in all."""
    if not outcome.repairs or outcome.entry is None:
        return {}
    entries = (*outcome.repairs, outcome.entry)
    spoilt = [read_completion(entry.raw) for entry in outcome.repairs]
    return {
        "attempts": sum(entry.facts["attempts"] for entry in entries),
        "cost_usd": _sum([entry.facts["cost_usd"] for entry in entries]),
        "n_prompt_tokens": _sum([each.n_prompt_tokens for each in (*spoilt, said)]),
        "n_completion_tokens": _sum([each.n_completion_tokens for each in (*spoilt, said)]),
    }


def _sum(values: list[float | None]) -> float | None:
    """Unknown when one is."""
    return None if None in values else sum(value for value in values if value is not None)
