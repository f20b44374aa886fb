"""Child processes: each has a log, and none is left over."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.children import Children, descendants
from schemas.errors import SeedloomError

SLEEP = ("import time", "time.sleep(600)")


@pytest.fixture
def children(tmp_path):
    started = Children(tmp_path, dict(os.environ))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield started
    started.stop()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_what_a_child_writes_goes_to_its_private_log(children, tmp_path):
    children.run("talker", *python("print('hello')", "import sys", "print('oops', file=sys.stderr)"))
    log = tmp_path / "talker.log"
    assert log.read_text() == "hello\noops\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_logs_of_the_last_time_are_kept_once(tmp_path):
    (tmp_path / "server.log").write_text("old")
    Children(tmp_path, {})
    assert not (tmp_path / "server.log").exists()
    assert (tmp_path / "server.log.1").read_text() == "old"


def test_a_child_that_fails_is_named_with_its_code_and_its_log(children, tmp_path):
    with pytest.raises(SeedloomError, match=rf"deploy stopped with exit code 3; see {tmp_path}/deploy\.log"):
        children.run("deploy", *python("raise SystemExit(3)"))


def test_the_watch_ends_when_one_stops_even_with_exit_code_0(children):
    children.start("worker", *python(*SLEEP))
    children.start("server", *python("pass"))
    with pytest.raises(SeedloomError, match="server stopped with exit code 0"):
        children.watch()


def test_running_one_fails_when_another_stops_meanwhile(children):
    children.start("server", *python("raise SystemExit(5)"))
    with pytest.raises(SeedloomError, match="server stopped with exit code 5"):
        children.run("deploy", *python(*SLEEP))


def test_stopping_asks_gently_and_the_last_started_first(children, tmp_path):
    for name in ("server", "worker"):
        children.start(name, *python(*on_term(f"print('{name}', time.monotonic())")))
        until(lambda name=name: "ready" in (tmp_path / f"{name}.log").read_text())
    children.stop()
    ended = {log.stem: float(log.read_text().split()[-1]) for log in tmp_path.glob("*.log")}
    assert ended["worker"] < ended["server"]


def test_stopping_leaves_no_grandchild_not_even_one_in_a_session_of_its_own(children, tmp_path):
    children.start("worker", *python(*with_grandchild(tmp_path)))
    grandchild = psutil.Process(int(until(lambda: read(tmp_path / "pid"))))
    children.stop()
    until(lambda: not grandchild.is_running())


def test_a_second_signal_ends_the_patience_with_a_deaf_child(children, tmp_path):
    deaf = (
        "import signal, time",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "print('ready', flush=True)",
    )
    children.start("deaf", *python(*deaf, SLEEP[1]))
    until(lambda: "ready" in (tmp_path / "deaf.log").read_text())
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    signal.alarm(1)
    children.stop()
    signal.signal(signal.SIGALRM, before)
    with pytest.raises(SeedloomError, match="deaf stopped with exit code -9"):
        children.check()


def test_children_hear_sigint_although_their_parent_ignores_it(children, tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        children.run("worker", *python("import signal", "print(signal.getsignal(signal.SIGINT).__name__)"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "worker.log").read_text() == "default_int_handler\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_children_end_when_their_parent_is_killed(tmp_path):
    parent = subprocess.Popen(python(*parent_of_a_sleeper(tmp_path)))
    child = psutil.Process(int(until(lambda: read(tmp_path / "pid"))))
    parent.kill()
    parent.wait()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_descendants_are_found_through_the_tree(tmp_path):
    parent = subprocess.Popen(python(*with_grandchild(tmp_path)))
    try:
        grandchild = int(until(lambda: read(tmp_path / "pid")))
        assert {pid for pid, _ in descendants(os.getpid())} >= {parent.pid, grandchild}
        assert [pid for pid, _ in descendants(parent.pid)] == [grandchild]
    finally:
        psutil.Process(grandchild).kill()
        parent.kill()
        parent.wait()


def python(*lines):
    return (sys.executable, "-c", "\n".join(lines))


def on_term(line):
    handler = f"signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.05), {line}, sys.exit()))"
    return ("import signal, sys, time", handler, "print('ready', flush=True)", "time.sleep(600)")


def with_grandchild(folder):
    """It notes the id of a child that has a session of its own, and does not end it."""
    sleeper = f"[{sys.executable!r}, '-c', 'import time; time.sleep(600)']"
    return (
        "import pathlib, subprocess, time",
        f"child = subprocess.Popen({sleeper}, start_new_session=True)",
        f"pathlib.Path({str(folder / 'pid')!r}).write_text(str(child.pid))",
        "time.sleep(600)",
    )


def parent_of_a_sleeper(folder):
    return (
        "import os, pathlib, time",
        "from flows.children import Children",
        f"children = Children(pathlib.Path({str(folder)!r}), dict(os.environ))",
        f"children.start('sleeper', {sys.executable!r}, '-c', 'import time; time.sleep(600)')",
        "(pid,) = [child.pid for child in children._running.values()]",
        f"pathlib.Path({str(folder / 'pid')!r}).write_text(str(pid))",
        "time.sleep(600)",
    )


def read(path):
    return path.read_text() if path.exists() else ""


def until(met, seconds=60):
    end = time.monotonic() + seconds
    while not (value := met()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return value
