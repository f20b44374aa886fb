"""Killing a corpus run again and again, and what the server's own log says of it afterwards."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from given import ask

TABLES = {
    "sample": "SELECT * FROM sample ORDER BY sample_id",
    "verdict": "SELECT * FROM verdict ORDER BY sample_id, filter",
    "signature": "SELECT * FROM signature ORDER BY sample_id",
    "metric": "SELECT * FROM metric ORDER BY scope, scope_id, metric",
    "release": "SELECT * FROM release",
    "member": "SELECT * FROM member ORDER BY sample_id",
    "call": "SELECT * EXCLUDE (latency_s, attempts, provider) FROM call ORDER BY request_id",
}


class Outcome(NamedTuple):
    """Of a run that was killed so often."""

    kills: int
    answered: int  # answers of the server
    questions: int  # different ones
    repeated: int  # answers beyond the first of each question
    most: int  # the most answers to one question
    unexplained: list[str]  # questions answered twice though they were not in flight at a kill
    exit_code: int


class Server:
    """A rehearsal server in a process of its own."""

    def __init__(self, folder, *arguments):
        self.log_file = folder / "access.jsonl"
        command = [sys.executable, "-m", "flows", "rehearse", "--port", "0", "--json", "--log", self.log_file]
        self.process = subprocess.Popen([*map(str, command), *arguments], stdout=subprocess.PIPE, text=True)
        self.base_url = json.loads(self.process.stdout.readline())["base_url"]

    def rows(self):
        """Its log so far."""
        text = self.log_file.read_text("utf-8") if self.log_file.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def answers(self):
        """How many questions it has answered so far."""
        return sum(row["answered"] and row["request"] is not None for row in self.rows())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def start(root, server, api_url, count, concurrency, log):
    """`seedloom corpus` against the server, in a process of its own."""
    environment = {
        **os.environ,
        "PREFECT_API_URL": api_url,
        "SEEDLOOM_LLM__BASE_URL": server.base_url,
        "SEEDLOOM_LLM__MODEL": "offline/storyteller",
        "SEEDLOOM_LLM__CONCURRENCY": str(concurrency),
        "SEEDLOOM_LLM__LIMITS_FOLDER": str(root.parent / "limits"),
    }
    command = [
        sys.executable,
        "-m",
        "flows",
        "corpus",
        "--count",
        str(count),
        "--edition",
        "e",
        "--min-train",
    ]
    command += ["1", "--root", str(root)]
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def killed(folder, api_url, kills, count, concurrency, seed=0, say=lambda line: None):
    """Kill a run at random moments of its generation and after it, resume it to the end, and read the log."""
    draw = random.Random(seed)
    root = folder / "killed" / "warehouse"
    root.parent.mkdir(parents=True)
    log = (folder / "killed" / "output").open("ab")
    server = Server(root.parent, "--latency", "lognormal:0.2,0.5", "--seed", "1")
    moments = []
    expected = max(1, total(count) // (kills + 3))  # the last kill comes well before the end
    while len(moments) < kills:
        goal = server.answers() + draw.randrange(0, expected)
        process = start(root, server, api_url, count, concurrency, log)
        wait(process, server, goal, draw)
        if process.poll() is not None:
            break  # it came to its end
        process.send_signal(signal.SIGKILL)
        process.wait()
        moments.append(time.time())
        say(f"kill {len(moments)}: {server.answers()} answers so far")
    process = start(root, server, api_url, count, concurrency, log)
    code = process.wait(600)
    server.stop()
    return judged(server.rows(), moments, code), root


def whole(folder, api_url, count, concurrency):
    """The same run without any kill, and how it ended."""
    root = folder / "whole" / "warehouse"
    root.parent.mkdir(parents=True)
    server = Server(root.parent, "--latency", "0.01")
    with (folder / "whole" / "output").open("ab") as log:
        code = start(root, server, api_url, count, concurrency, log).wait(600)
    server.stop()
    return root, code


def wait(process, server, goal, draw):
    """Until the server has given so many answers or the run says no more, and a moment longer."""
    began = time.monotonic()
    while process.poll() is None and server.answers() < goal and time.monotonic() - began < 60:
        time.sleep(0.02)
    time.sleep(draw.uniform(0, 0.1))


def judged(rows, moments, code):
    """What the log says: every question answered again must have been in flight at a kill."""
    answers = [row for row in rows if row["answered"] and row["request"] is not None]
    times = Counter(row["request"] for row in answers)
    first = {}
    unexplained = []
    for row in answers:
        ended = datetime.fromisoformat(row["at"]).timestamp()
        if row["request"] in first and not any(_in_flight(first[row["request"]], at) for at in moments):
            unexplained.append(row["request"])
        first[row["request"]] = (ended - row["latency_s"], ended)
    return Outcome(
        len(moments),
        len(answers),
        len(times),
        len(answers) - len(times),
        max(times.values()),
        unexplained,
        code,
    )


def _in_flight(span, moment):
    """From its arrival until its reply can be durable; a kill is noted a moment after it was sent."""
    return span[0] - 0.5 <= moment <= span[1] + 1.0


def total(count):
    """About how many calls the two default recipes take."""
    return 4 * count


def differences(one, other):
    """Tables in which two warehouses differ."""
    return [name for name, query in TABLES.items() if ask(one, query) != ask(other, query)]


def files_differ(one, other):
    """Files of the release that differ."""
    ((folder,),) = ask(one, "SELECT path FROM release")
    names = [path.relative_to(one) for path in sorted((one / folder).rglob("*")) if path.is_file()]
    assert names
    return [str(name) for name in names if (one / name).read_bytes() != (other / Path(name)).read_bytes()]


def began(row):
    """When a request came to the server."""
    return datetime.fromisoformat(row["at"]).timestamp() - row["latency_s"]


SERVE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from flows.corpus import corpus
corpus.serve(name="cancelled")
"""


def serve(api_url, folder):
    """A process that runs the deployment corpus/cancelled."""
    log = (folder / "serving").open("ab")
    environment = {**os.environ, "PREFECT_API_URL": api_url}
    return subprocess.Popen([sys.executable, "-c", SERVE], env=environment, stdout=log, stderr=log)


def scheduled(client, parameters):
    """A run of that deployment."""
    for _ in range(100):
        try:
            deployment = client.read_deployment_by_name("corpus/cancelled")
            return client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        except Exception:
            time.sleep(0.3)
    raise AssertionError("the deployment did not appear")
