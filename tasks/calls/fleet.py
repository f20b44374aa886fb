"""The endpoints that serve one model: shares by weight, failover, and when there is no sense in going on."""

import asyncio
import logging
import random
import time

from schemas.errors import BadInput, SeedloomError
from schemas.llm import BUILT_IN, OFFLINE
from schemas.prices import Price, PriceTable
from schemas.settings import Settings
from tasks.calls.endpoint import Endpoint, without_user
from tasks.calls.limits import Gate, OwnGate, SharedGate
from tasks.calls.prices import load_prices, price_of
from tasks.calls.provider import Fatal, Offline, Provider
from warehouse.journal import Journal

logger = logging.getLogger("seedloom.llm")

LONGEST_PAUSE_S = 30.0
HOPELESS = 20  # failures in a row, without one answer between them


class Site:
    """One provider with its gate, its price and its recent fortune."""

    def __init__(self, provider: Provider, gate: Gate, price: Price | None, weight: float = 1.0) -> None:
        """Nothing is known of it yet."""
        self.provider, self.gate, self.price, self.weight = provider, gate, price, weight
        self.in_flight = self.chosen = 0
        self.down_until = 0.0
        self.heard_at = time.monotonic()
        self.retired: str | None = None
        self._falls = 0

    def answered(self) -> None:
        """It works."""
        self.heard_at, self.down_until, self._falls = time.monotonic(), 0.0, 0

    def fell(self) -> None:
        """Nobody was there: leave it alone for a while, twice as long each time."""
        if time.monotonic() < self.down_until:
            return  # one fall, seen by all who were on their way
        seconds = min(LONGEST_PAUSE_S, 0.25 * 2 ** min(self._falls, 10)) * random.uniform(0.5, 1.0)
        self._falls += 1
        self.down_until = time.monotonic() + seconds
        self.gate.pause(seconds)


class Fleet:
    """All sites of a model."""

    def __init__(self, sites: list[Site], patience_s: float) -> None:
        """At least one."""
        self.sites = sites
        self._patience_s = patience_s
        self._failures = 0

    @property
    def concurrency(self) -> int:
        """Requests in flight at all sites together, at most."""
        return sum(site.provider.concurrency for site in self.sites)

    def choose(self) -> Site:
        """The site with the fewest requests for its weight, among those that are up if any is.

        Raises:
            Fatal: when none is left.
        """
        left = [site for site in self.sites if site.retired is None]
        if not left:
            raise Fatal("; ".join(str(site.retired) for site in self.sites))
        now = time.monotonic()
        up = [site for site in left if site.down_until <= now] or left
        site = min(up, key=lambda each: ((each.in_flight + 1) / each.weight, each.chosen / each.weight))
        site.chosen += 1
        return site

    def rested(self) -> None:
        """Nothing was asked for a while: silence counts from now."""
        for site in self.sites:
            site.heard_at = time.monotonic()

    def answered(self, site: Site) -> None:
        """A request was answered."""
        self._failures = 0
        site.answered()

    def failed(self, why: str) -> None:
        """A request was given up.

        Raises:
            Fatal: when it was one of many in a row: what is wrong is not the request.
        """
        self._failures += 1
        if self._failures >= HOPELESS:
            raise Fatal(f"{self._failures} requests in a row failed, the last one: {why}")

    def retire(self, site: Site, error: SeedloomError) -> None:
        """Never ask this site again.

        Raises:
            Fatal: when it was the last.
        """
        site.retired = str(error)
        self.choose()

    def wait_for(self, site: Site, error: Exception, after_s: float = 0.0) -> None:
        """Nobody answers, or it was too much: whether to wait on.

        Raises:
            Fatal: when all sites have been silent for longer than the patience of the settings.
        """
        left = [each for each in self.sites if each.retired is None]
        silent_s = min((time.monotonic() - each.heard_at for each in left), default=0.0)
        if silent_s > self._patience_s or (len(self.sites) == 1 and after_s > self._patience_s):
            wait = f"asks to wait {after_s:.0f} s" if after_s else f"gave no answer for {silent_s:.0f} s"
            raise Fatal(f"{site.provider.name} {wait}, above SEEDLOOM_LLM__PATIENCE_S: {error}")

    async def close(self) -> None:
        """Let go of connections and files."""
        for site in self.sites:
            await site.provider.close()
            site.gate.close()


