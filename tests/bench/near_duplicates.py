"""What finding near-duplicates costs end to end, in CPU time, beside datasketch and rensa; alternated in one run.

python tests/bench/near_duplicates.py                      20,000 stories beside the peers, adversarial texts
python tests/bench/near_duplicates.py --stories 500000     so many through the three tasks (memory: see the peak)
python tests/bench/near_duplicates.py --alpaca FILE        also the Alpaca rows of this file

Every way reads the same Parquet file and says which stories stay: word 5-grams, threshold 0.7, 128 minima.
* This program, verdicts in memory: whom each story repeats, exactly or nearly, as the tasks below say it, but
  nothing is written, as the peers write nothing; so texts stay in memory, as with the peers, and exact copies
  are looked for among texts of equal signatures, without the digests that the tasks store for later runs.
* This program, the tasks: `signatures`, `exact` and `minhash`, each part of the result written durably.
* datasketch, xxh32: the usual way from texts, `MinHash.bulk`, then MinHashLSH of the same 32 x 4 bands, then
  exact Jaccard of the shingle sets. Its candidates differ from ours by chance.
* datasketch, given our shingle hashes: the same from there on. Its verdicts (who goes, its witness, their
  Jaccard similarity) are asserted to be ours, row by row.
* rensa: its full-set R-MinHash from lists of shingles and its LSH of 32 bands, which decides by the sketch.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import xxhash
from datasketch import MinHash, MinHashLSH

from schemas.partition import Partition
from schemas.tables import Sample
from tasks.bands import band_keys, sketches
from tasks.exact import exact
from tasks.minhash import minhash
from tasks.near_duplicates import Line, judge
from tasks.shingles import normalised, shingle_sets, sign
from tasks.signature import signatures
from warehouse.parts import polars_schema
from warehouse.run import begin

PUBLIC = Path(__file__).parents[2].parent / "shared" / "data"
ROUNDS = 3
PART = 20_000  # rows
THRESHOLD, N = 0.7, 5
SIGNED = {"num_perm": 128, "seed": 1}


def say(line=""):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def stories(n, rng, repeated=0.2):
    """Order-2 Markov stories of some 200 words; some repeat an earlier one, with 0 to 12 words edited."""
    text = (PUBLIC / "tinystories" / "valid_first_10k_lines.txt").read_text()
    source = np.array(text.encode("ascii", "ignore").decode().split())
    _, code = np.unique(source, return_inverse=True)
    pair = code[:-1].astype(np.int64) * (code.max() + 1) + code[1:]
    order = np.argsort(pair, kind="stable")
    first, last = np.searchsorted(pair[order], pair), np.searchsorted(pair[order], pair, side="right")
    places = np.empty((n, 200), np.int32)
    places[:, 0] = rng.integers(len(pair) - 1, size=n)
    for step in range(1, 200):
        at = np.minimum(places[:, step - 1], len(pair) - 2)
        chosen = (first[at] + rng.random(n) * (last[at] - first[at])).astype(int)
        places[:, step] = np.minimum(order[chosen] + 1, len(pair) - 2)
    for row in np.flatnonzero(rng.random(n) < repeated)[1:]:
        places[row] = places[rng.integers(row)]
        places[row, rng.integers(0, 200, rng.integers(0, 13))] = rng.integers(len(pair))
    for start in range(0, n, PART):
        yield [" ".join(row) for row in source[places[start : start + PART]]]


def begun(root):
    return begin(Path(root), "curate", "bench", "now", {})


def put(root, batches):
    """Texts as parts of the table `sample`, each batch a part."""
    run, parts, n = begun(root), [], 0
    for number, texts in enumerate(batches):
        rows = sample_rows(texts, n, run.run_id)
        parts += run.once(f"put/{number}", [], {}, lambda rows=rows: {"sample": rows})
        n += len(texts)
    return parts


def sample_rows(texts, first, run_id):
    """Rows of the table `sample`, with blanks in what no filter reads."""
    rows = (
        pl.DataFrame({"text": texts})
        .with_columns(ordinal=first + pl.int_range(pl.len(), dtype=pl.Int64))
        .with_columns(
            sample_id=pl.format("s{}", pl.col("ordinal").cast(pl.String).str.zfill(31)),
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


def cpu(work):
    begun_at = time.process_time()
    made = work()
    return time.process_time() - begun_at, made


def peak():
    """Highest resident memory of this process so far, MB; rusage would count that of its parent too."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1e3


def ours(root, parts, n=N):
    """The three tasks, from nothing: CPU seconds of each, and the verdicts on who goes."""
    run, spent, made = begun(root), {}, {}
    shutil.rmtree(run.folder / "stages", ignore_errors=True)
    spent["signature"], signed = cpu(lambda: signatures.fn(run, parts, n))
    spent["exact"], made["exact"] = cpu(lambda: exact.fn(run, parts, [], signed, ""))
    last = lambda: minhash.fn(run, parts, made["exact"], signed, THRESHOLD, n, "")  # noqa: E731
    spent["minhash"], made["minhash"] = cpu(last)
    columns = ["sample_id", "filter", "keep", "witness_id", "score"]
    verdicts = [run.read(part, columns).filter(~pl.col("keep")) for stage in made.values() for part in stage]
    return spent, pl.concat(verdicts).drop("keep")


