"""What asking a model costs here, against the bare client and other programs, in one run on one server.

Run: python tests/bench/llm.py [--n 4000] [--latency 0.5] [--concurrency 1 16 64 256]
                               [--peers curator=/path/to/its/python ...] [--memory] [--url URL]

Starts the rehearsal server on one core and each client, a process of its own, on another; the journal is on
and durable, in the folder that TMPDIR names. Tables: ours by concurrency, with the share of the C / L replies
a second that are possible; ours, the bare `openai` client and the peers (tests/bench/llm_peers.py) in turns.
With --memory only ours, with 20,000 and 100,000 requests. With --url a server that runs already is asked.

`of C/L` is over all of the time that the work took, `steady` without its start-up. `ms each` is CPU time of the
client per request: all of it, the start-up of the work included, imports not. `ms more` is what a further request
costs, without the start-up, which holds what a program imports late. The start-up is measured with as many
requests as may be in flight. `busy` is the share of its core that the server needed: near 100 % it is the server
that is measured.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from llm_peers import MAX_TOKENS, PEERS, TEMPERATURE, measured, prompts

CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, SERVER_CORE = CORES[0], CORES[-1]
HERE = Path(__file__).resolve().parent
ROUNDS, ALTERNATED, WAVES = 3, 64, 40
MEMORY, MEMORY_LATENCY_S = (20_000, 100_000), 0.05
MODEL = "offline/storyteller"


class Server:
    """The rehearsal server, or one that runs already."""

    def __init__(self, url: str, pid: int | None = None) -> None:
        self.url, self._pid = url, pid

    def cpu_seconds(self) -> float:
        if self._pid is None:
            return float("nan")
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(latency: float, url: str | None) -> Iterator[Server]:
    """A server that answers after `latency` seconds; with `url`, that one."""
    if url is not None:
        yield Server(url)
        return
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.toml"
        plan.write_text(f"latency = {latency}\n[storyteller]\nbad = 0.0\nrepeat = 0.0\n")
        command = [sys.executable, "-m", "flows", "rehearse", "--port", "0", "--json", "--plan", str(plan)]
        with started(command, SERVER_CORE, folder) as process:
            try:
                yield Server(json.loads(process.stdout.readline())["base_url"], process.pid)
            finally:
                process.terminate()


def started(command: list[str], core: int, folder: str, **more) -> subprocess.Popen:
    """A process on one core, in an empty folder, with no settings of this installation."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SEEDLOOM_")}

    def pin() -> None:
        os.sched_setaffinity(0, {core})

    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=folder, env=clean, preexec_fn=pin, **more
    )


def client(name: str, python: str, server: Server, n: int, concurrency: int) -> dict:
    """The figures of one contestant, and the share of a core that the server needed meanwhile.

    Raises:
        SystemExit: when it failed; what it said is above.
    """
    script = (
        [python, str(HERE / "llm.py"), "--child"] if name == "ours" else [python, str(HERE / "llm_peers.py")]
    )
    asked = ["--base-url", server.url, "--model", MODEL, "--n", str(n), "--concurrency", str(concurrency)]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as noise:
        wall, busy = time.perf_counter(), server.cpu_seconds()
        with started([*script, name, *asked], CLIENT_CORE, folder, stderr=noise) as process:
            said = process.communicate()[0]
        share = (server.cpu_seconds() - busy) / (time.perf_counter() - wall)
        if process.returncode:
            noise.seek(0)
            say(noise.read().decode(errors="replace")[-3000:])
            sys.exit(f"{name} failed with exit code {process.returncode}")
    return {**json.loads(said.splitlines()[-1]), "busy": share}


def ours(base_url: str, model: str, n: int, concurrency: int) -> dict:
    """In the child: the stage as a flow runs it; replies are read one by one and dropped."""

    def prepare() -> Callable[[], int]:
        from schemas.llm import LLM
        from schemas.reply import Request
        from schemas.settings import Settings
        from schemas.tables import Message
        from tasks.llm import replies
        from warehouse.run import begin

        def requests() -> Iterator[Request]:
            sampling = {"max_tokens": MAX_TOKENS, "temperature": TEMPERATURE}
            for prompt in prompts(n):
                yield Request(messages=[Message(role="user", content=prompt)], sampling=sampling)

        def work() -> int:
            with tempfile.TemporaryDirectory() as folder:
                limits = Path(folder) / "limits"
                llm = LLM(base_url=base_url, model=model, concurrency=concurrency, limits_folder=limits)
                settings = Settings(root=Path(folder) / "data", llm=llm)
                run = begin(settings.root, "corpus", "bench", "first", {})
                return sum(bool(reply.text) for reply in replies(requests(), run, settings, "bench"))

        return work

    return measured("ours", "seedloom", prepare, n)


