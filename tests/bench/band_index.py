"""Looking up new band keys among those of 450,000 documents. Run: python tests/bench/band_index.py [--whole]

14.4 million keys rest on disk: ours in segments, for the peers in one Parquet file sorted by key (band and key
mixed into one number; rows of 100,000). Each way finds the pairs (key, earlier row) of 1,000, 10,000 and 50,000
new documents, of which a tenth shares a band with an earlier one; the pairs are compared. CPU time of this
process, alternated, medians of ROUNDS; every way opens its files anew each time, which are in the page cache.
`--whole` makes a warehouse of 450,000 samples with 5 verdicts each and times `tasks.band_index.sharing`.
"""

import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from schemas.tables import tables
from tasks.band_index import sharing
from tasks.bands import N_BANDS, band_keys
from warehouse.parts import polars_schema, write_part
from warehouse.run import begin
from warehouse.segments import Held, Segment, packed, write_segment

N, PART = 450_000, 50_000
SIZES = (1_000, 10_000, 50_000)
ROUNDS = 5
MIX = 0x9E3779B97F4A7C15


def signatures(n, seed):
    return np.random.default_rng(seed).integers(0, 2**32, (n, 128), dtype=np.uint32)


def keys_of(minhash):
    return [band_keys(minhash, band) for band in range(N_BANDS)]


