"""The only file that talks to a language model: requests in, replies out, in the same order.

Every finished request is in the journal before its reply is used; a request that the journal knows is not
sent again. Who answers is in `tasks/provider.py`.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import NamedTuple

import stamina

from schemas.errors import SeedloomError
from schemas.reply import Reply, Request
from schemas.settings import LLM, Settings
from tasks.progress import Progress
from tasks.provider import Completion, Fatal, Provider, Unusable, provider_of, read_completion
from warehouse.journal import Entry, Journal
from warehouse.run import Run

MAX_WAIT_S = 60.0  # a longer Retry-After is not waited for in one go


def complete(requests: list[Request], run: Run, settings: Settings, stage: str) -> list[Reply]:
    """Answer all requests; replies come in the order of the requests, each a text or an explained failure.

    Raises:
        Fatal: when asking on cannot help; what was answered before is in the journal.
    """
    provider = provider_of(settings)
    keys = [request.id_at(provider.name, provider.model) for request in requests]
    progress = Progress(stage, len(requests))
    with Journal(run.root) as journal:
        entries = journal.find(set(keys))
        progress.advance(sum(key in entries for key in keys))
        missing = {key: r for key, r in zip(keys, requests, strict=True) if key not in entries}
        failures: dict[str, str] = {}
        work = _Work(provider, journal, run.run_id, iter(missing.items()), entries, failures, progress)
        asyncio.run(_answer_all(work))
    return [_reply(key, entries.get(key), failures.get(key), run, settings.llm) for key in keys]


class _Work(NamedTuple):
    provider: Provider
    journal: Journal
    run_id: str
    waiting: Iterator[tuple[str, Request]]
    entries: dict[str, Entry]
    failures: dict[str, str]
    progress: Progress


async def _answer_all(work: _Work) -> None:
    """A fixed number of workers pull requests, so that memory does not grow with the list."""
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(work.provider.concurrency):
                group.create_task(_worker(work))
    except* SeedloomError as errors:
        raise errors.exceptions[0] from errors
    finally:
        await work.provider.close()


async def _worker(work: _Work) -> None:
    import openai

    for key, request in work.waiting:
        try:
            entry = await _ask(work, key, request)
        except (Unusable, openai.APIStatusError, TimeoutError) as error:
            work.failures[key] = f"{type(error).__name__}: {error}"[:500]
        except openai.APIConnectionError as error:
            raise Fatal(
                f"{work.provider.name} does not answer ({error}); "
                f"{len(work.entries)} replies are safe: run the same command again to go on"
            ) from error
        else:
            await asyncio.wrap_future(work.journal.put(entry))
            work.entries[key] = entry
        work.progress.advance()


async def _ask(work: _Work, key: str, request: Request) -> Entry:
    attempts = work.provider.attempts
    async for attempt in stamina.retry_context(
        on=_wait, attempts=attempts, timeout=None, wait_max=MAX_WAIT_S
    ):
        with attempt:
            started = time.monotonic()
            raw = await work.provider.send(request)
            facts = {"latency_s": time.monotonic() - started, "attempts": attempt.num}
    return Entry(key, work.run_id, raw, facts)


def _wait(error: Exception) -> bool | float:
    """Whether to ask again, and after how many seconds when the server says so."""
    import openai

    if isinstance(error, Unusable | TimeoutError | openai.APIConnectionError | openai.InternalServerError):
        return True
    if isinstance(error, openai.RateLimitError):
        told = error.response.headers.get("retry-after", "")
        return min(float(told), MAX_WAIT_S) if told.replace(".", "", 1).isdigit() else True
    return False


def _reply(key: str, entry: Entry | None, failure: str | None, run: Run, llm: LLM) -> Reply:
    if entry is None:
        return Reply(request_id=key, error=failure or "not asked", attempts=llm.attempts)
    said = read_completion(entry.raw)
    return Reply(
        request_id=key,
        **said._asdict(),
        **entry.facts,
        cost_usd=_cost_usd(llm, said),
        replayed=entry.run_id != run.run_id,
    )


def _cost_usd(llm: LLM, said: Completion) -> float | None:
    if not llm.base_url:
        return 0.0
    prices = (llm.usd_per_mtok_in, llm.usd_per_mtok_out)
    counts = (said.n_prompt_tokens, said.n_completion_tokens)
    if None in prices or None in counts:
        return None
    return sum(price * count for price, count in zip(prices, counts, strict=True)) / 1e6  # type: ignore[operator]