def by_concurrency(server: Server, levels: list[int], latency: float, most: int) -> None:
    """Ours alone, whole waves only: how close to what is possible, and at what cost."""
    head = ("in flight", "n", "replies/s", "of C/L", "steady", "ms each", "peak MB", "lost", "busy")
    say("\n{:>9} {:>6} {:>9} {:>7} {:>7} {:>7} {:>7} {:>5} {:>5}".format(*head))
    for c in levels:
        n = c * max(2, min(WAVES, most // c))
        start_up, got = (client("ours", sys.executable, server, some, c) for some in (c, n))
        rate, steady = n / got["wall_s"], (n - c) / (got["wall_s"] - start_up["wall_s"])
        shares = f"{rate * latency / c:>7.1%} {steady * latency / c:>7.1%}"
        figures = f"{shares} {1000 * got['cpu_s'] / n:>7.2f} {got['peak_rss_mb']:>7.0f}"
        say(f"{c:>9} {n:>6} {rate:>9.1f} {figures} {got['lost']:>5} {got['busy']:>5.0%}")


def in_turns(server: Server, pythons: dict[str, str], n: int, rounds: int) -> None:
    """Everybody, one after the other, several times; the medians."""
    start_up = {who: client(who, pythons[who], server, ALTERNATED, ALTERNATED) for who in pythons}
    runs: dict[str, list[dict]] = {name: [] for name in pythons}
    for _ in range(rounds):
        for name, python in pythons.items():
            runs[name].append(client(name, python, server, n, ALTERNATED))
    say(f"\n{n} requests, {ALTERNATED} in flight, medians of {rounds} rounds; `ours`: how many times as many")
    say("requests per CPU second Seedloom makes as the other: all in, and of a further request")
    head = [
        "version",
        "replies/s",
        "ms each",
        "ms more",
        "imports",
        "peak MB",
        "lost",
        "busy",
        "ours",
        "(more)",
    ]
    say("{:>23} {:>9} {:>7} {:>7} {:>7} {:>7} {:>5} {:>5} {:>6} {:>6}".format(*head))
    for name in pythons:
        say(_line(name, runs, start_up, n))


def _line(name: str, runs: dict[str, list[dict]], start_up: dict[str, dict], n: int) -> str:
    def median(figure: str) -> float:
        return statistics.median(run[figure] for run in runs[name])

    def each(who: str) -> list[float]:
        return [1000 * run["cpu_s"] / n for run in runs[who]]

    def more(who: str) -> list[float]:
        begun = start_up[who]["cpu_s"]
        return [1000 * (run["cpu_s"] - begun) / (n - ALTERNATED) for run in runs[who]]

    def ratio(cost: Callable[[str], list[float]]) -> float:
        return statistics.median(a / b for a, b in zip(cost(name), cost("ours"), strict=True))

    middle = [statistics.median(cost(name)) for cost in (each, more)]
    costs = f"{middle[0]:>7.2f} {middle[1]:>7.2f} {median('import_cpu_s'):>5.2f} s"
    rest = f"{median('peak_rss_mb'):>7.0f} {sum(run['lost'] for run in runs[name]):>5} {median('busy'):>5.0%}"
    ratios = f"{ratio(each):>6.2f} {ratio(more):>6.2f}"
    return f"{name:>13} {runs[name][0]['version']:>9} {n / median('wall_s'):>9.1f} {costs} {rest} {ratios}"


def memory(server: Server) -> None:
    """Ours, few requests and many: what stays in memory for each."""
    peaks = [client("ours", sys.executable, server, n, ALTERNATED)["peak_rss_mb"] for n in MEMORY]
    growth = (peaks[1] - peaks[0]) / (MEMORY[1] - MEMORY[0]) * 100_000
    for n, peak in zip(MEMORY, peaks, strict=True):
        say(f"{n:>7,} requests: peak {peak:.0f} MB")
    say(f"growth per 100,000 requests: {growth:.1f} MB")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=4000, help="requests, a multiple of 64 for exact shares")
    parser.add_argument("--latency", type=float, default=0.5, help="seconds")
    parser.add_argument("--concurrency", type=int, nargs="*", default=[1, 16, 64, 256])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--peers", nargs="*", default=[], metavar="NAME=PYTHON", help=f"of {', '.join(PEERS)}"
    )
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--url", help="ending in /v1; it must answer after --latency seconds")
    parser.add_argument("--child", choices=["ours"], help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    parser.add_argument("--model", default=MODEL, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """All tables, or the figures of one child."""
    args = arguments()
    if args.child:
        with contextlib.redirect_stdout(sys.stderr):
            figures = ours(args.base_url, args.model, args.n, args.concurrency[0])
        say(json.dumps(figures))
        return
    if args.memory:
        with serving(MEMORY_LATENCY_S, args.url) as server:
            return memory(server)
    pythons = {"ours": sys.executable, "openai": sys.executable, "openai_httpx": sys.executable}
    pythons.update(peer.split("=", 1) for peer in args.peers)
    if unknown := pythons.keys() - PEERS.keys() - {"ours"}:
        sys.exit(f"no peer {sorted(unknown)}; known: {sorted(PEERS)}")
    with serving(args.latency, args.url) as server:
        where = f"client on core {CLIENT_CORE}, server on core {SERVER_CORE}"
        say(f"python {sys.version.split()[0]}, latency {args.latency} s, {where}")
        if args.concurrency:
            by_concurrency(server, args.concurrency, args.latency, args.n)
        if args.rounds:
            in_turns(server, pythons, args.n, args.rounds)


if __name__ == "__main__":
    main()
