import signal
import subprocess
import sys
import threading

import pytest

from schemas.errors import BudgetReached, Interrupted, SeedloomError
from tasks.calls import halting


@pytest.fixture(autouse=True)
def handlers_of_a_plain_process():
    """The handlers that Python starts with; those of the tests' runner come back afterwards."""
    before = {number: signal.getsignal(number) for number in halting.SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    assert halting.reason() is None


@pytest.mark.parametrize("number", halting.SIGNALS)
def test_the_first_signal_wakes_all_who_are_told_and_says_why(number):
    woken = []
    with (
        halting.watched(),
        halting.told(lambda: woken.append("a")),
        halting.told(lambda: woken.append("b")),
    ):
        assert halting.reason() is None
        signal.raise_signal(number)
        why = halting.reason()
        assert isinstance(why, Interrupted) and why.code == 130
        assert str(why).startswith(f"{number.name}: ") and "\n" not in str(why)
        assert woken == ["a", "b"]


@pytest.mark.parametrize("number", halting.SIGNALS)
def test_the_second_signal_goes_to_who_handled_it_before(number):
    came = []
    signal.signal(number, lambda *args: came.append(args[0]))
    with halting.watched(), halting.told(lambda: None):
        signal.raise_signal(number)
        assert came == []
        signal.raise_signal(number)
        assert came == [number]


@pytest.mark.parametrize("number", halting.SIGNALS)
def test_where_nobody_had_a_handler_the_second_signal_ends_the_flow(number):
    signal.signal(number, signal.SIG_DFL)
    with halting.watched(), halting.told(lambda: None):
        signal.raise_signal(number)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_where_no_request_is_under_way_the_first_signal_goes_to_who_handled_it_before():
    came = []
    signal.signal(signal.SIGTERM, lambda *args: came.append(args[0]))
    with halting.watched():
        signal.raise_signal(signal.SIGTERM)
        assert came == [signal.SIGTERM] and halting.reason() is None
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_signal_that_was_ignored_lets_requests_end_and_then_is_ignored_again():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with halting.watched():
        signal.raise_signal(signal.SIGINT)
        assert halting.reason() is None
        with halting.told(lambda: None):
            signal.raise_signal(signal.SIGINT)
            assert isinstance(halting.reason(), Interrupted)
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_the_handlers_there_were_come_back_also_after_an_error():
    def mine(number, frame):
        raise AssertionError

    signal.signal(signal.SIGTERM, mine)
    with pytest.raises(ZeroDivisionError), halting.watched():
        assert signal.getsignal(signal.SIGTERM) is not mine
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGTERM) is mine
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_stays_behind_when_the_last_flow_is_left():
    with halting.watched():
        with halting.watched():
            halting.halt(BudgetReached("spent"))
        assert str(halting.reason()) == "spent", "the outer flow is still there"
    assert halting.reason() is None
    with halting.watched():
        assert halting.reason() is None


def test_outside_a_flow_who_is_told_is_woken_and_nothing_stays():
    woken = []
    with halting.told(lambda: woken.append(1)):
        halting.halt(SeedloomError("wrong key"))
        assert woken == [1] and halting.reason() is None
    halting.halt(SeedloomError("wrong key"))
    assert woken == [1], "who has left is told no more"


def test_the_first_reason_holds_and_each_later_one_wakes_again():
    woken = []
    with halting.watched(), halting.told(lambda: woken.append(str(halting.reason()))):
        halting.halt(SeedloomError("first"))
        halting.halt(SeedloomError("second"))
        assert str(halting.reason()) == "first"
        assert woken == ["first", "first"]


def test_a_signal_after_another_reason_goes_to_who_handled_it_before():
    came = []
    signal.signal(signal.SIGTERM, lambda *args: came.append(args[0]))
    with halting.watched(), halting.told(lambda: None):
        halting.halt(SeedloomError("first"))
        signal.raise_signal(signal.SIGTERM)
        assert came == [signal.SIGTERM] and str(halting.reason()) == "first"


def test_in_another_thread_a_flow_is_watched_without_touching_handlers():
    seen = []

    def flow():
        before = signal.getsignal(signal.SIGTERM)
        with halting.watched():
            seen.append(signal.getsignal(signal.SIGTERM) is before)
            halting.halt(SeedloomError("stop"))
            seen.append(str(halting.reason()))
        seen.append(halting.reason())

    thread = threading.Thread(target=flow)
    thread.start()
    thread.join()
    assert seen == [True, "stop", None]


def test_flows_side_by_side_stop_together_and_the_last_to_leave_forgets_why():
    left, halted = threading.Event(), threading.Event()

    def flow():
        with halting.watched():
            halting.halt(SeedloomError("stop"))
            halted.set()
            left.wait(30)

    thread = threading.Thread(target=flow)
    with halting.watched():
        thread.start()
        assert halted.wait(30)
        assert str(halting.reason()) == "stop"
    assert str(halting.reason()) == "stop"
    left.set()
    thread.join()
    assert halting.reason() is None


def test_a_signal_may_come_at_any_moment():
    """Also while this thread holds the lock of the module: a lock that it could not take twice would hang."""
    script = """
import signal
from tasks.calls import halting
woken = []
with halting.watched(), halting.told(lambda: woken.append(1)):
    with halting._turn:
        signal.raise_signal(signal.SIGTERM)
        assert woken == [1] and halting.reason() is not None
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_process_that_is_told_to_stop_ends_its_work_and_at_the_second_time_at_once():
    script = """
import sys, time
from tasks.calls import halting
with halting.watched(), halting.told(lambda: None):
    print("ready", flush=True)
    while halting.reason() is None:
        time.sleep(0.01)
    print(halting.reason(), flush=True)
    time.sleep(60)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    assert child.stdout.readline().startswith("SIGTERM: no more requests were sent")
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=30)
    assert child.returncode != 0 and "KeyboardInterrupt" in said
