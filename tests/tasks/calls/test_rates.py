import pytest

from tasks.calls import rates
from tasks.calls.asking import Counts
from tasks.calls.rates import Rates


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes when it is told to."""
    now = [1000.0]
    monkeypatch.setattr(rates.time, "monotonic", lambda: now[0])
    return now


def counted(answered=0, tokens=0, nano_usd=0, retried=0, failed=0):
    counts = Counts()
    counts.answered, counts.tokens, counts.nano_usd = answered, tokens, nano_usd
    counts.retried, counts.failed = retried, failed
    return counts


def test_what_happened_is_told_in_one_line_with_what_is_to_come(clock):
    counts = counted()
    rates = Rates(counts, 400)
    clock[0] += 20
    vars(counts).update(vars(counted(answered=100, tokens=5000, nano_usd=250_000_000)))
    assert rates.told(100, 100) == "5.0 req/s · 250 tok/s · 0.25 of ~1 USD · 1:00 left"


def test_what_is_left_is_told_at_the_mean_so_far(clock):
    counts = counted(answered=100, tokens=5000, nano_usd=250_000_000)
    told = Rates(counts, 400).needed(1300)
    assert told == "this stage needs about 1,300 more requests, 65,000 tokens and 3.25 USD"
    counts.cost_known = False
    assert Rates(counts, 400).needed(1300) == "this stage needs about 1,300 more requests, 65,000 tokens"
    assert Rates(counted(), 400).needed(7) == "7 requests of this stage are left"


def test_retries_and_failures_are_told_when_there_are_any(clock):
    counts = counted()
    rates = Rates(counts, None)
    clock[0] += 1
    assert rates.told(0, 0) == "0.0 req/s · 0 tok/s · 0 USD"
    vars(counts).update(vars(counted(answered=2, tokens=7, retried=3, failed=1)))
    assert rates.told(2, 2) == "2.0 req/s · 7 tok/s · 3 retried · 1 failed · 0 USD"


def test_only_what_came_since_counts(clock):
    counts = counted(answered=1000, tokens=1000, nano_usd=9 * 10**9)
    rates = Rates(counts, None)
    clock[0] += 2
    counts.answered, counts.tokens, counts.nano_usd = 1010, 1100, 11 * 10**9
    assert rates.told(10, 10) == "5.0 req/s · 50 tok/s · 2 USD"


def test_an_unknown_price_is_no_zero(clock):
    counts = counted(answered=5, nano_usd=10**9)
    counts.cost_known = False
    clock[0] += 1
    told = Rates(counts, 10).told(5, 5)
    assert "cost unknown" in told and "USD" not in told


def test_nothing_is_projected_while_nothing_is_done_or_nobody_knows_how_much_there_is(clock):
    counts = counted()
    few, many = Rates(counts, None), Rates(counts, 10)
    clock[0] += 4
    assert "left" not in few.told(5, 5) and "~" not in few.told(5, 5)
    assert "left" not in many.told(0, 0) and "~" not in many.told(0, 0)
    assert many.told(10, 10).endswith("0:00 left")


def test_no_time_at_all_has_passed_and_still_there_is_a_line(clock):
    assert Rates(counted(), 1).told(1, 1).startswith("0.0 req/s")


@pytest.mark.parametrize(
    ("seconds", "told"), [(5, "0:05"), (59.6, "1:00"), (61, "1:01"), (3600, "1:00:00"), (90_061, "25:01:01")]
)
def test_time_left_is_told_as_a_clock_does(clock, seconds, told):
    rates = Rates(counted(), 2)
    clock[0] += seconds
    assert rates.told(1, 1).endswith(f" {told} left")


def test_what_the_journal_knew_costs_neither_time_nor_money(clock):
    counts = counted()
    rates = Rates(counts, 400)
    clock[0] += 20
    vars(counts).update(vars(counted(answered=100, tokens=5000, nano_usd=250_000_000)))
    assert rates.told(300, 100) == "5.0 req/s · 250 tok/s · 0.25 of ~0.5 USD · 0:20 left"
