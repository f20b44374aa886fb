import asyncio
import datetime
import random
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BadInput, BudgetReached
from schemas.llm import LLM
from schemas.settings import Budget
from schemas.spent import NANO, Caps, Spent
from tasks.calls import budget
from tasks.calls.budget import Hold, Purse, bound
from warehouse.journal import Journal
from warehouse.tally import Tally

NOTHING_SPENT = types.SimpleNamespace(spent=lambda scope: Spent())


def purse_of(root, journal=NOTHING_SPENT, run_id="run", day=None, **caps):
    return Purse(root, journal, run_id, Budget(**caps), LLM(**(day or {})))


@pytest.fixture
def purse(tmp_path):
    """A function that opens a purse of one warehouse, as one more process."""
    purses = []

    def open_purse(**arguments):
        purses.append(purse_of(tmp_path, **arguments))
        return purses[-1]

    yield open_purse
    for each in purses:
        each.close()


def counted(root, scope):
    """What stands in the shared numbers: reserved and settled."""
    tally = Tally(root / "journal" / "budget" / scope, Spent._fields)
    with tally.held() as numbers:
        found = Spent(**numbers)
    tally.close()
    return found


def total(spents):
    return Spent(*(sum(column) for column in zip(*spents, strict=True))) if spents else Spent()


def reserved(purse, *needs):
    """Reserve all of these, one after the other."""

    async def reserve():
        return [await purse.reserve(need) for need in needs]

    return asyncio.run(reserve())


# ---- the property

amounts = st.builds(Spent, st.integers(1, 3), st.integers(0, 50), st.integers(0, 2000))
requests = st.lists(
    st.tuples(
        amounts,
        st.floats(0, 1),  # share of the bound that is billed
        st.integers(0, 6),  # turns of the loop that it takes
        st.sampled_from(["answered", "failed", "cancelled", "gone while it waits"]),
    ),
    min_size=1,
    max_size=40,
)
caps = st.builds(
    Caps,
    st.none() | st.integers(1, 40),
    st.none() | st.integers(1, 500),
    st.none() | st.integers(1, 20_000),
)