def new_keys(old, n, seed=1):
    """Ascending distinct keys of each band of n new documents; a tenth has one band of an earlier one."""
    minhash = signatures(n, seed)
    draw = np.random.default_rng(seed)
    for row, like, band in zip(
        range(n // 10), draw.integers(0, len(old), n), draw.integers(0, 32, n), strict=False
    ):
        minhash[row, 4 * band : 4 * band + 4] = old[like, 4 * band : 4 * band + 4]
    return [np.unique(keys) for keys in keys_of(minhash)]


def mixed(keys, band):
    """Band and key as one number, so that a peer joins one column."""
    return keys ^ np.uint64(band * MIX % 2**64)


def prepare(folder):
    """The files of all ways, over the same signatures; returns those."""
    old = signatures(N, 0)
    for start in range(0, N, PART * 5):  # as the builder does: at most 2^18 rows at once
        some = old[start : start + PART * 5]
        columns = (packed(keys, np.arange(len(some)), len(some)) for keys in keys_of(some))
        parts = [
            Held(hashlib.sha256(f"{start}-{i}".encode()).hexdigest(), PART) for i in range(len(some) // PART)
        ]
        write_segment(folder / "segments", parts, columns)
    flat = np.concatenate([mixed(keys, band) for band, keys in enumerate(keys_of(old))])
    frame = pl.DataFrame({"key": flat, "row": np.tile(np.arange(N, dtype=np.uint32), N_BANDS)}).sort("key")
    frame.write_parquet(folder / "keys.parquet", row_group_size=100_000)
    return old


def ours(folder, asked):
    pairs = []
    sizes = {path: Segment(path) for path in (folder / "segments").glob("*.segment")}
    for segment in sorted(sizes.values(), key=lambda each: -each.header.rows):
        offset = 0 if segment.header.rows == PART * 5 else PART * 5
        for band, keys in enumerate(asked):
            found = segment.find(band, keys)
            pairs.append(
                (mixed(keys[np.repeat(found.places, found.sizes)], band), segment.rows(found) + offset)
            )
    return tuple(map(np.concatenate, zip(*pairs, strict=True)))


def duck(folder, asked):
    new = pl.DataFrame({"key": np.concatenate([mixed(keys, band) for band, keys in enumerate(asked)])})
    with duckdb.connect() as connection:
        connection.register("new", new)
        query = f"SELECT key, row FROM new JOIN read_parquet('{folder / 'keys.parquet'}') USING (key)"
        found = connection.sql(query).pl()
    return found["key"].to_numpy(), found["row"].to_numpy()


def stream(folder, asked):
    new = pl.LazyFrame({"key": np.concatenate([mixed(keys, band) for band, keys in enumerate(asked)])})
    found = pl.scan_parquet(folder / "keys.parquet").join(new, on="key").collect(engine="streaming")
    return found["key"].to_numpy(), found["row"].to_numpy()


WAYS = {"ours": ours, "duckdb": duck, "polars": stream}
VERSIONS = {"duckdb": duckdb.__version__, "polars": pl.__version__}


def compare(folder, old, say=lambda line: None):
    """CPU seconds of each way and round by number of new documents: {n: {way: [seconds]}}."""
    taken = {}
    for n in SIZES:
        asked = new_keys(old, n)
        seconds = {name: [] for name in WAYS}
        for _ in range(ROUNDS):
            found = {}
            for name, way in WAYS.items():
                began = time.process_time()
                key, row = way(folder, asked)
                seconds[name].append(time.process_time() - began)
                found[name] = set(zip(key.tolist(), row.tolist(), strict=True))
            assert found["duckdb"] == found["polars"] and len(found["duckdb"]) >= n // 11
            chance = found["ours"] - found["duckdb"]  # 45 bits of a key agree; `band_matches` compares all
            assert found["ours"] >= found["duckdb"] and len(chance) < 5
        taken[n] = seconds
        medians = {name: statistics.median(some) for name, some in seconds.items()}
        say(f"{n:7,} new: " + ", ".join(f"{name} {each:.3f} s" for name, each in medians.items()))
    return taken


def peak_mb(folder, way, n):
    """Peak memory of a process that does nothing else, above what it had before; mapped pages of the index count."""
    code = subprocess.run(
        [sys.executable, __file__, "--peak", str(folder), way, str(n)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(code.stdout)


def measure_peak(folder, way, n):
    asked = new_keys(signatures(PART, 0), n)
    WAYS[way](folder, [keys[:5] for keys in asked])  # imports and compiled code
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what it is now
    before = memory_mb("VmRSS")
    WAYS[way](folder, asked)
    sys.stdout.write(f"{memory_mb('VmHWM') - before:.1f}")


def memory_mb(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def rates(say=lambda line: None):
    """Rows for the table of all benchmarks."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        old = prepare(folder)
        ours_mb = sum(path.stat().st_size for path in (folder / "segments").iterdir()) / 1e6
        say(
            f"index {ours_mb:.1f} MB, Parquet of the peers {(folder / 'keys.parquet').stat().st_size / 1e6:.1f} MB"
        )
        taken = compare(folder, old, say)
        peaks = {n: peak_mb(folder, "ours", n) for n in SIZES}
    return [row(n, taken[n], peer, peaks[n]) for n in SIZES for peer in VERSIONS]


def row(n, seconds, peer, peak):
    ratios = sorted(theirs / our for theirs, our in zip(seconds[peer], seconds["ours"], strict=True))
    cpu_s = statistics.median(seconds["ours"])
    return {
        "stage": f"band index, look-up among {N:,}",
        "rows": n,
        "cpu_s": cpu_s,
        "rows_per_s": n / cpu_s,
        "peak_mb": peak,
        "peer": peer,
        "peer_version": VERSIONS[peer],
        "ratio": statistics.median(ratios),
        "ratio_low": ratios[0],
        "ratio_high": ratios[-1],
    }


BLANK = {pl.String: "", pl.Int64: 0, pl.Boolean: True, pl.Float64: 0.5, pl.Array: None}


def part(run, table, n, **columns):
    """A part of n rows, blank where no column is given."""
    declared, arrow = polars_schema(table), tables()[table].arrow()
    filled = {
        name: columns.get(
            name, pl.lit(None if arrow.field(name).nullable else BLANK[kind.base_type()], dtype=kind)
        )
        for name, kind in declared.items()
    }
    rows = pl.DataFrame({"n": np.arange(n)}).select(**{**filled, "run_id": pl.lit(run.run_id)})
    return write_part(run.root, run.run_id, table, rows)


def whole(root, say):
    """`sharing` as a run calls it: index, ids, DuckDB's verdict on who is clean, signatures."""
    draw = np.random.default_rng(0)
    for number in range(N // PART):
        run = begin(root, "curate", "bench", str(number), {})
        ids = pl.Series([hashlib.sha256(f"{number}-{i}".encode()).hexdigest()[:32] for i in range(PART)])
        minhash = pl.Series(signatures(PART, number), dtype=pl.Array(pl.UInt32, 128))
        parts = [part(run, "sample", PART, sample_id=ids)]
        parts.append(part(run, "signature", PART, sample_id=ids, n_shingles=pl.lit(9), minhash=minhash))
        for name in ("format", "quality", "exact", "minhash", "language"):
            keep = pl.Series(draw.random(PART) > 0.03)
            parts.append(part(run, "verdict", PART, sample_id=ids, filter=pl.lit(name), keep=keep))
        run.commit(parts)
    run = begin(root, "curate", "bench", "new", {})
    old = np.concatenate([signatures(PART, number) for number in range(N // PART)])
    for n in (SIZES[0], *SIZES):
        asked = new_keys(old, n, seed=99)
        began = time.process_time()
        found = sharing(run, "true", "", asked, 257).height
        say(
            f"sharing, {n:,} new: {found} found in {time.process_time() - began:.2f} s (the first builds the index)"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        measure_peak(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    elif sys.argv[1:] == ["--whole"]:
        with tempfile.TemporaryDirectory() as place:
            whole(Path(place), lambda line: sys.stdout.write(line + "\n"))
    else:
        for each in rates(lambda line: sys.stdout.write(line + "\n")):
            sys.stdout.write(f"{each}\n")
