"""Children that may be killed, and small rows for every table."""

import json
import select
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


class Nursery:
    """See nursery.py. `start` the jobs, look whether they are `busy`, `wait` for their exit codes."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def start(self, *jobs, kill_at=None):
        """Each job is (function of a test file, arguments); returns their process ids."""
        request = [
            {
                "file": function.__code__.co_filename,
                "function": function.__name__,
                "args": args,
                "kill_at": kill_at,
            }
            for function, *args in jobs
        ]
        self._process.stdin.write(json.dumps(request, default=str) + "\n")
        return json.loads(self._process.stdout.readline())

    def busy(self):
        return not select.select([self._process.stdout], [], [], 0)[0]

    def wait(self):
        return json.loads(self._process.stdout.readline())

    def run(self, function, *args, kill_at=None):
        """Run one job to its end and return its exit code."""
        self.start((function, *args), kill_at=kill_at)
        return self.wait()[0]

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="session")
def nursery():
    """One for all tests."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def memory(tmp_path):
    """A folder in memory where there is one: a kill shows the same there, and no disk is waited for."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)