@settings(max_examples=150)
@given(caps, caps, st.integers(1, 4), requests, st.integers(1, 10))
def test_no_cap_is_ever_exceeded_and_what_was_settled_is_the_sum_of_the_bills(
    of_run, of_day, n_purses, asked, workers
):
    """Several purses of one folder are to each other as several processes."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), of_run, of_day, n_purses)
        asyncio.run(world.ask(asked, workers))
        world.close()
        assert not any(world.open.values())
        assert world.counted() == (total(world.bills),) * 2


class World:
    """Purses, and a book that is kept beside them."""

    def __init__(self, root, of_run, of_day, n_purses):
        self.root, self.caps = root, (of_run, of_day)
        self.bills = []  # what was settled
        usd = None if of_run.nano_usd is None else of_run.nano_usd / NANO
        day_usd = None if of_day.nano_usd is None else of_day.nano_usd / NANO
        day = {"requests_per_day": of_day.requests, "tokens_per_day": of_day.tokens, "usd_per_day": day_usd}
        run = {
            "budget_requests": of_run.requests or 10**12,  # a cap of its own, so that the run is counted
            "budget_tokens": of_run.tokens,
            "budget_usd": usd,
        }
        day["requests_per_day"] = of_day.requests or 10**12
        self.purses = [purse_of(root, day=day, **run) for _ in range(n_purses)]
        self.open = {purse: [] for purse in self.purses}
        (self.day,) = {purse._scopes()[1] for purse in self.purses}

    def close(self):
        for purse in self.purses:
            purse.close()

    def counted(self):
        return counted(self.root, "run-run"), counted(self.root, self.day)

    def check(self):
        booked = total([*self.bills, *(hold.need for holds in self.open.values() for hold in holds)])
        for cap, found in zip(self.caps, self.counted(), strict=True):
            assert found == booked
            assert cap.broken_by(found) is None

    async def ask(self, asked, workers):
        queue = list(reversed(asked))

        async def worker(purse):
            while queue:
                await self.one(purse, *queue.pop())

        await asyncio.gather(*(worker(self.purses[n % len(self.purses)]) for n in range(workers)))

    async def one(self, purse, need, share, turns, fate):
        task = asyncio.create_task(self.request(purse, need, share, turns, fate))
        if fate == "gone while it waits":
            for _ in range(turns % 3):
                await asyncio.sleep(0)
            task.cancel()
        elif fate == "cancelled":
            for _ in range(turns + 1):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled() and task.exception() is not None:
            raise task.exception()

    async def request(self, purse, need, share, turns, fate):
        holds = self.open[purse]
        try:
            hold = await purse.reserve(need)
        except BudgetReached:
            assert not holds, "something of ours is under way"
            for_all = zip(self.caps, self.counted(), strict=True)
            assert any(cap.broken_by(found.plus(need)) for cap, found in for_all), "it would fit"
            return
        holds.append(hold)
        self.check()
        bill = need if fate == "failed" else Spent(*(int(share * n) for n in need))
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            bill = need
            raise
        finally:
            holds.remove(hold)
            purse.settle(hold, bill)
            self.bills.append(bill)
            self.check()


# ---- real processes


def spend(root, n, seed):
    """A process of its own: requests until the budget is reached; says what it settled."""
    with Journal(Path(root)) as journal:
        purse = purse_of(root=Path(root), journal=journal, budget_requests=10**6, budget_tokens=60_000)
        draw, bills = random.Random(seed), []

        async def request():
            need = Spent(1, draw.randrange(1, 200), 0)
            hold = await purse.reserve(need)
            await asyncio.sleep(draw.random() * 0.002)
            bill = need._replace(tokens=draw.randrange(need.tokens + 1))
            purse.settle(hold, bill)
            journal.charge(bill, hold.scopes)
            bills.append(bill)
            assert counted(Path(root), "run-run").tokens <= 60_000

        async def worker():
            for _ in range(int(n)):
                await request()

        async def work():
            done = await asyncio.gather(*(worker() for _ in range(8)), return_exceptions=True)
            assert all(isinstance(each, BudgetReached) for each in done), done

        asyncio.run(work())
    sys.stdout.write(str(total(bills).tokens))


def reserve_and_hang(root):
    """A process of its own that has a request under way for ever."""
    with Journal(Path(root)) as journal:
        purse = purse_of(root=Path(root), journal=journal, budget_tokens=1000)
        holds = reserved(purse, Spent(1, 600, 0))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        purse.settle(holds[0], Spent())


def born(*job):
    """A function of this file in a process of its own."""
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, job)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_four_processes_spend_one_budget_and_no_more(tmp_path):
    children = [born("spend", tmp_path, 10_000, who) for who in range(4)]
    told = [int(child.communicate(timeout=60)[0]) for child in children]
    assert [child.returncode for child in children] == [0] * 4
    assert 60_000 - 200 < sum(told) <= 60_000
    assert counted(tmp_path, "run-run").tokens == sum(told)
    with Journal(tmp_path) as journal:
        assert journal.spent("run-run").tokens == sum(told)


def test_the_reservations_of_a_killed_process_stay(tmp_path, purse):
    child = born("reserve_and_hang", tmp_path)
    assert child.stdout.readline() == "ready\n"
    child.kill()
    child.communicate()
    one = purse(budget_tokens=1000)
    with pytest.raises(BudgetReached, match="600 of 1000 tokens spent, the next request may take up to 401"):
        reserved(one, Spent(1, 401, 0))
    reserved(one, Spent(1, 400, 0))


# ---- one by one


@pytest.mark.parametrize(
    ("name", "cap", "need"),
    [
        ("budget_requests", 1, Spent(1, 9, 9)),
        ("budget_tokens", 10, Spent(1, 10, 9)),
        ("budget_usd", 1e-8, Spent(1, 9, 10)),
    ],
)
def test_a_cap_may_be_reached_to_the_last(purse, name, cap, need):
    one = purse(**{name: cap})
    reserved(one, need)
    one._open.clear()  # as another process would see it
    with pytest.raises(BudgetReached):
        reserved(one, Spent(1, 1, 1))


def test_who_finds_no_room_waits_for_what_is_under_way(purse):
    async def scenario():
        one = purse(budget_tokens=100)
        first = await one.reserve(Spent(1, 90, 0))
        waiting = [asyncio.create_task(one.reserve(Spent(1, 45, 0))) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
        one.settle(first, Spent(1, 10, 0))
        await asyncio.sleep(0.01)
        assert [task.done() for task in waiting] == [True, True, False]
        for task in waiting[:2]:
            one.settle(task.result(), Spent(1, 40, 0))
        with pytest.raises(BudgetReached, match="90 of 100 tokens spent, the next request may take up to 45"):
            await waiting[2]

    asyncio.run(scenario())


def test_a_smaller_request_still_fits_where_a_larger_one_does_not(purse):
    one = purse(budget_tokens=100)
    one.settle(reserved(one, Spent(1, 90, 0))[0], Spent(1, 90, 0))
    with pytest.raises(BudgetReached):
        reserved(one, Spent(1, 11, 0))
    reserved(one, Spent(1, 10, 0))


def test_a_request_that_breaks_one_cap_is_reserved_under_none(tmp_path, purse):
    one = purse(budget_tokens=100, day={"requests_per_day": 1})
    (hold,) = reserved(one, Spent(1, 10, 0))
    one.settle(hold, Spent(1, 10, 0))
    with pytest.raises(BudgetReached, match="budget of this day"):
        reserved(one, Spent(1, 10, 0))
    assert counted(tmp_path, "run-run") == Spent(1, 10, 0)


def test_a_raised_cap_goes_on_where_the_run_stopped(tmp_path, purse):
    first = purse(budget_tokens=100)
    first.settle(reserved(first, Spent(1, 100, 0))[0], Spent(1, 60, 0))
    with pytest.raises(BudgetReached):
        reserved(first, Spent(1, 50, 0))
    raised = purse(budget_tokens=150)
    reserved(raised, Spent(1, 90, 0))
    assert counted(tmp_path, "run-run").tokens == 150


def test_the_cap_of_a_day_is_shared_by_its_runs_and_that_of_a_run_is_not(purse):
    first, second = (purse(run_id=name, budget_requests=2, day={"requests_per_day": 3}) for name in "ab")
    for one, n in ((first, 2), (second, 1)):
        for hold in reserved(one, *[Spent(1)] * n):
            one.settle(hold, Spent(1))
    with pytest.raises(BudgetReached, match="budget of this run is reached: 2 of 2 requests"):
        reserved(first, Spent(1))
    with pytest.raises(BudgetReached, match="budget of this day is reached: 3 of 3 requests"):
        reserved(second, Spent(1))


def test_a_new_day_has_a_budget_of_its_own_and_a_bill_goes_to_the_day_of_its_request(
    tmp_path, purse, monkeypatch
):
    def at(*moment):
        now = datetime.datetime(*moment, tzinfo=datetime.UTC)
        monkeypatch.setattr(budget, "time", types.SimpleNamespace(time=now.timestamp))

    at(2026, 2, 28, 23, 59, 59)
    one = purse(day={"tokens_per_day": 100})
    (late,) = reserved(one, Spent(1, 100, 0))
    assert late.scopes == ("run-run", "day-2026-02-28")
    at(2026, 3, 1)
    (early,) = reserved(one, Spent(1, 100, 0))
    assert early.scopes == ("run-run", "day-2026-03-01")
    one.settle(late, Spent(1, 30, 0))
    one.settle(early, Spent(1, 40, 0))
    assert counted(tmp_path, "day-2026-02-28").tokens == 30
    assert counted(tmp_path, "day-2026-03-01").tokens == 40


def test_the_days_are_those_of_utc(purse):
    before = datetime.datetime.now(datetime.UTC).date()
    (hold,) = reserved(purse(budget_requests=1), Spent(1))
    after = datetime.datetime.now(datetime.UTC).date()
    assert hold.scopes[1] in {f"day-{before.isoformat()}", f"day-{after.isoformat()}"}


def test_what_the_journal_knows_is_the_least_that_counts(tmp_path):
    """The shared numbers may be lost in a power cut; what was paid for is in the journal."""
    with Journal(tmp_path) as journal:
        one = purse_of(tmp_path, journal, budget_tokens=100)
        (hold,) = reserved(one, Spent(1, 80, 0))
        one.settle(hold, Spent(1, 70, 0))
        journal.charge(Spent(1, 70, 0), hold.scopes).result()
        one.close()
        for file in (tmp_path / "journal" / "budget").iterdir():
            file.unlink()
        again = purse_of(tmp_path, journal, budget_tokens=100, day={"tokens_per_day": 90})
        with pytest.raises(BudgetReached, match="70 of 100 tokens spent, the next request may take up to 31"):
            reserved(again, Spent(1, 31, 0))
        with pytest.raises(BudgetReached, match="budget of this day is reached: 70 of 90 tokens"):
            reserved(again, Spent(1, 30, 0))
        reserved(again, Spent(1, 20, 0))
        again.close()


def test_what_was_spent_before_there_was_a_cap_counts(tmp_path):
    with Journal(tmp_path) as journal:
        free = purse_of(tmp_path, journal)
        (hold,) = reserved(free, Spent(1, 80, 0))
        free.settle(hold, Spent(1, 80, 0))
        journal.charge(Spent(1, 80, 0), hold.scopes).result()
        one = purse_of(tmp_path, journal, budget_tokens=100)
        with pytest.raises(BudgetReached, match="80 of 100 tokens"):
            reserved(one, Spent(1, 21, 0))
        one.close()


def test_without_a_cap_nothing_is_counted_and_nothing_stops(tmp_path, purse):
    one = purse()
    for hold in reserved(one, *[Spent(10**9, 10**15, 10**15)] * 3):
        one.settle(hold, Spent(1))
    assert not (tmp_path / "journal").exists()


@pytest.mark.parametrize(
    ("arguments", "need", "says"),
    [
        ({"budget_usd": 0.5}, Spent(1, 1, 3 * NANO // 4), r"0 of 0.5 usd spent, .* up to 0.75; raise --budget-usd "),
        ({"budget_tokens": 10}, Spent(1, 11), r"0 of 10 tokens spent, .* up to 11; raise --budget-tokens "),
        ({"budget_requests": 1}, Spent(2), r"0 of 1 requests spent, .* up to 2; raise --budget-requests "),
        ({"day": {"usd_per_day": 1}}, Spent(1, 1, 2 * NANO), r"this day .* 0 of 1 usd .* SEEDLOOM_LLM__USD_PER_DAY "),
        ({"day": {"tokens_per_day": 1}}, Spent(1, 2), r"this day .* tokens .* SEEDLOOM_LLM__TOKENS_PER_DAY "),
        ({"day": {"requests_per_day": 1}}, Spent(2), r"this day .* SEEDLOOM_LLM__REQUESTS_PER_DAY and run the same"),
    ],
)  # fmt: skip
def test_who_is_stopped_learns_how_much_was_used_of_what_and_which_option_to_raise(
    purse, arguments, need, says
):
    with pytest.raises(BudgetReached, match=says) as found:
        reserved(purse(**arguments), need)
    assert "\n" not in str(found.value) and found.value.code == 4


def test_options_that_are_named_exist():
    options = {f"--{name.replace('_', '-')}" for name in Budget.model_fields}
    assert {budget._RAISE["run"].format(unit) for unit in budget._UNITS.values()} == options
    variables = {budget._RAISE["day"].format(unit.upper()) for unit in budget._UNITS.values()}
    assert {name.removeprefix("SEEDLOOM_LLM__").lower() for name in variables} <= set(LLM.model_fields)


def test_a_cancelled_waiter_reserves_nothing_and_disturbs_nobody(tmp_path, purse):
    async def scenario():
        one = purse(budget_tokens=100)
        first = await one.reserve(Spent(1, 90, 0))
        gone, stays = (asyncio.create_task(one.reserve(Spent(1, 50, 0))) for _ in range(2))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        one.settle(first, Spent(1, 50, 0))
        hold = await asyncio.wait_for(stays, 10)
        one.settle(hold, Spent(1, 50, 0))

    asyncio.run(scenario())
    assert counted(tmp_path, "run-run") == Spent(2, 100, 0)


def test_a_bound_is_needed_where_there_is_a_cap_on_tokens_or_money(purse):
    for arguments in (
        {"budget_tokens": 5},
        {"budget_usd": 5},
        {"day": {"usd_per_day": 5}},
        {"day": {"tokens_per_day": 5}},
    ):
        one = purse(**arguments)
        assert one.needs_bounds
        assert bound(100, one) == 100
        with pytest.raises(BadInput, match="`max_tokens`"):
            bound(None, one)
    for arguments in ({}, {"budget_requests": 5}, {"day": {"requests_per_day": 5}}):
        one = purse(**arguments)
        assert not one.needs_bounds and bound(None, one) == 0


def test_prices_are_needed_where_there_is_a_cap_on_money(purse):
    assert purse(budget_usd=5).needs_prices and purse(day={"usd_per_day": 5}).needs_prices
    assert not purse(budget_tokens=5, budget_requests=5).needs_prices and not purse().needs_prices


def test_a_hold_says_what_it_holds_and_where(purse):
    (hold,) = reserved(purse(budget_requests=5), Spent(1, 2, 3))
    assert isinstance(hold, Hold) and hold.need == Spent(1, 2, 3) and hold.scopes[0] == "run-run"


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
