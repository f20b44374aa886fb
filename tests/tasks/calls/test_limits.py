"""Time is virtual where it can be: the loop jumps to the next moment at which anything happens."""

import asyncio
import random
import selectors
import subprocess
import sys
import types
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BadInput
from schemas.llm import Limits
from tasks.calls import limits
from tasks.calls.limits import CONTENT_NS, MILLI, OwnGate, SharedGate
from warehouse.tally import Tally

SECOND, MINUTE = 10**9, 60 * 10**9
EDGE = 1000  # ns by which an event loop may wake early
COUNTED = ("inside", "most", "entries")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Nothing is waited for: where a loop would sleep, the clock is put forward."""

    def __init__(self, now_ns):
        self.now_ns, self.end_ns = now_ns, now_ns + 10_000 * SECOND
        super().__init__(_Jumping(self))

    def time(self):
        return self.now_ns / 1e9


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits for ever"
            self._loop.now_ns += round(timeout * 1e9)
            assert self._loop.now_ns < self._loop.end_ns, "somebody waits for ever"
        return ready


def virtually(scenario, start_s=1000.0):
    """Run a coroutine function in virtual time, which its gates see too; returns what it returns."""
    loop = VirtualLoop(round(start_s * 1e9))
    real, limits.time = limits.time, types.SimpleNamespace(monotonic_ns=lambda: loop.now_ns)
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(scenario(loop))
    finally:
        limits.time = real


@pytest.fixture
def gate(tmp_path):
    """A function that opens a gate of one endpoint, as one more process."""
    gates = []

    def open_gate(name="http://a/v1", **settings):
        gates.append(SharedGate(name, Limits(**settings), tmp_path / "limits"))
        return gates[-1]

    yield open_gate
    for each in gates:
        each.close()


def in_every_window(times, amounts, length):
    """The most that any window of this length holds, with and without its last request."""
    worst = worst_before = start = held = 0
    for time, amount in zip(times, amounts, strict=True):
        while times[start] <= time - length + EDGE:
            held -= amounts[start]
            start += 1
        worst_before = max(worst_before, held)
        held += amount
        worst = max(worst, held)
    return worst, worst_before


async def visit(gate, n_in=1, n_out=1, seconds=0.0, answered=None):
    """One request, answered after so many seconds."""
    ticket = await gate.enter(n_in, n_out)
    await asyncio.sleep(seconds)
    if answered is not None:
        gate.answered(ticket, answered)
    gate.leave(ticket)
    return ticket.entered_at


def window_of(gate):
    with gate._numbers.held() as numbers:
        return numbers["window"] / MILLI


# ---- in flight


def test_never_more_than_the_limit_are_in_flight_at_one_gate(gate):
    inside, most = 0, 0

    async def request(one):
        nonlocal inside, most
        ticket = await one.enter(1, 1)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(random.random())
        inside -= 1
        one.leave(ticket)

    async def scenario(loop):
        one = gate(concurrency=7)
        await asyncio.gather(*(request(one) for _ in range(100)))

    virtually(scenario)
    assert (inside, most) == (0, 7)


def many_requests(folder, n, start):
    """A process of its own: n requests, which count in shared numbers how many are in flight."""
    tally = Tally(Path(folder) / "counted", COUNTED)
    gate = SharedGate("http://a/v1", Limits(concurrency=4), Path(folder) / "limits")
    draw = random.Random(start)

    async def request():
        ticket = await gate.enter(1, 1)
        with tally.held() as numbers:
            numbers["inside"] += 1
            numbers["entries"] += 1
            numbers["most"] = max(numbers["most"], numbers["inside"])
        await asyncio.sleep(draw.random() * 0.004)
        with tally.held() as numbers:
            numbers["inside"] -= 1
        gate.leave(ticket)

    async def all_of_them():
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        await asyncio.gather(*(request() for _ in range(int(n))))

    asyncio.run(all_of_them())


def born(*job):
    """A function of this file in a process of its own."""
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, job)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_never_more_than_the_limit_are_in_flight_over_two_processes(tmp_path):
    children = [born("many_requests", tmp_path, 250, who) for who in range(2)]
    assert [child.stdout.readline() for child in children] == ["ready\n"] * 2
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    tally = Tally(tmp_path / "counted", COUNTED)
    with tally.held() as numbers:
        assert numbers == {"inside": 0, "most": 4, "entries": 500}
    tally.close()


def hold_all(folder):
    """A process of its own that takes all places and never gives them back."""
    gate = SharedGate("http://a/v1", Limits(concurrency=2), Path(folder) / "limits")

    async def hold():
        for _ in range(2):
            await gate.enter(1, 1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.sleep(60)

    asyncio.run(hold())


def test_the_places_of_a_killed_process_are_free_at_once(tmp_path, gate):
    child = born("hold_all", tmp_path)
    assert child.stdout.readline() == "ready\n"
    one = gate(concurrency=2)

    async def scenario():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await one.enter(1, 1)
        child.kill()
        async with asyncio.timeout(30):
            return [await one.enter(1, 1) for _ in range(2)]

    assert {ticket.place for ticket in asyncio.run(scenario())} == {0, 1}
    child.communicate()


def test_a_second_process_gets_its_share_although_the_first_always_has_work(gate):
    draw = random.Random(5)

    async def work(one, entries, until, loop):
        while loop.time() < until:
            await visit(one, seconds=draw.uniform(0.05, 0.15))
            entries.append(one)

    async def scenario(loop):
        first, second, entries = gate(concurrency=8), gate(concurrency=8), []
        until = loop.time() + 60
        busy = [asyncio.create_task(work(first, entries, until, loop)) for _ in range(16)]
        await asyncio.sleep(1)
        busy += [asyncio.create_task(work(second, entries, until, loop)) for _ in range(16)]
        await asyncio.gather(*busy)
        return entries.count(second) / len(entries), len(entries)

    share, n = virtually(scenario)
    assert 0.3 < share < 0.7
    assert n > 0.7 * 60 * 8 / 0.1, "sharing costs little"


def test_endpoints_of_other_names_share_nothing(gate):
    async def scenario(loop):
        one, other = gate("http://a/v1", concurrency=1), gate("http://b/v1", concurrency=1)
        await one.enter(1, 1)
        one.pause(1000)
        await other.enter(1, 1)
        return loop.time()

    assert virtually(scenario) == 1000.0


def test_a_cancelled_waiter_gives_its_place_back_and_its_mark(gate):
    async def gone(one, seconds):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await one.enter(1, 1)

    async def scenario(loop):
        one, other = gate(concurrency=1, requests_per_minute=1), gate(concurrency=1)
        ticket = await one.enter(1, 1)
        await gone(one, 5)  # waits for the place
        await gone(other, 5)
        for each in (one, other):
            assert not each._places.others_wait(), "who has gone waits no more"
        one.leave(ticket)
        await gone(one, 5)  # has the place, waits for the next minute
        ticket = await other.enter(1, 1)
        other.leave(ticket)
        one.pause(100)
        await gone(one, 5)  # waits for the end of the pause
        await asyncio.sleep(100)
        await asyncio.gather(*(visit(other, seconds=0.1) for _ in range(20)))
        assert not one._places.held and not other._places.held

    virtually(scenario)


def test_waiters_are_served_in_the_order_in_which_they_came(gate):
    served = []

    async def request(one, n):
        ticket = await one.enter(1, 1)
        served.append(n)
        await asyncio.sleep(random.random())
        one.leave(ticket)

    async def scenario(loop):
        one = gate(concurrency=3)
        await asyncio.gather(*(request(one, n) for n in range(50)))

    virtually(scenario)
    assert served == list(range(50))


# ---- rates


@settings(max_examples=30)
@given(
    st.integers(1, 400),
    st.sampled_from(["requests_per_second", "requests_per_minute"]),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_no_window_holds_more_requests_than_its_limit(tmp_path_factory, limit, unit, n_gates, draw):
    length = SECOND if unit == "requests_per_second" else MINUTE
    folder = tmp_path_factory.mktemp("limits")

    async def later(one, seconds):
        await asyncio.sleep(seconds)
        return await visit(one, seconds=draw.random())

    async def scenario(loop):
        gates = [SharedGate("e", Limits(concurrency=64, **{unit: limit}), folder) for _ in range(n_gates)]
        spread = draw.choice([0, 1, 3]) * length / 1e9
        entered = await asyncio.gather(
            *(later(draw.choice(gates), draw.random() * spread) for _ in range(min(150, 3 * limit)))
        )
        for one in gates:
            one.close()
        return sorted(entered)

    times = virtually(scenario)
    assert in_every_window(times, [1] * len(times), length)[0] <= limit


def test_where_there_is_always_work_the_limit_is_used_up(gate):
    async def scenario(loop):
        one = gate(concurrency=64, requests_per_minute=600, requests_per_second=20)
        times = await asyncio.gather(*(visit(one) for _ in range(1201)))
        return (max(times) - min(times)) / 1e9

    assert virtually(scenario) == pytest.approx(120, abs=0.01)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(1, 900), st.integers(0, 900)), min_size=2, max_size=60),
    st.integers(1000, 5000),
    st.integers(1000, 5000),
)
def test_no_window_holds_more_tokens_than_its_limit_but_for_its_last_request(
    tmp_path_factory, sizes, most_in, most_out
):
    folder = tmp_path_factory.mktemp("limits")

    async def scenario(loop):
        rates = {"input_tokens_per_minute": most_in, "output_tokens_per_minute": most_out}
        one, two = (SharedGate("e", Limits(concurrency=64, **rates), folder) for _ in range(2))
        times = await asyncio.gather(*(visit((one, two)[n % 2], *size) for n, size in enumerate(sizes)))
        one.close()
        two.close()
        return sorted(zip(times, sizes, strict=True))

    entered = virtually(scenario)
    times = [time for time, _ in entered]
    for which, most in enumerate((most_in, most_out)):
        amounts = [size[which] for _, size in entered]
        assert in_every_window(times, amounts, MINUTE)[1] <= most


def test_requests_of_one_size_that_divides_the_limit_fill_no_window_above_it(gate):
    async def scenario(loop):
        one = gate(concurrency=64, input_tokens_per_minute=1000)
        return sorted(await asyncio.gather(*(visit(one, n_in=250) for _ in range(30))))

    times = virtually(scenario)
    assert in_every_window(times, [250] * 30, MINUTE)[0] == 1000


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("told", [50, 200, 1000])
def test_guesses_are_corrected_by_the_tokens_that_the_answer_names(gate, which, told):
    async def scenario(loop):
        name = ("input_tokens_per_minute", "output_tokens_per_minute")[which]
        one, began = gate(concurrency=8, **{name: 6000}), loop.time()
        for _ in range(20):
            await visit(one, 200, 200, answered=(told, told))
        await visit(one, 200, 200)
        return loop.time() - began

    assert virtually(scenario) == pytest.approx(20 * told / 100, abs=0.01)


def test_an_answer_that_names_no_tokens_corrects_nothing(gate):
    async def scenario(loop):
        one, began = gate(concurrency=8, input_tokens_per_minute=6000), loop.time()
        await visit(one, 200, 200, answered=(None, None))
        await visit(one, 200, 200, answered=(None, 7))
        await visit(one, 200, 200)
        return loop.time() - began

    assert virtually(scenario) == pytest.approx(4, abs=0.01)


def test_all_limits_hold_at_once(gate):
    async def scenario(loop):
        one = gate(concurrency=8, requests_per_second=10, input_tokens_per_minute=6000)
        fast = [await visit(one, 1) for _ in range(11)]
        slow = [await visit(one, 1000) for _ in range(2)]
        return (fast[-1] - fast[0]) / 1e9, (slow[-1] - slow[0]) / 1e9

    assert virtually(scenario) == pytest.approx((1, 10), abs=0.01)


# ---- too many requests


def test_the_window_is_halved_once_for_all_requests_that_were_under_way(gate):
    async def scenario(loop):
        one = gate(concurrency=16)
        tickets = [await one.enter(1, 1) for _ in range(16)]
        await asyncio.sleep(0.1)
        for ticket in tickets:
            one.limited(ticket, None)
            one.leave(ticket)
        assert window_of(one) == 8
        tickets = [await one.enter(1, 1) for _ in range(8)]
        await asyncio.sleep(0.1)
        for ticket in tickets:
            one.limited(ticket, None)
            one.leave(ticket)
        assert window_of(one) == 4
        for _ in range(5):
            ticket = await one.enter(1, 1)
            await asyncio.sleep(0.1)
            one.limited(ticket, None)
            one.leave(ticket)
        assert window_of(one) == 1, "one may always try"

    virtually(scenario)


def test_a_halved_window_is_kept_by_all_processes(gate):
    async def scenario(loop):
        one, other = gate(concurrency=16), gate(concurrency=16)
        ticket = await one.enter(1, 1)
        await asyncio.sleep(0.1)
        one.limited(ticket, None)
        one.leave(ticket)
        tickets = [await other.enter(1, 1) for _ in range(8)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await other.enter(1, 1)
        for ticket in tickets:
            other.leave(ticket)

    virtually(scenario)


def test_each_full_round_of_answers_widens_the_window_by_one(gate):
    async def scenario(loop):
        one = gate(concurrency=100)
        ticket = await one.enter(1, 1)
        await asyncio.sleep(0.001)
        one.limited(ticket, 0)
        one.leave(ticket)
        assert window_of(one) == 50
        for _ in range(50):
            await visit(one, answered=(1, 1))
        assert 50.9 < window_of(one) <= 51
        assert limits.time.monotonic_ns() - loop.now_ns < CONTENT_NS

    virtually(scenario)


def test_an_endpoint_that_was_content_for_a_while_gets_one_more_with_each_answer_up_to_the_settings(gate):
    async def scenario(loop):
        one = gate(concurrency=100)
        ticket = await one.enter(1, 1)
        await asyncio.sleep(0.001)
        one.limited(ticket, 0)
        one.leave(ticket)
        await asyncio.sleep(CONTENT_NS / 1e9 + 0.1)
        for _ in range(10):
            await visit(one, answered=(1, 1))
        assert window_of(one) == 60
        for _ in range(60):
            await visit(one, answered=(1, 1))
        tickets = [await one.enter(1, 1) for _ in range(100)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await one.enter(1, 1)
        for ticket in tickets:
            one.leave(ticket)

    virtually(scenario)


@pytest.mark.parametrize("after_s", [0.5, 7, 100])
def test_nothing_is_sent_before_the_endpoint_wants_it(gate, after_s):
    async def scenario(loop):
        one, other = gate(concurrency=8), gate(concurrency=8)
        ticket = await one.enter(1, 1)
        await asyncio.sleep(0.1)
        one.limited(ticket, after_s)
        one.leave(ticket)
        until = loop.time() + after_s
        times = await asyncio.gather(visit(one), visit(other), visit(one))
        return min(times) / 1e9 - until

    assert -1e-6 <= virtually(scenario) < 0.2


def test_without_a_word_of_when_it_is_left_alone_for_a_moment(gate):
    async def scenario(loop):
        one = gate(concurrency=8)
        ticket = await one.enter(1, 1)
        await asyncio.sleep(0.1)
        one.limited(ticket, None)
        one.leave(ticket)
        began = loop.time()
        return (await visit(one)) / 1e9 - began

    assert 0.2 - 1e-6 <= virtually(scenario) <= 1.1


def test_the_longest_pause_counts(gate):
    async def scenario(loop):
        one = gate(concurrency=8)
        began = loop.time()
        one.pause(20)
        one.pause(3)
        return (await visit(one)) / 1e9 - began

    assert virtually(scenario) == pytest.approx(20, abs=0.2)


@pytest.mark.parametrize("seconds", [7200.0, 1e12, float("inf")])
def test_a_pause_without_measure_is_a_long_one_and_not_none(gate, seconds):
    async def scenario(loop):
        one = gate(concurrency=8)
        began = loop.time()
        one.pause(seconds)
        return (await visit(one)) / 1e9 - began

    assert 3500 < virtually(scenario) < 7300


# ---- what is left of earlier runs


@pytest.mark.parametrize("uptime_s", [30 * 60, 30 * 24 * 3600])
def test_what_is_known_of_another_boot_is_ignored(gate, monkeypatch, uptime_s):
    """Its clock began elsewhere: moments that are over may lie in the future of this one."""

    async def earlier(loop):
        one = gate(concurrency=16, requests_per_minute=2, input_tokens_per_minute=10)
        for _ in range(3):
            ticket = await one.enter(5, 1)
            one.limited(ticket, 60)
            one.leave(ticket)

    async def after(loop):
        one = gate(concurrency=16, requests_per_minute=2, input_tokens_per_minute=10)
        began = loop.time()
        ticket = await one.enter(5, 1)
        waited = loop.time() - began
        await asyncio.sleep(0.1)
        one.limited(ticket, 0)
        return waited, window_of(one)

    monkeypatch.setattr(limits, "_boot", lambda: "one")
    virtually(earlier, start_s=uptime_s)
    monkeypatch.setattr(limits, "_boot", lambda: "another")
    assert virtually(after, start_s=20) == (0, 8)


def test_where_boots_cannot_be_told_apart_moments_far_in_the_future_are_ignored(gate, monkeypatch):
    monkeypatch.setattr(limits, "_boot", lambda: "")

    async def earlier(loop):
        one = gate(concurrency=16, requests_per_minute=2)
        one.limited(await one.enter(1, 1), 60)

    async def after(loop):
        one = gate(concurrency=16, requests_per_minute=2)
        began = loop.time()
        ticket = await one.enter(1, 1)
        one.limited(ticket, 0)
        return loop.time() - began

    virtually(earlier, start_s=30 * 24 * 3600)
    assert virtually(after, start_s=20) == 0


def test_the_boot_has_a_name():
    assert limits._boot() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_model_in_this_process_has_places_and_nothing_else():
    async def scenario(loop):
        one, most = OwnGate(2), []
        inside = 0

        async def request():
            nonlocal inside
            ticket = await one.enter(10**9, 10**9)
            inside += 1
            most.append(inside)
            await asyncio.sleep(1)
            inside -= 1
            one.answered(ticket, (None, 1))
            one.limited(ticket, 5)
            one.pause(5)
            one.leave(ticket)

        began = loop.time()
        await asyncio.gather(*(request() for _ in range(6)))
        one.close()
        return max(most), loop.time() - began

    assert virtually(scenario) == (2, pytest.approx(3))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])


def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    monkeypatch.setattr("tasks.calls.limits.os.getuid", lambda: 12345)
    monkeypatch.setattr(
        "pathlib.Path.stat", lambda self, **_: type("Stat", (), {"st_uid": 54321, "st_mode": 0o40700})
    )
    with pytest.raises(BadInput, match="belongs to another user.*LIMITS_FOLDER"):
        SharedGate("there", Limits(), tmp_path / "theirs")
