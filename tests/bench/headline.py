"""The headline: a corpus of the size, lengths and duplicate share of TinyStories, deduplicated on this machine.

python tests/bench/headline.py                   2,119,719 stories, in a folder of its own under the system's one
python tests/bench/headline.py --rows 200000     fewer
python tests/bench/headline.py --folder DIR      keep the corpus there, and find it again

Every story is a function of (seed, its number), so that a copy can be written without remembering what it
copies. 15% repeat an earlier story word for word, as in TinyStories; 10% repeat one with 1 to 12 words
changed, of which some repeat a copy; the others are order-2 Markov walks over TinyStories' validation set,
as long as its stories are.

Timed, in a process of its own: reading the texts from Parquet, signatures, exact and near duplicates, all
verdicts written, and the kept stories written to Parquet again. Not timed: writing the corpus, and checking.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numba import njit, prange

from flows.tail import shards
from schemas.partition import Partition
from schemas.tables import Sample
from tasks.ahead import ahead
from tasks.exact import exact
from tasks.minhash import minhash
from tasks.shingles import sign
from tasks.signature import signatures
from tasks.survivors import surviving
from tasks.tokens import words
from warehouse.parts import polars_schema
from warehouse.run import begin

PUBLIC = Path(__file__).parents[2].parent / "shared" / "data" / "tinystories" / "valid_first_10k_lines.txt"
TINY_STORIES = 2_119_719
PUBLISHED_S = 121.9 + 31.3  # NeMo Curator, fuzzy identification and removal, 2 GPUs and 64 CPUs
PART = 20_000
EXACT, NEAR = 0.15, 0.10
MOST_EDITS = 12
THRESHOLD, N = 0.7, 5


def say(line=""):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@njit(cache=True)
def draw(seed, row, salt):
    """A 64-bit number for a row and a purpose (splitmix64)."""
    z = np.uint64(seed) + np.uint64(row) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(salt) * np.uint64(0xD1B54A32D192ED03)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True)
def kind_of(seed, row):
    """What a row is, and of which row: 0 an original, 1 an exact copy, 2 a near copy."""
    if row == 0:
        return 0, 0
    share = (draw(seed, row, 1) >> np.uint64(11)) / 2.0**53
    source = np.int64(draw(seed, row, 2) % np.uint64(row))
    return (1, source) if share < EXACT else (2, source) if share < EXACT + NEAR else (0, row)


@njit(cache=True)
def story(seed, row, places, order, first, last, lengths, out):
    """Word places of a row, written to `out`; how many there are."""
    chain = np.empty(64, np.int64)
    depth, at = 0, row
    kind, source = kind_of(seed, at)
    while kind:
        if kind == 2:
            chain[depth] = at
            depth += 1
        at = source
        kind, source = kind_of(seed, at)
    n = lengths[draw(seed, at, 3) % np.uint64(len(lengths))]
    last_pair = len(places) - 2
    place = np.int64(draw(seed, at, 4) % np.uint64(last_pair))
    for step in range(n):
        out[step] = places[place]
        chance = (draw(seed, at, 100 + step) >> np.uint64(11)) / 2.0**53
        at_most = min(place, last_pair)
        place = min(
            order[first[at_most] + np.int64(chance * (last[at_most] - first[at_most]))] + 1, last_pair
        )
    for link in range(depth - 1, -1, -1):
        edits = 1 + draw(seed, chain[link], 5) % np.uint64(MOST_EDITS)
        for edit in range(edits):
            where = draw(seed, chain[link], 1000 + 2 * edit) % np.uint64(n)
            out[where] = places[draw(seed, chain[link], 1001 + 2 * edit) % np.uint64(last_pair)]
    return n


@njit(cache=True, parallel=True)
def written(seed, begin, end, walk, words, bounds):
    """UTF-8 of the rows from `begin` to `end`: the bytes, and bounds of each row."""
    places, order, first, last, lengths = walk
    longest = lengths.max()
    codes = np.empty((end - begin, longest), np.int32)
    sizes = np.zeros(end - begin + 1, np.int64)
    counts = np.empty(end - begin, np.int64)
    for i in prange(end - begin):
        n = story(seed, begin + i, places, order, first, last, lengths, codes[i])
        counts[i] = n
        for step in range(n):
            sizes[i + 1] += bounds[codes[i, step] + 1] - bounds[codes[i, step]] + 1
    ends = sizes.cumsum()
    data = np.empty(ends[-1], np.uint8)
    for i in prange(end - begin):
        at = ends[i]
        for step in range(counts[i]):
            code = codes[i, step]
            for b in range(bounds[code], bounds[code + 1]):
                data[at] = words[b]
                at += 1
            data[at] = 32
            at += 1
    return data, ends


class Corpus:
    """All stories of a seed, a slice at a time."""

    def __init__(self, seed=0):
        told = PUBLIC.read_text().split("<|endoftext|>")
        split = [each.split() for each in told if each.split()]
        source = np.array([word for each in split for word in each])
        types, code = np.unique(source, return_inverse=True)
        pair = code[:-1].astype(np.int64) * len(types) + code[1:]
        order = np.argsort(pair, kind="stable")
        first, last = (np.searchsorted(pair[order], pair, side=side) for side in ("left", "right"))
        lengths = np.array([len(each) for each in split])
        self.types = types
        self.seed, self.walk = seed, (code.astype(np.int32), order, first, last, lengths)
        raw = [str(word).encode() for word in types]
        self.words = np.frombuffer(b"".join(raw), np.uint8)
        self.bounds = np.concatenate([[0], np.cumsum([len(each) for each in raw])])

    def texts(self, begin, end):
        """Stories `begin` to `end`."""
        data, ends = written(self.seed, begin, end, self.walk, self.words, self.bounds)
        array = pa.LargeStringArray.from_buffers(end - begin, pa.py_buffer(ends), pa.py_buffer(data))
        return pl.Series("text", pl.from_arrow(array))

    def text(self, row):
        """One story."""
        out = np.empty(self.walk[4].max(), np.int32)
        n = story(self.seed, row, *self.walk, out)
        return " ".join(self.types[out[:n]])


def sample_rows(texts, run_id, begin):
    """Rows of the table `sample`, with blanks in what no filter reads."""
    rows = (
        texts.to_frame()
        .with_row_index("ordinal", begin)
        .with_columns(
            pl.col("ordinal").cast(pl.Int64),
            sample_id=pl.col("ordinal").hash().map_elements("{:016x}".format, pl.String)
            + pl.col("ordinal").cast(pl.String).str.zfill(16),
            final=pl.lit(True),
            run_id=pl.lit(run_id),
        )
    )
    blanks = {
        field.name: pl.lit(None if field.nullable else "", polars_schema("sample")[field.name])
        for field in Sample.arrow()
        if field.name not in rows.columns
    }
    return rows.with_columns(**blanks)


def put(folder, rows, seed):
    """Write the corpus as parts of `sample`; what is there is found."""
    run = begin(folder, "curate", "headline", f"{rows}-{seed}", {})
    corpus = cache(partial(Corpus, seed))

    def make(at):
        return {"sample": sample_rows(corpus().texts(at, min(at + PART, rows)), run.run_id, at)}

    made = [run.once("put", [], {"at": at}, partial(make, at)) for at in range(0, rows, PART)]
    return run, [part for parts in made for part in parts]


def peak():
    """Highest resident memory of this process so far, MB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1e3


