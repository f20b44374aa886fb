"""What MinHash costs, in CPU time, beside datasketch; alternated in one run, so that ratios can be trusted.

python tests/bench/minhash.py                      stories made from TinyStories, and adversarial texts
python tests/bench/minhash.py --alpaca FILE        also the Alpaca rows of this file, through all three tasks
python tests/bench/minhash.py --stories 500000     more stories through the tasks (memory: see the peak)
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import xxhash
from datasketch import MinHash

from schemas.partition import Partition
from schemas.tables import Sample
from tasks.exact import exact
from tasks.minhash import minhash
from tasks.shingles import sign
from tasks.signature import signatures
from warehouse.parts import polars_schema
from warehouse.run import begin

PUBLIC = Path(__file__).parents[2].parent / "shared" / "data"
ROUNDS = 5


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
    places = np.empty((n, 200), np.int64)
    places[:, 0] = rng.integers(len(pair) - 1, size=n)
    for step in range(1, 200):
        at = np.minimum(places[:, step - 1], len(pair) - 2)
        places[:, step] = np.minimum(
            order[(first[at] + rng.random(n) * (last[at] - first[at])).astype(int)] + 1, len(pair) - 2
        )
    for row in np.flatnonzero(rng.random(n) < repeated)[1:]:
        places[row] = places[rng.integers(row)]
        places[row, rng.integers(0, 200, rng.integers(0, 13))] = rng.integers(len(pair))
    return [" ".join(row) for row in source[places]]


def shingled(texts, n):
    """What a user of datasketch does before it: lists of word n-grams as bytes."""
    split = (text.lower().split() for text in texts)
    return [[" ".join(w[i : i + n]).encode() for i in range(max(1, len(w) - n + 1))] for w in split]


def cpu(work):
    begun = time.process_time()
    work()
    return time.process_time() - begun


def compare_signatures(texts, n):
    """Documents per CPU second of four ways to the same kind of signature, medians of alternated rounds."""
    series, few = pl.Series(texts), texts[:1500]
    ready = [[xxhash.xxh32_intdigest(s) for s in each] for each in shingled(few, n)]
    fast = {"num_perm": 128, "seed": 1, "hashfunc": xxhash.xxh32_intdigest}
    ways = {
        "this program": (len(texts), lambda: sign(series, n)),
        "datasketch, default hash": (len(few), lambda: MinHash.bulk(shingled(few, n), num_perm=128, seed=1)),
        "datasketch bulk, xxh32": (len(few), lambda: MinHash.bulk(shingled(few, n), **fast)),
        "datasketch bulk, given hashes": (
            len(few),
            lambda: MinHash.bulk(ready, num_perm=128, seed=1, hashfunc=lambda h: h),
        ),
    }
    sign(series[:2], n)  # compile, or load what was compiled
    rates = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (size, work) in ways.items():
            rates[name].append(size / cpu(work))
    ours = rates["this program"]
    say(f"{'signatures, word ' + str(n) + '-grams':38}{'docs per CPU s':>16}{'ours is faster by':>20}")
    for name, found in rates.items():
        ratio = statistics.median(a / b for a, b in zip(ours, found, strict=True))
        say(f"{name:38}{statistics.median(found):16,.0f}{ratio:19.1f}x")
    say()


def whole(name, texts, n):
    """All three tasks on one part of samples, in a process of its own: CPU seconds of each, peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        run = begin(Path(folder), "curate", "bench", "now", {})
        parts = run.once("put", [], {}, lambda: {"sample": sample_rows(texts, run.run_id)})
        asked = json.dumps({"name": name, "root": folder, "n": n, "part": parts[0].model_dump()})
        subprocess.run([sys.executable, __file__, "--inside", asked], check=True)


def inside(name, root, n, part, threshold=0.7):
    """What the process of `whole` does."""
    run, parts = begin(Path(root), "curate", "bench", "now", {}), [Partition(**part)]
    sign(pl.Series(["load what was compiled"]), n)
    before, made = peak(), {}
    spent = {"exact": cpu(lambda: made.update(exact=exact.fn(run, parts, [], "")))}
    spent["signature"] = cpu(lambda: made.update(signature=signatures.fn(run, parts, n)))
    last = partial(minhash.fn, run, parts, made["exact"], made["signature"], threshold, n, "")
    spent["minhash"] = cpu(lambda: made.update(minhash=last()))
    dropped = [int((~run.read(made[key][0])["keep"]).sum()) for key in ("exact", "minhash")]
    times = ", ".join(f"{key} {value:.2f}" for key, value in spent.items())
    say(
        f"{name}: {parts[0].rows:,} rows, word {n}-grams, {dropped[0]:,} exact and {dropped[1]:,} near copies"
    )
    say(f"    {sum(spent.values()):.2f} CPU s ({times}); peak {peak():,.0f} MB, {before:,.0f} of them before")


def peak():
    """Highest resident memory of this process so far, MB; rusage would count that of its parent too."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1e3


def sample_rows(texts, run_id):
    """Rows of the table `sample`, with blanks in what no filter reads."""
    rows = (
        pl.DataFrame({"text": texts})
        .with_row_index("ordinal")
        .with_columns(
            sample_id=pl.format("s{}", pl.col("ordinal").cast(pl.String).str.zfill(9)),
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


def alpaca(path):
    rows = json.loads(Path(path).read_text())
    return ["\n".join(filter(None, (row["instruction"], row["input"], row["output"]))) for row in rows]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alpaca", help="alpaca_data.json")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--stories", type=int, default=20_000, help="rows of the run through the tasks")
    asked = parser.parse_args()
    if asked.inside:
        return inside(**json.loads(asked.inside))
    rng = np.random.default_rng(0)
    compare_signatures(stories(10_000, rng), 5)
    whole("warm-up", stories(500, rng), 5)
    if asked.alpaca:
        texts = alpaca(asked.alpaca)
        compare_signatures(texts[:10_000], 3)
        whole("alpaca", texts, 3)
    whole("stories", stories(asked.stories, rng), 5)
    whole("one text", ["the same little story told once more"] * 20_000, 5)
    boilerplate = " ".join(f"shared{i}" for i in range(60))
    whole("boilerplate", [boilerplate + "".join(f" own{i}x{j}" for j in range(30)) for i in range(20_000)], 5)


if __name__ == "__main__":
    main()
