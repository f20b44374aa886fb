"""What a whole run will take, from what a few of its trees took: totals with 95% intervals.

With m units seen (mean x, deviation s) of n, the total is the sum of those seen plus (n - m) x, within
t(m - 1) s sqrt((n - m)^2 / m + (n - m)): the error of the mean and the scatter of what is still to come, as
for a prediction of a finite population (Cochran 1977). Units are trees, or prompts of a bootstrap.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from schemas.llm import LLM
from tasks.intervals import Estimate

QUANTITIES = ("requests", "prompt_tokens", "completion_tokens", "cost_usd", "latency_s")
COVERAGE = 0.975
_LIMITS = (
    ("requests", "requests_per_second", 1),
    ("requests", "requests_per_minute", 60),
    ("prompt_tokens", "input_tokens_per_minute", 60),
    ("completion_tokens", "output_tokens_per_minute", 60),
)
LEAST_YIELD = 0.05  # accepted tasks a prompt: fewer ends a bootstrap anyway


class Units(NamedTuple):
    """What was seen: one row a unit, columns QUANTITIES; cost is NaN where the price is unknown."""

    values: np.ndarray  # (m, 5) float64

    @property
    def m(self) -> int:
        """Units seen."""
        return len(self.values)


def total_of(units: Units, n: float) -> dict[str, Estimate]:
    """Each quantity over `n` units, those seen among them. Range: 0 or more; None when it is unknown."""
    if not units.m:
        return {name: Estimate(None, 0) for name in QUANTITIES}
    rest = max(0.0, n - units.m)
    value = units.values.sum(axis=0) + rest * units.values.mean(axis=0)
    half = value if units.m < 2 else _half(units, rest)
    return {
        name: Estimate(None, units.m)
        if math.isnan(value[i])
        else Estimate(
            float(value[i]), units.m, float(max(0.0, value[i] - half[i])), float(value[i] + half[i])
        )
        for i, name in enumerate(QUANTITIES)
    }


def plus(one: dict[str, Estimate], other: dict[str, Estimate]) -> dict[str, Estimate]:
    """Sums of independent estimates: the widths add up in squares."""
    return {name: _plus(one[name], other[name]) for name in QUANTITIES}


def prompts_needed(
    count: int, accepted: list[int], n_prompts: Callable[[int], int], most_rounds: int
) -> tuple[Estimate, int]:
    """Prompts of a bootstrap until `count` tasks are accepted, and its rounds.

    `accepted` tasks came of each prompt seen. Rounds ask `n_prompts(missing)` prompts each. Later rounds
    meet a larger pool and accept less: the interval does not know that, so the lower yield counts twice.
    """
    y = np.array(accepted, dtype=float)
    mean = max(float(y.mean()), LEAST_YIELD)
    error = _t(len(y)) * float(y.std(ddof=1)) / math.sqrt(len(y)) if len(y) > 1 else mean
    value, rounds = _rounds(count, mean, n_prompts, most_rounds)
    most, _ = _rounds(count, max(mean - 2 * error, mean / 2, LEAST_YIELD), n_prompts, most_rounds)
    least, _ = _rounds(count, mean + error, n_prompts, most_rounds)
    return Estimate(value, len(y), least, max(most, value)), rounds


def hours_of(totals: dict[str, Estimate], llm: LLM, steps: int) -> Estimate:
    """Hours until all is answered: what is in flight at a time, the limits of the endpoint, `steps` waits.

    Range: 0 or more. The Batch API says no time.
    """
    latency, requests = totals["latency_s"], totals["requests"]
    if latency.value is None or requests.value is None or llm.provider == "batch":
        return Estimate(None, latency.n)
    value, low, high = (_hours(end, totals, llm, steps) for end in ("value", "low", "high"))
    return Estimate(value, latency.n, low, high)


def _hours(end: str, totals: dict[str, Estimate], llm: LLM, steps: int) -> float:
    amount = {name: getattr(totals[name], end) or 0.0 for name in QUANTITIES}
    sites = [llm.limits_of(site) for site in llm.sites()] or [llm]
    in_flight = sum(each.concurrency for each in sites)
    each_s = (totals["latency_s"].value or 0.0) / max(totals["requests"].value or 0.0, 1.0)
    seconds = [amount["latency_s"] / in_flight + steps * each_s]
    for name, limit, per in _LIMITS:
        rates = [getattr(each, limit) for each in sites]
        if None not in rates:
            seconds.append(amount[name] * per / sum(rate for rate in rates if rate))
    return max(seconds) / 3600


def _half(units: Units, rest: float) -> np.ndarray:
    """Units that are all alike say little: up to 3/m of the others may still differ, here by half a unit."""
    spread = units.values.std(axis=0, ddof=1)
    seen = _t(units.m) * spread * math.sqrt(rest**2 / units.m + rest)
    return np.maximum(seen, 1.5 / units.m * rest * units.values.mean(axis=0))


def _t(m: int) -> float:
    return float(student.ppf(COVERAGE, max(m - 1, 1)))


def _rounds(count: int, each: float, n_prompts: Callable[[int], int], most: int) -> tuple[float, int]:
    accepted = prompts = 0.0
    rounds = 0
    while accepted < count and rounds < most:
        asked = n_prompts(math.ceil(count - accepted))
        prompts, accepted, rounds = prompts + asked, accepted + asked * each, rounds + 1
    return prompts, rounds


def _plus(one: Estimate, other: Estimate) -> Estimate:
    if one.value is None or other.value is None:
        return Estimate(None, one.n + other.n)
    value = one.value + other.value
    below = math.hypot(one.value - (one.low or 0.0), other.value - (other.low or 0.0))
    above = math.hypot((one.high or one.value) - one.value, (other.high or other.value) - other.value)
    return Estimate(value, one.n + other.n, max(0.0, value - below), value + above)