def in_memory(root, parts):
    """The same without writing: whom each row repeats, exactly or nearly, or -1."""
    texts = pl.concat(pl.read_parquet(Path(root) / part.path, columns=["text"])["text"] for part in parts)
    minima, n_shingles = sign(texts, N)
    first = repeated(texts, minima, n_shingles > 0)
    line = Line(sketches(minima), np.where(first < 0, n_shingles, 0).astype(np.int32), 0)
    del minima

    def asked(wanted):
        yield texts.filter(pl.Series(wanted)), np.flatnonzero(wanted)

    decision = judge(line, asked, THRESHOLD, N, Path(root))
    return np.where(first >= 0, first, np.where(decision.kept, -1, decision.witness))


def repeated(texts, minima, known):
    """For each row the first with the same words, or -1; only texts of equal signatures can have them."""
    key = sum(band_keys(minima, band) * np.uint64(2 * band + 1) for band in range(8))
    order = np.argsort(key, kind="stable")
    equal = np.diff(key[order]) == 0
    some = np.sort(order[np.append(equal, False) | np.append(False, equal)])
    some = some[known[some]]
    first, seen = np.full(len(texts), -1), {}
    for row, words in zip(some.tolist(), normalised(texts.gather(some)), strict=True):
        source = seen.setdefault(words, row)
        first[row] = source if source != row else -1
    return first


def read(root, parts):
    """`sample_id, text`, as any user of Parquet reads it."""
    return pl.concat(pl.read_parquet(Path(root) / part.path, columns=["sample_id", "text"]) for part in parts)


def shingled(texts):
    """What a user of datasketch or rensa does before it: lists of word n-grams."""
    split = (text.lower().split() for text in texts)
    return [[" ".join(w[i : i + N]) for i in range(max(1, len(w) - N + 1))] for w in split]


def bulk_xxh32(root, parts):
    """datasketch from texts: who stays."""
    sets = shingled(read(root, parts)["text"].to_list())
    as_bytes = ([s.encode() for s in each] for each in sets)
    minima = MinHash.bulk(as_bytes, hashfunc=xxhash.xxh32_intdigest, **SIGNED)
    return greedy(minima, [set(each) for each in sets])


def given_hashes(minima, sets):
    """datasketch from ready shingle hashes, which it takes 32 bits of: who stays."""
    low = [(each & np.uint64(0xFFFFFFFF)).tolist() for each in minima]
    return greedy(MinHash.bulk(low, hashfunc=int, **SIGNED), sets)


def greedy(minima, sets):
    """Of each row, in order: the most similar kept one before it that reaches the threshold, and how similar."""
    lsh = MinHashLSH(num_perm=128, params=(32, 4))
    witness = []
    for row, each in enumerate(minima):
        near = [(len(sets[row] & sets[i]) / len(sets[row] | sets[i]), -i) for i in lsh.query(each)]
        best, i = max(near, default=(0, 0))
        witness.append((-i, best) if best >= THRESHOLD else None)
        if best < THRESHOLD:
            lsh.insert(row, each)
    return witness


def rensa(root, parts):
    """rensa from texts: whether each row is a duplicate of another."""
    from rensa import RMinHash, RMinHashLSH

    matrix = RMinHash.digest_matrix_from_token_sets(
        shingled(read(root, parts)["text"].to_list()), num_perm=128, seed=1
    )
    lsh = RMinHashLSH(threshold=THRESHOLD, num_perm=128, num_bands=32)
    return lsh.query_duplicate_flags_matrix_one_shot(matrix)