def inside(folder, rows, seed, parts):
    """The timed part, in a process of its own: prints one JSON line."""
    run, parts = (
        begin(Path(folder), "curate", "headline", f"{rows}-{seed}", {}),
        [Partition(**p) for p in parts],
    )
    sign(pl.Series(["load what was compiled"]), N)
    before, spent = peak(), {}

    def timed(name, work):
        wall, cpu = time.perf_counter(), time.process_time()
        done = work()
        spent[name] = {
            "wall_s": time.perf_counter() - wall,
            "cpu_s": time.process_time() - cpu,
            "peak_mb": peak(),
        }
        return done

    with ThreadPoolExecutor(2) as threads:
        signed = timed(
            "signature", lambda: list(threads.map(lambda g: signatures.fn(run, g, N), shards(parts)))
        )
        signed = [part for group in signed for part in group]
        repeated = timed("exact", lambda: exact.fn(run, parts, [], signed, ""))
        near = timed("minhash", lambda: minhash.fn(run, parts, repeated, signed, THRESHOLD, N, ""))
        kept = timed("removal", lambda: remove(run, parts, [*repeated, *near], Path(folder) / "kept"))
    found = {"spent": spent, "before_mb": before, "kept": kept}
    found |= {"verdicts": [part.model_dump() for part in (*repeated, *near)]}
    say(json.dumps(found))


def remove(run, parts, verdicts, folder):
    """Write the stories that no verdict drops; how many there are."""
    folder.mkdir()

    def write(numbered):
        number, rows = numbered
        rows.write_parquet(folder / f"{number:05}.parquet", compression="zstd", compression_level=3)
        return rows.height

    return sum(ahead(write, enumerate(surviving(run, parts, verdicts, ["sample_id", "text"]))))