def fleet_of(settings: Settings, journal: Journal | None = None, run_id: str = "") -> Fleet:
    """The sites of the settings. Not to be called in an event loop (see `read_key`).

    Raises:
        BadInput: for a model without an address, a key block or price table that is not there.
    """
    llm, prices = settings.llm, load_prices(settings.llm.prices)
    if llm.provider == "batch" and journal is not None:
        return Fleet([_batch_site(settings, prices, journal, run_id)], llm.patience_s)
    sites = [
        Site(endpoint, SharedGate(endpoint.base_url, llm.limits_of(at), llm.limits_folder), price, at.weight)
        for at in llm.sites()
        for endpoint in [Endpoint(at, llm)]
        for price in [price_of(prices, endpoint.model, endpoint.base_url)]
    ]
    if not sites or llm.provider not in {"auto", "batch"}:
        own = _in_process(settings)
        sites = [Site(own, OwnGate(own.concurrency), price_of(prices, own.model, None))]
    return Fleet(sites, max(llm.patience_s, llm.timeout_s))


def _batch_site(settings: Settings, prices: PriceTable, journal: Journal, run_id: str) -> Site:
    from tasks.calls.batch import BatchEndpoint

    llm = settings.llm
    if len(llm.sites()) != 1:
        raise BadInput(f"the provider 'batch' needs one endpoint, not {len(llm.sites())}")
    provider = BatchEndpoint(llm.sites()[0], llm, journal, run_id, settings.identity)
    price = price_of(prices, provider.model, provider.base_url)
    return Site(provider, OwnGate(provider.concurrency), price)


def check_endpoints(settings: Settings) -> None:
    """Ask the endpoints for their models before any work is begun; one of several that is not there will do.

    Raises:
        BadInput: when none answers, a key is refused, a model is not among those it names, or a budget in
            USD has no price to count with.
    """
    fleet = fleet_of(settings)
    problems = asyncio.run(_problems(fleet))
    if len(problems) == len(fleet.sites):
        raise BadInput("; ".join(problems))
    for problem in problems:
        logger.warning("%s; the other endpoints go on without it", problem)
    unpriced = [site.provider.model for site in fleet.sites if site.price is None]
    if unpriced and (settings.budget.budget_usd or settings.llm.usd_per_day):
        raise BadInput(f"no price of {unpriced[0]!r} to count a budget in USD with; see SEEDLOOM_LLM__PRICES")


async def _problems(fleet: Fleet) -> list[str]:
    try:
        found = [await _problem(site.provider) for site in fleet.sites]
    finally:
        await fleet.close()
    return [problem for problem in found if problem]


async def _problem(provider: Provider) -> str | None:
    if not isinstance(provider, Endpoint):
        return None
    try:
        known = await provider.models()
    except BadInput as error:
        return str(error)
    if known and provider.model not in known:
        return f"no model {provider.model!r} at {provider.name}; known: {sorted(known)[:20]}"
    return None


def name_of(settings: Settings) -> str:
    """Who would answer, for rows of calls that nobody answered."""
    llm = settings.llm
    if llm.provider in {"transformers", "vllm"}:
        return llm.provider
    return BUILT_IN if llm.is_offline else "+".join(without_user(site.base_url) for site in llm.sites())


def _in_process(settings: Settings) -> Provider:
    llm = settings.llm
    if llm.provider == "transformers":
        from tasks.calls.local_model import LocalModel

        return LocalModel(llm.model, llm.concurrency)
    if llm.provider == "vllm":
        from tasks.calls.vllm_model import VllmModel

        return VllmModel(llm.model, llm.concurrency)
    if llm.model != OFFLINE or llm.provider == "batch":
        raise BadInput(
            f"SEEDLOOM_LLM__MODEL is {llm.model!r} and the provider {llm.provider!r}, but neither "
            "SEEDLOOM_LLM__BASE_URL nor SEEDLOOM_LLM__ENDPOINTS is set"
        )
    return Offline(settings)
