import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.llm import LLM, EndpointAt, Limits
from tasks.forecast import QUANTITIES, Units, hours_of, plus, prompts_needed, total_of
from tasks.intervals import Estimate


def units(rows):
    return Units(np.array(rows, dtype=float).reshape(-1, len(QUANTITIES)))


def likewise(value, low=None, high=None):
    e = Estimate(value, 10, value if low is None else low, value if high is None else high)
    return dict.fromkeys(QUANTITIES, e)


def test_what_was_seen_is_known_and_only_the_rest_is_guessed():
    totals = total_of(units([[1, 10, 5, 0.1, 2.0], [3, 30, 15, 0.3, 4.0]]), 2)
    assert totals["prompt_tokens"] == (40.0, 2, 40.0, 40.0)
    assert total_of(units([[1, 10, 5, 0.1, 2.0], [3, 30, 15, 0.3, 4.0]]), 4)["prompt_tokens"].value == 80.0


def test_the_interval_is_that_of_the_formula():
    seen = [[1, x, 0, 0, 0] for x in (1.0, 30.0, 5.0, 20.0)]
    e = total_of(units(seen), 20)["prompt_tokens"]
    spread, rest = np.std([1, 30, 5, 20], ddof=1), 16
    half = 3.182446 * spread * math.sqrt(rest**2 / 4 + rest)
    assert e.value == 280.0 and e.high - e.value == pytest.approx(half, rel=1e-6)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_the_interval_holds_the_truth_nearly_always(seed):
    draw = random.Random(seed)
    hits = 0
    for _ in range(40):
        population = [draw.lognormvariate(3, 0.4) for _ in range(120)]
        e = total_of(units([[1, x, 0, 0, 0] for x in population[:24]]), 120)["prompt_tokens"]
        hits += e.low <= sum(population) <= e.high
    assert hits >= 32


def test_units_that_are_all_alike_still_leave_a_doubt():
    e = total_of(units([[3, 1, 1, 0, 1]] * 12), 100)["requests"]
    assert e.value == 300 and e.low == pytest.approx(300 - 1.5 / 12 * 88 * 3)


def test_an_unknown_price_is_an_unknown_cost_and_leaves_the_rest_known():
    totals = total_of(units([[1, 10, 5, math.nan, 2.0]] * 3), 10)
    assert totals["cost_usd"] == (None, 3, None, None) and totals["requests"].value == 10


def test_nothing_seen_is_nothing_known():
    assert total_of(units([]), 10)["requests"].value is None


def test_sums_add_their_widths_in_squares():
    total = plus(likewise(10.0, 7.0, 13.0), likewise(20.0, 16.0, 24.0))["requests"]
    assert total == (30.0, 20, 25.0, 35.0)
    assert plus(likewise(10.0), dict.fromkeys(QUANTITIES, Estimate(None, 3)))["requests"].value is None


def test_a_bootstrap_asks_rounds_until_enough_are_accepted():
    prompts, rounds = prompts_needed(100, [5, 5, 5, 5], lambda missing: max(4, math.ceil(missing / 16)), 60)
    assert prompts.value == 20 and rounds == 4  # 7 + 5 + 4 + 4
    assert prompts.low <= prompts.value <= prompts.high


def test_a_bootstrap_that_accepts_nothing_ends():
    prompts, rounds = prompts_needed(100, [0, 0, 0, 0], lambda missing: 10, 60)
    assert rounds == 60 and prompts.value == 600


def test_hours_go_by_what_is_in_flight_or_by_the_tightest_limit():
    totals = {**likewise(3600.0), "latency_s": Estimate(7200.0, 10, 7200.0, 7200.0)}
    here = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    assert hours_of(totals, LLM(**here, concurrency=2), 0).value == pytest.approx(1.0)
    assert hours_of(totals, LLM(**here, concurrency=2), 1800).value == pytest.approx(2.0)
    limited = LLM(**here, concurrency=2, requests_per_minute=20)
    assert hours_of(totals, limited, 0).value == pytest.approx(3.0)
    two = [
        EndpointAt(base_url=f"http://127.0.0.1:{i}/v1", limits=Limits(requests_per_minute=20)) for i in (1, 2)
    ]
    assert hours_of(totals, LLM(model="m", endpoints=two), 0).value == pytest.approx(1.5)


def test_the_batch_api_says_no_time():
    here = {"base_url": "http://127.0.0.1:1/v1", "model": "m", "provider": "batch"}
    assert hours_of(likewise(10.0), LLM(**here), 1).value is None
