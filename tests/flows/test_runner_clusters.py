"""Dask and Ray with two workers each: the same run in all three runners, byte by byte."""

import importlib.util
import json
import os
import subprocess
import sys

import polars as pl
import pytest

from warehouse.manifest import read_current

pytestmark = pytest.mark.slow
WORDS = ["river", "otter", "lantern", "winter", "baker", "silver", "promise", "garden", "whisper", "kettle"]
JUDGED = ("verdict", "signature", "embedding", "metric", "sample", "release")


SMALL_PARTS = """
import flows.tail, tasks.intake
tasks.intake.BATCH = flows.tail.SHARD_ROWS = 100
from flows.__main__ import main
main()
"""


def story(i):
    return " ".join(
        WORDS[(i * step + step * step) % len(WORDS)] + str(i * step % 17) for step in range(1, 40)
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three files, so that there are several parts; every fifth row repeats one, exactly or nearly."""
    folder = tmp_path_factory.mktemp("rows")
    for number in range(3):
        texts = [story(number * 100 + i) for i in range(100)]
        texts[4::5] = [text if i % 2 else f"{text} indeed" for i, text in enumerate(texts[3::5])]
        rows = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        (folder / f"{number}.jsonl").write_text(rows)
    return folder


def curated(files, root, kind):
    """The parts of a run of `curate` by one runner: table and SHA-256; the row of the run tells the time."""
    from prefect.settings import PREFECT_API_URL

    environment = {**os.environ, "SEEDLOOM_RUNNER": kind, "PREFECT_API_URL": PREFECT_API_URL.value()}
    command = [sys.executable, "-c", SMALL_PARTS, "curate", str(files), "--name", "rows", "--edition", "one"]
    command += ["--min-train", "10", "--root", str(root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    parts = read_current(root).parts
    return {table: sorted(part.sha256 for part in parts[table]) for table in JUDGED}


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_cluster_of_two_workers_gives_what_threads_give(tmp_path, prefect_server, files, kind):
    if not importlib.util.find_spec(f"prefect_{kind}"):
        pytest.skip(f"prefect_{kind} is not installed: make test-slow installs it")
    here = curated(files, tmp_path / "threads", "threads")
    there = curated(files, tmp_path / kind, kind)
    assert here == there
    assert all(here[table] for table in JUDGED) and len(here["signature"]) == 3
    files = (tmp_path / kind / "data" / "verdict").rglob("*.parquet")
    dropped = (
        pl.concat(map(pl.read_parquet, files)).filter(~pl.col("keep"))["filter"].unique().sort().to_list()
    )
    assert {"exact", "minhash"} <= set(dropped)
