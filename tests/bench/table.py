"""`make bench`: one table of what every stage costs beside its peers, printed and written to docs/benchmarks.md.

python tests/bench/table.py              measure all, compare with what docs/benchmarks.md says, print
python tests/bench/table.py --write      and write docs/benchmarks.md
python tests/bench/table.py leak embed   only these

Each benchmark is a module of this folder with a function `rates()`, which alternates this program and its
peers in one run and returns rows of: stage, rows, cpu_s, rows_per_s (per core), peak_mb, peer, peer_version,
ratio (the peer's CPU time by ours), and ratio_low, ratio_high over its rounds. A ratio below the recorded one
by more than the noise of both is told as slower, and the exit code is 1.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
PEERS = Path(sys.prefix) / "peers"  # packages whose pins do not fit beside ours: `make bench` puts them there
MODULES = ["signatures", "near_duplicates", "band_index", "embed", "semantic", "leak", "diversity"]
LIBRARIES = ["numpy", "numba", "polars", "duckdb", "pyarrow", "torch", "scipy"]
NOISE = 0.2  # of a ratio that was not measured in rounds
HEAD = ["stage", "rows", "CPU s", "rows/s/core", "peak MB", "peer", "ratio", "rounds"]
CALL = "import json, sys; import {0}; sys.stdout.write('\\n' + json.dumps({0}.rates()))"


def say(line=""):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def measured(module):
    """The rows of one benchmark, measured in a process of its own."""
    places = [HERE, HERE.parents[1], HERE.parent, PEERS]
    path = os.pathsep.join([*map(str, places), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", CALL.format(module)],
        env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    rows = json.loads(done.stdout.splitlines()[-1])
    say("\n".join(table(rows)))
    return rows


def cells(row):
    """One row of the table, as texts."""
    peer = f"{row['peer']} {row['peer_version']}" if row.get("peer") else "none"
    ratio = "" if row.get("ratio") is None else f"{row['ratio']:,.2f}"
    low, high = bounds(row)
    rounds = "" if row.get("ratio_low") is None else f"{low:,.2f} to {high:,.2f}"
    peak = "" if row.get("peak_mb") is None else f"{row['peak_mb']:,.0f}"
    speed = f"{row['rows_per_s']:,.0f}"
    return [row["stage"], f"{row['rows']:,}", f"{row['cpu_s']:.2f}", speed, peak, peer, ratio, rounds]


def bounds(row):
    """Between what the ratio lies."""
    if row.get("ratio_low") is not None:
        return row["ratio_low"], row["ratio_high"]
    if row.get("ratio") is None:
        return None, None
    return row["ratio"] * (1 - NOISE), row["ratio"] * (1 + NOISE)


def table(rows):
    lines = [HEAD, *(cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    padded = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return [padded[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *padded[1:]]


def recorded():
    """Lowest ratio of the rounds that the page records, by stage, rows and peer."""
    if not PAGE.exists():
        return {}
    lines = [[c.strip() for c in line.strip("|\n").split("|")] for line in PAGE.read_text().splitlines()]
    found = {}
    for line in lines:
        if len(line) == len(HEAD) and re.fullmatch(r"[\d.,]+", line[6]):
            low = line[7].partition(" to ")[0].replace(",", "") if line[7] else None
            ratio = float(line[6].replace(",", ""))
            found[line[0], line[1], line[5].rpartition(" ")[0]] = float(low) if low else ratio * (1 - NOISE)
    return found


def slower(rows, before):
    """What is slower, beside its peer, than what was recorded, by more than the noise."""
    for row in rows:
        low = before.get((row["stage"], f"{row['rows']:,}", row.get("peer")))
        if low is not None and row.get("ratio") is not None and bounds(row)[1] < low:
            yield f"SLOWER: {row['stage']} ({row['rows']:,} rows): {row['ratio']:.2f} x {row['peer']}, was {low:.2f}"


def page(rows):
    software = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `make bench`. CPU seconds of the process (user and system, all threads), this program and its",
            "peer alternated in one run; ratio is the peer's CPU time by ours, the median of the rounds, and beside it",
            "the least and the greatest round. Trust the ratios, not the seconds: they are of a machine with two cores.",
            "",
            f"Python {platform.python_version()}; {software}.",
            "",
            *table(rows),
            "",
        ]
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", help=f"some of {MODULES}")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    asked = parser.parse_args()
    rows = [row for module in asked.modules or MODULES for row in measured(module)]
    before = recorded()
    worse = list(slower(rows, before))
    say("\n".join(worse))
    if asked.write:
        kept = PAGE.read_text().partition("\n## ")[2] if PAGE.exists() else ""
        PAGE.write_text(page(rows) + (f"\n## {kept}" if kept else ""))
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
