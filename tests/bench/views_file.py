"""Does anybody who opens `warehouse.duckdb` while runs are committed ever get an error, or half of a run?

Run: python tests/bench/views_file.py [seconds per trial]

One writer commits a run of two tables every 200 ms and renews the file; four readers, each a process, open it
read-only in a hot loop and compare the tables.

link      what warehouse/views.py does: an immutable file per version, a link that is renamed over
rename    one file, renamed over at each commit
in place  one file, written under DuckDB's own lock, tried again for as long as the commit interval lasts

Then a storm, which no warehouse meets: link and rename alone, every 3 ms, over files made before (so that
going back is right).
"""

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import duckdb
import polars as pl

from warehouse.manifest import Manifest, commit, read_current
from warehouse.parts import polars_schema, write_part
from warehouse.views import define_views, write_views_file

INTERVAL_S, STORM_S, READERS = 0.2, 0.003, 4
COUNTS = "SELECT (SELECT count(*) FROM verdict), (SELECT count(*) FROM reject)"
NAMES = "SELECT view_name FROM duckdb_views() WHERE NOT internal"


def link(root: Path, manifest: Manifest) -> bool:
    write_views_file(root, manifest)
    return True


def rename(root: Path, manifest: Manifest) -> bool:
    draft = root / "draft.duckdb"
    with duckdb.connect(str(draft)) as connection:
        define_views(connection, root, manifest)
    os.replace(draft, root / "warehouse.duckdb")
    return True


def in_place(root: Path, manifest: Manifest) -> bool:
    end = time.monotonic() + INTERVAL_S
    path = str(root / "warehouse.duckdb")
    while time.monotonic() < end:
        with contextlib.suppress(duckdb.IOException), duckdb.connect(path) as connection:
            connection.execute("BEGIN")
            for (name,) in connection.execute(NAMES).fetchall():
                connection.execute(f'DROP VIEW "{name}"')
            define_views(connection, root, manifest)
            connection.execute("COMMIT")
            return True
        time.sleep(0.005)
    return False


VARIANTS = {"link": link, "rename": rename, "in place": in_place}


def commit_one(root: Path, number: int) -> Manifest:
    """A run of one row in each of two tables."""
    run_id = f"run{number}"
    known = {"run_id": run_id, "sample_id": run_id, "filter": "f", "keep": True}
    known |= {"origin": "o", "line": 1, "reason": "r", "content": "c"}
    parts = []
    for table in ("verdict", "reject"):
        schema = polars_schema(table)
        frame = pl.DataFrame([{column: known.get(column) for column in schema}], schema=schema)
        parts.append(write_part(root, run_id, table, frame))
    return commit(root, run_id, parts)


def commits(root: Path, variant: str, published, ending, report) -> None:
    counts, slowest = Counter(), 0.0
    while not ending.is_set():
        started = time.monotonic()
        manifest = commit_one(root, read_current(root).version)
        began = time.monotonic()
        if VARIANTS[variant](root, manifest):
            published.value = manifest.version
            counts["renewed"] += 1
        slowest = max(slowest, time.monotonic() - began)
        counts["commits"] += 1
        time.sleep(max(0.0, INTERVAL_S - (time.monotonic() - started)))
    report.put({**counts, "slowest_renewal_ms": round(1000 * slowest)})


def storm(root: Path, variant: str, published, ending, report) -> None:
    for number in range(1, 8):
        write_views_file(root, commit_one(root, number))
    files = sorted((root / "views").glob("[0-9]*.duckdb"))
    counts = Counter()
    while not ending.is_set():
        file, draft = files[counts["swaps"] % len(files)], root / "draft"
        if variant == "link":
            draft.symlink_to(file.relative_to(root))
        else:
            os.link(file, draft)
        os.replace(draft, root / "warehouse.duckdb")
        counts["swaps"] += 1
        time.sleep(STORM_S)
    report.put(counts)


def read(root: Path, published, ending, report) -> None:
    counts, messages, seen = Counter(), Counter(), 0
    while not ending.is_set():
        before = published.value
        counts["opens"] += 1
        try:
            with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as connection:
                verdicts, rejects = connection.execute(COUNTS).fetchall()[0]
                again = connection.execute("SELECT count(*) FROM verdict").fetchall()[0][0]
        except duckdb.Error as error:
            counts["errors"] += 1
            messages[str(error).splitlines()[0][:48]] += 1
            continue
        counts["mixed"] += verdicts != rejects or verdicts != again
        counts["backwards"] += verdicts < seen
        counts["stale"] += verdicts < before
        seen = verdicts
    report.put({**counts, **messages})


def trial(writing, variant: str, seconds: float) -> Counter[str]:
    """Counts over all processes."""
    context = multiprocessing.get_context("spawn")
    published, ending, report = context.Value("i", 1), context.Event(), context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        VARIANTS[variant](root, commit_one(root, 0))
        shared = (published, ending, report)
        processes = [context.Process(target=writing, args=(root, variant, *shared))]
        processes += [context.Process(target=read, args=(root, *shared)) for _ in range(READERS)]
        for process in processes:
            process.start()
        time.sleep(seconds)
        ending.set()
        total: Counter[str] = Counter()
        for _ in processes:
            total.update(report.get())
        for process in processes:
            process.join()
    return total


if __name__ == "__main__":
    length = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    trials = [
        (commits, "link"),
        (commits, "rename"),
        (commits, "in place"),
        (storm, "link"),
        (storm, "rename"),
    ]
    for writing, name in trials:
        counted = trial(writing, name, length)
        sys.stdout.write(f"{writing.__name__}, {name}: {dict(counted)}\n")
        sys.stdout.flush()
