"""Child processes that end with this one, each with a log file of its own."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from schemas.errors import SeedloomError

PATIENCE_S = 30.0  # a worker needs two to five seconds to end its flow runs, a server three
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


class Children:
    """A few long-lived processes. They are stopped in the reverse order of their start: the server last."""

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        """Log files go to a folder that exists already; those of the last time stay as NAME.log.1."""
        for log in logs.glob("*.log"):
            log.replace(log.with_suffix(".log.1"))
        self._logs, self._environment = logs, environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._deadline = float("inf")

    def start(self, name: str, *command: str) -> None:
        """Start a process that is to run until `stop`; what it writes goes to NAME.log."""
        self._running[name] = self._spawn(name, command)

    def run(self, name: str, *command: str) -> None:
        """Run a process to its end.

        Raises:
            SeedloomError: when it fails, or when one of the others stops meanwhile.
        """
        self.start(name, *command)
        while (code := self._running[name].poll()) is None:
            time.sleep(0.05)
            self.check()
        if code:
            raise self._ended(name, code)
        del self._running[name]

    def check(self) -> None:
        """Nothing, as long as all live.

        Raises:
            SeedloomError: naming the one that stopped, and its log.
        """
        for name, child in self._running.items():
            if child.poll():
                raise self._ended(name, child.returncode)

    def watch(self) -> None:
        """Wait until one of them stops, whatever its exit code.

        Raises:
            SeedloomError: naming it, and its log.
        """
        while True:
            for name, child in self._running.items():
                if child.poll() is not None:
                    raise self._ended(name, child.returncode)
            time.sleep(0.3)

    def stop(self) -> None:
        """End all, gently for PATIENCE_S seconds; a second signal ends the patience. Nothing is left over."""
        self._deadline = time.monotonic() + PATIENCE_S
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._hurry)
        for child in reversed(self._running.values()):
            below = descendants(child.pid)
            if child.poll() is None:
                child.terminate()
                self._wait(child)
            child.kill()  # does nothing when it has ended
            child.wait()
            for process in below:
                _kill(*process)

    def _hurry(self, *_: Any) -> None:
        self._deadline = 0.0

    def _wait(self, child: subprocess.Popen[bytes]) -> None:
        while child.poll() is None and time.monotonic() < self._deadline:
            time.sleep(0.05)

    def _spawn(self, name: str, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        """In a session of its own: Ctrl-C in a terminal reaches this process alone, and it ends the rest."""
        with open(self._logs / f"{name}.log", "ab", opener=_private) as log:
            return subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_as_fresh,
            )

    def _ended(self, name: str, code: int) -> SeedloomError:
        return SeedloomError(f"{name} stopped with exit code {code}; see {self._logs / f'{name}.log'}")


def descendants(pid: int) -> list[tuple[int, int]]:
    """Processes below one, as (pid, start in ticks), in whatever session they are. Empty without /proc."""
    below: dict[int, list[tuple[int, int]]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        if (fields := _stat(stat)) is not None:
            below.setdefault(int(fields[1]), []).append((int(stat.parent.name), int(fields[19])))
    found = list(below.get(pid, []))
    for child, _ in found:
        found += below.get(child, [])
    return found


def _stat(path: Path) -> list[str] | None:
    """Fields of /proc/PID/stat from the third on: state, parent and so on; None when the process is gone."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _kill(pid: int, started: int) -> None:
    """Kill a process if it is still the one that was seen: ids are used again."""
    fields = _stat(Path(f"/proc/{pid}/stat"))
    if fields is not None and int(fields[19]) == started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _as_fresh() -> None:
    """Signals as in a fresh process, and an end when the parent ends, even by SIGKILL.

    A child of a shell's background job ignores SIGINT; Prefect re-sends SIGTERM as SIGINT and never stops.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
