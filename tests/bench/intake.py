"""How fast somebody's data set is read and judged, and in how much memory.

Run: python tests/bench/intake.py FILE [rows ...]

Reads FILE (Alpaca, say) and judges its quality, each in a process of its own: CPU seconds and peak resident
memory. Then does the same to JSONL files of as many rows as are named (100000 300000 by default), made of the
rows of FILE over and over: the peak must not grow with the rows (batches of 20,000).
"""

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from tasks.intake import Record, frames, read
from tasks.quality import Bounds, judge


def intake_only(path: Path) -> str:
    """Batches are made and dropped, as the stage does after writing each."""
    counts = [(sample.height, reject.height) for sample, reject in frames([path], "bench", "bench")]
    return f"{sum(n for n, _ in counts):,} samples, {sum(n for _, n in counts):,} rejects"


def intake_and_quality(path: Path) -> str:
    """Each batch is judged as soon as it was read."""
    kept = [judge(sample, "bench", Bounds())["keep"] for sample, _ in frames([path], "bench", "bench")]
    n = sum(len(keep) for keep in kept)
    dropped = n - sum(keep.sum() for keep in kept)
    return f"{n:,} judged, {dropped:,} dropped ({100 * dropped / max(n, 1):.2f} %)"


def measured(work, path: Path) -> None:
    """Run the work in a fresh process and write its figures."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        said, cpu, wall, peak = pool.apply(_timed, (work, path))
    sys.stdout.write(
        f"{work.__name__:>18}  {path.name:<24} {cpu:6.2f} CPU s  {wall:6.2f} s  {peak:5.0f} MB peak  {said}\n"
    )


def _timed(work, path: Path) -> tuple[str, float, float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    said = work(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return said, time.process_time() - cpu, time.perf_counter() - wall, peak


def _repeated(source: Path, rows: int, folder: Path) -> Path:
    lines = [json.dumps(row.fields) for row in read([source]) if isinstance(row, Record)]
    path = folder / f"{rows}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in islice(cycle(lines), rows))
    return path


def main(source: Path, sizes: list[int]) -> None:
    """All figures, one line each."""
    for work in (intake_only, intake_and_quality):
        measured(work, source)
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            path = _repeated(source, rows, Path(folder))
            for work in (intake_only, intake_and_quality):
                measured(work, path)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python tests/bench/intake.py FILE [rows ...]")
    main(Path(sys.argv[1]), [int(rows) for rows in sys.argv[2:]] or [100_000, 300_000])