def refuse_other_verdicts(root, parts, dropped):
    """Assert that datasketch, given our shingle hashes, comes to the same verdicts."""
    frame = read(root, parts).sort("sample_id")  # zero-padded numbers: the order of precedence
    exactly = set(dropped.filter(filter="exact")["sample_id"])
    frame = frame.filter(~pl.col("sample_id").is_in(list(exactly)))
    bounds, hashes = shingle_sets(frame["text"], N)
    arrays = [hashes[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    theirs, names = (
        given_hashes(arrays, [set(each.tolist()) for each in arrays]),
        frame["sample_id"].to_list(),
    )
    expected = [(names[i], names[found[0]], found[1]) for i, found in enumerate(theirs) if found]
    rows = dropped.filter(filter="minhash").select("sample_id", "witness_id", "score")
    assert sorted(rows.rows()) == sorted(expected), "datasketch given our hashes comes to other verdicts"
    say(f"    {len(exactly):,} exact and {len(expected):,} near copies; datasketch's verdicts are the same")


def refuse_other_witnesses(root, parts, dropped):
    """Assert that the verdicts in memory name the same witnesses as those of the tasks."""
    names = read(root, parts)["sample_id"]
    found = pl.Series(in_memory(root, parts))
    rows = (found >= 0).arg_true()
    mine = zip(names.gather(rows), names.gather(found.gather(rows)), strict=True)
    assert sorted(mine) == sorted(dropped.select("sample_id", "witness_id").rows()), (
        "other verdicts in memory"
    )


def compare(n_stories):
    """Rows of the table: this program beside each peer, medians of alternated rounds."""
    ways = {
        "verdicts in memory": in_memory, "tasks, all written": ours,
        "datasketch": bulk_xxh32, "rensa": rensa,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as root:
        parts = put(root, stories(n_stories, np.random.default_rng(0)))
        dropped = ours(root, parts)[1]  # loads what was compiled
        refuse_other_verdicts(root, parts, dropped)
        refuse_other_witnesses(root, parts, dropped)
        times = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, work in ways.items():
                times[name].append(cpu(lambda work=work: work(root, parts))[0])
    names = list(ways)
    return [
        row_of(n_stories, mine, times[mine], peer, times[peer]) for peer in names[2:] for mine in names[:2]
    ]


def row_of(n_rows, how, mine, name, theirs):
    ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
    cpu_s = statistics.median(mine)
    return {
        "stage": f"near-duplicates, {how}", "rows": n_rows, "cpu_s": cpu_s, "rows_per_s": n_rows / cpu_s,
        "peak_mb": None, "peer": name, "peer_version": version(name),
        "ratio": statistics.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios),
    }  # fmt: skip


def whole(name, batches, n):
    """The three tasks in a process of its own: CPU seconds of each, wall time, peak memory."""
    with tempfile.TemporaryDirectory() as root:
        parts = [part.model_dump() for part in put(root, batches)]
        asked = json.dumps({"root": root, "n": n, "parts": parts})
        done = subprocess.run(
            [sys.executable, __file__, "--inside", asked], check=True, stdout=subprocess.PIPE, text=True
        )
    found = json.loads(done.stdout.splitlines()[-1])
    rows = sum(part["rows"] for part in parts)
    times = ", ".join(f"{key} {value:.2f}" for key, value in found["spent"].items())
    total = sum(found["spent"].values())
    dropped = f"{found['exact']:,} exact and {found['minhash']:,} near copies"
    say(f"{name}: {rows:,} rows, word {n}-grams, {dropped}")
    say(f"    {total:.2f} CPU s ({times}), {found['wall_s']:.1f} s on the wall")
    say(f"    peak {found['peak_mb']:,.0f} MB, {found['before_mb']:,.0f} of them before")
    return {"rows": rows, "cpu_s": total, **found}


def inside(root, n, parts):
    """What the process of `whole` does."""
    with tempfile.TemporaryDirectory() as small:  # loads what was compiled
        few = ["one story of five words and more", "one story of five words and more or less"]
        ours(small, put(small, [few * 2]), n)
    before, begun_at = peak(), time.perf_counter()
    spent, dropped = ours(root, [Partition(**part) for part in parts], n)
    wall_s = time.perf_counter() - begun_at
    counts = {name: dropped.filter(filter=name).height for name in ("exact", "minhash")}
    say(json.dumps({"spent": spent, "wall_s": wall_s, "peak_mb": peak(), "before_mb": before, **counts}))


def rates():
    """Rows for the table of all benchmarks; memory is that of 100,000 stories in a process of its own."""
    rows = compare(20_000)
    many = whole("stories", stories(100_000, np.random.default_rng(1)), N)
    memory = {"stage": "near-duplicates, 100,000 stories", "peer": None, "peer_version": None, "ratio": None}
    speed = {"rows": many["rows"], "cpu_s": many["cpu_s"], "rows_per_s": many["rows"] / many["cpu_s"]}
    return [*rows, {**memory, **speed, "peak_mb": many["peak_mb"]}]


def alpaca(path):
    rows = json.loads(Path(path).read_text())
    return [["\n".join(filter(None, (row["instruction"], row["input"], row["output"]))) for row in rows]]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alpaca", help="alpaca_data.json")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--stories", type=int, help="so many through the tasks, and nothing else")
    asked = parser.parse_args()
    if asked.inside:
        return inside(**json.loads(asked.inside))
    if asked.stories:
        return whole("stories", stories(asked.stories, np.random.default_rng(0)), N)
    for row in compare(20_000):
        rounds = f"{row['ratio_low']:.1f} to {row['ratio_high']:.1f}"
        say(f"{row['stage']}: {row['rows']:,} stories in {row['cpu_s']:.2f} CPU s")
        say(f"    {row['peer']} {row['peer_version']} takes {row['ratio']:.1f} times as long ({rounds})")
    if asked.alpaca:
        whole("alpaca", alpaca(asked.alpaca), 3)
    whole("one text", [["the same little story told once more"] * 20_000], 5)
    boilerplate = " ".join(f"shared{i}" for i in range(60))
    texts = [boilerplate + "".join(f" own{i}x{j}" for j in range(30)) for i in range(20_000)]
    whole("boilerplate", [texts], 5)


if __name__ == "__main__":
    main()
