"""What semantic near-duplicates cost beside faiss and semhash, in CPU time, and what each of them finds.

python tests/bench/semantic.py                    10,000 and 100,000 vectors, 384 dimensions
python tests/bench/semantic.py --rows 20000       so many, and no others
python tests/bench/semantic.py --texts FILE       instead the texts of a JSON array of Alpaca rows, by minilm

The vectors: n / 50 centres with noise, of which 5% are near copies of another row (cosine about 0.98 to it). Ours
decides the duplicates at 0.9 and finds the nearest before each row and the nearest of all; faiss (flat, exact)
finds the nearest of all alone; semhash decides the duplicates, through its default index (HNSW of usearch). All
use every thread they take; CPU time counts all threads. The rounds are alternated.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tasks.cosine_leaders import lead
from tasks.cosine_search import cosines
from tasks.vectors import unit_rows

T = 0.9
ROUNDS = {10_000: 5, 100_000: 1}


def say(line=""):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def vectors_of(n, d=384, seed=0):
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((max(1, n // 50), d), dtype=np.float32)
    rows = centres[chance.integers(len(centres), size=n)]
    rows += 0.7 * chance.standard_normal((n, d), dtype=np.float32)
    copies = chance.choice(n, n // 20, replace=False)
    rows[copies] = rows[chance.integers(n, size=len(copies))]
    rows[copies] += 0.2 * chance.standard_normal((len(copies), d), dtype=np.float32)
    return unit_rows(rows)


def ours(vectors, exact_pairs=None, threshold=T):
    hashed = np.random.default_rng(1).permutation(len(vectors))
    return lead(vectors, hashed, np.empty(0), lambda: iter(()), threshold, exact_pairs)


def faiss_flat(vectors):
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index.search(vectors, 2)


def semhash_kept(vectors):
    from semhash import SemHash

    names = [str(i) for i in range(len(vectors))]
    found = SemHash.from_embeddings(vectors, names, model=None).self_deduplicate(threshold=T)
    return np.array([int(name) for name in found.selected])


PEERS = {"faiss-cpu": faiss_flat, "semhash": semhash_kept}


def installed(name):
    try:
        __import__(name.partition("-")[0])
        return version(name)
    except ImportError:
        return None


def cpu(work):
    before = time.process_time()
    found = work()
    return time.process_time() - before, found


def compared(vectors, rounds):
    """CPU seconds of each way in alternated rounds, and what the last round found."""
    ways = {"exact": lambda: ours(vectors), "cells": lambda: ours(vectors, 0)}
    ways |= {name: lambda f=f: f(vectors) for name, f in PEERS.items() if installed(name)}
    ours(vectors[:2000])  # compiled code is loaded
    spent, found = {name: [] for name in ways}, {}
    for _ in range(rounds):
        for name, work in ways.items():
            seconds, found[name] = cpu(work)
            spent[name].append(seconds)
    return spent, found


def told(vectors, spent, found):
    """What was found, in words."""
    exact = found["exact"]
    n, kept = len(vectors), exact.kept
    before = exact.prior.rank >= 0
    recall = (found["cells"].prior.cosine[before] == exact.prior.cosine[before]).mean()
    fallen = (~kept & ~found["cells"].kept).sum() / max(1, (~kept).sum())
    measured = found["cells"].recall
    say(f"{n:,} vectors: {n - kept.sum():,} of them within {T} of one before")
    say(f"    cells: recall of the nearest before {recall:.4f}, told {measured.value:.4f} "
        f"({measured.low:.4f} to {measured.high:.4f}); of the dropped {fallen:.4f}")  # fmt: skip
    if "semhash" in found:
        theirs = np.zeros(n, bool)
        theirs[found["semhash"]] = True
        left = kept_pairs(vectors[theirs])
        say(f"    semhash keeps {theirs.sum():,}, ours {kept.sum():,}; among what it keeps {left} reach {T}")
    for name, seconds in spent.items():
        say(f"    {name:10} {statistics.median(seconds):9.2f} CPU s   {seconds}")


def kept_pairs(rows):
    """Rows that have another one within the threshold before them."""
    return sum(
        int((np.tril(cosines(rows[i : i + 512], rows[: i + 512]), i - 1) >= T).any(axis=1).sum())
        for i in range(0, min(len(rows), 20_000), 512)
    )


def peak_of(n, mode):
    """Peak memory in MB of the search alone, in a process of its own, less what it had before."""
    code = f"import semantic; semantic.say(semantic.own_peak({n}, {mode!r}))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def own_peak(n, mode):
    vectors = vectors_of(n)
    ours(vectors[:500])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours(vectors, 0 if mode == "cells" else None)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 + vectors.nbytes / 2**20


def rates():
    """Rows of the table of `make bench`."""
    made = []
    for n, rounds in ROUNDS.items():
        spent, _ = compared(vectors_of(n), rounds)
        for mode, stage in (("exact", "semantic, exact"), ("cells", "semantic, in cells")):
            seconds = statistics.median(spent[mode])
            row = {"stage": stage, "rows": n, "cpu_s": seconds, "rows_per_s": n / seconds}
            row["peak_mb"] = peak_of(n, mode)
            made += [row | beside(name, spent[mode], spent.get(name)) for name in PEERS]
    return made


def beside(name, mine, theirs):
    """The columns of a peer; empty when it is not installed."""
    if theirs is None:
        return {"peer": None, "peer_version": None, "ratio": None}
    ratios = [t / m for t, m in zip(theirs, mine, strict=True)]
    bounds = {"ratio_low": min(ratios), "ratio_high": max(ratios)} if len(ratios) > 1 else {}
    return {"peer": name, "peer_version": installed(name), "ratio": statistics.median(ratios), **bounds}


def embedded(file):
    """Real vectors: instruction, input and output of Alpaca rows, each text once."""
    from tasks.encoder import encode, load_encoder

    rows = json.loads(Path(file).read_text())
    texts = list(dict.fromkeys(" ".join(filter(None, (r["instruction"], r["input"]))) for r in rows))
    return encode(texts, load_encoder("minilm")).unit.astype(np.float32)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="*", default=list(ROUNDS))
    parser.add_argument("--texts", help="embed these instead")
    asked = parser.parse_args()
    for n in [None] if asked.texts else asked.rows:
        vectors = unit_rows(embedded(asked.texts)) if asked.texts else vectors_of(n)
        told(vectors, *compared(vectors, ROUNDS.get(n, 1)))


if __name__ == "__main__":
    main()
