"""How many replies a second become durable. Run: python tests/bench/journal.py [folder] [seconds per row]

Each of n tasks on one event loop puts a reply of 2.5 KB and waits until it is on disk, as tasks/llm.py does.
`lag` is how late a 1 ms timer of that loop fires: what the journal costs everything else in the process.
"""

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from warehouse.journal import Entry, Journal

IN_FLIGHT = (1, 16, 64, 256)
WORDS = [f"word{i}" for i in range(2000)]


async def worker(journal: Journal, name: str, bodies: list[bytes], end: float, waits: list[float]) -> None:
    number = 0
    while (started := time.perf_counter()) < end:
        entry = Entry(
            f"{name}-{number}", "run", bodies[number % len(bodies)], {"latency_s": 0.5, "attempts": 1}
        )
        await asyncio.wrap_future(journal.put(entry))
        waits.append(time.perf_counter() - started)
        number += 1


async def watch(end: float, lags: list[float]) -> None:
    while (started := time.perf_counter()) < end:
        await asyncio.sleep(0.001)
        lags.append(time.perf_counter() - started - 0.001)


async def trial(journal: Journal, n: int, seconds: float) -> str:
    bodies = [" ".join(random.Random(i).choices(WORDS, k=330)).encode() for i in range(200)]
    waits: list[float] = []
    lags: list[float] = []
    started = time.perf_counter()
    end = started + seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(watch(end, lags))
        for i in range(n):
            group.create_task(worker(journal, f"{n}-{i}", bodies, end, waits))
    rate = len(waits) / (time.perf_counter() - started)
    figures = [1000 * sorted(values)[int(0.99 * len(values))] for values in (waits, lags)]
    late = f"put p99 {figures[0]:6.1f} ms, lag p99 {figures[1]:5.1f} ms"
    return f"{n:4} in flight: {rate:6.0f} durable records/s, {late}"


if __name__ == "__main__":
    place = sys.argv[1] if len(sys.argv) > 1 else None
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    for n in IN_FLIGHT:
        with tempfile.TemporaryDirectory(dir=place) as folder, Journal(Path(folder)) as journal:
            sys.stdout.write(asyncio.run(trial(journal, n, seconds)) + "\n")
            sys.stdout.flush()