def forget(run, folder):
    """Remove what an earlier measurement wrote: parts that are there would not be written again."""
    shutil.rmtree(folder / "kept", ignore_errors=True)
    for stage in (run.folder / "stages").glob("*.json"):
        if not stage.name.startswith("put-"):
            run.forget([Partition(**part) for part in json.loads(stage.read_bytes())])
            stage.unlink()


def shingle_set(text):
    """Word 5-grams of a text, in plain Python."""
    split = words(text)
    return {tuple(split[i : i + N]) for i in range(max(1, len(split) - N + 1))}


def check(run, parts, verdicts, rows, seed, most=200_000):
    """Recall over the planted pairs that are alike enough, and precision over the verdicts, recomputed."""
    frame = pl.concat([run.read(part, ["sample_id", "filter", "keep", "witness_id"]) for part in verdicts])
    dropped = frame.filter(~pl.col("keep")).with_columns(row=pl.col("sample_id").str.slice(16).cast(pl.Int64))
    gone = np.zeros(rows, bool)
    gone[dropped["row"].to_numpy()] = True
    kinds = np.array([kind_of(seed, row) for row in range(rows)])
    exact_pairs = np.flatnonzero(kinds[:, 0] == 1)
    both = ~gone[exact_pairs] & ~gone[kinds[exact_pairs, 1]]
    corpus = Corpus(seed)
    near = np.flatnonzero(kinds[:, 0] == 2)[:most]
    alike = missed = 0
    for row in near:
        a, b = (shingle_set(corpus.text(each)) for each in (row, kinds[row, 1]))
        if len(a & b) >= THRESHOLD * len(a | b):
            alike += 1
            missed += not gone[row] and not gone[kinds[row, 1]]
    wrong, judged = 0, dropped.filter(pl.col("filter") == "minhash").head(20_000)
    for row, witness in zip(judged["row"], judged["witness_id"], strict=True):
        a, b = (shingle_set(corpus.text(each)) for each in (row, int(witness[16:])))
        wrong += len(a & b) < THRESHOLD * len(a | b)
    return {
        "exact_planted": len(exact_pairs), "exact_both_kept": int(both.sum()),
        "near_planted": len(near), "near_alike": alike, "near_both_kept": int(missed),
        "verdicts_checked": judged.height, "verdicts_wrong": wrong,
    }  # fmt: skip


def measure(folder, rows, seed=0):
    """Put, time, check: what `inside` says and what `check` says."""
    run, parts = put(folder, rows, seed)
    asked = {
        "folder": str(folder),
        "rows": rows,
        "seed": seed,
        "parts": [part.model_dump() for part in parts],
    }
    note = folder / "asked.json"
    note.write_text(json.dumps(asked))
    forget(run, folder)
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--inside", str(note)], check=True, stdout=subprocess.PIPE
    )
    found = json.loads(done.stdout.splitlines()[-1])
    found["process_s"] = time.perf_counter() - begun
    verdicts = [Partition(**part) for part in found.pop("verdicts")]
    found["text_bytes"] = sum(int(run.read(part, ["text"])["text"].str.len_bytes().sum()) for part in parts)
    return {**found, **check(run, parts, verdicts, rows, seed)}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=TINY_STORIES)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        return inside(**json.loads(Path(asked.inside).read_text()))
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="headline-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        tell(measure(folder, asked.rows), asked.rows)
    finally:
        if not asked.folder:
            shutil.rmtree(folder)


def tell(found, rows):
    say(f"{rows:,} stories, {found['text_bytes'] / 1e9:.2f} GB of text, two threads")
    for name, cost in found["spent"].items():
        say(
            f"    {name:10}{cost['wall_s']:8.1f} s wall{cost['cpu_s']:8.1f} CPU s, peak {cost['peak_mb']:,.0f} MB"
        )
    total = sum(cost["wall_s"] for cost in found["spent"].values())
    cpu = sum(cost["cpu_s"] for cost in found["spent"].values())
    say(
        f"    {'all':10}{total:8.1f} s wall{cpu:8.1f} CPU s; {found['process_s']:.1f} s wall with the start of Python"
    )
    say(f"    {found['before_mb']:,.0f} MB of the peak are the libraries; kept {found['kept']:,}")
    if rows == TINY_STORIES:
        say(f"    published for this size, 2 GPUs and 64 CPUs: {PUBLISHED_S:.1f} s")
    say(f"    exact copies planted {found['exact_planted']:,}, both kept {found['exact_both_kept']:,}")
    recall = 1 - found["near_both_kept"] / max(1, found["near_alike"])
    say(
        f"    near copies checked {found['near_planted']:,}, alike {found['near_alike']:,}, recall {recall:.5f}"
    )
    say(f"    verdicts recomputed {found['verdicts_checked']:,}, wrong {found['verdicts_wrong']:,}")


if __name__ == "__main__":
    main()
