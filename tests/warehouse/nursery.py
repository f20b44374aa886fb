"""A process whose children may be killed: `python nursery.py`, JSON lines in and out.

It has imported everything and computed nothing, so a child is a fork and costs milliseconds, not a second. A
request is a list of jobs {file, function, args, kill_at}, which run at the same time; the first answer holds
their process ids, the second their exit codes (-9: killed). A child with `kill_at` n kills itself right
before its n-th durable operation; a write is killed halfway. Nothing of this is in the program itself.
"""

import importlib.util
import json
import os
import signal
import sys
import traceback
from functools import cache

DURABLE = ("mkdir", "write", "fsync", "replace", "symlink")


@cache
def load(file):
    spec = importlib.util.spec_from_file_location("jobs", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kill_at(n):
    """Wrap the durable operations of this process so that it dies at the n-th."""
    left = n

    def wrap(name):
        real = getattr(os, name)

        def wrapped(*args, **kwargs):
            nonlocal left
            left -= 1
            if left == 0:
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        setattr(os, name, wrapped)

    for name in DURABLE:
        wrap(name)


def child(job):
    try:
        if job.get("kill_at"):
            kill_at(job["kill_at"])
        getattr(load(job["file"]), job["function"])(*job["args"])
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def born(job):
    pid = os.fork()
    if pid == 0:
        child(job)
    return pid


def answer(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for line in sys.stdin:
        jobs = json.loads(line)
        for job in jobs:
            load(job["file"])
        pids = [born(job) for job in jobs]
        answer(pids)
        answer([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])
