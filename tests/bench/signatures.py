"""What MinHash signatures cost, in CPU time, beside datasketch and rensa; alternated, so that ratios hold.

PYTHONPATH=.venv/peers python tests/bench/signatures.py      stories, instructions, Vietnamese, Chinese, and the stage as a whole
"""

import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import rensa
import xxhash
from datasketch import MinHash

from tasks.shingles import fingerprints, sign
from tasks.signature import signatures
from warehouse.parts import polars_schema
from warehouse.run import begin

PUBLIC = Path(__file__).parents[2].parent / "shared" / "data"
DIGESTS = "with digests"
ROUNDS, FEW = 5, 1_500  # peers are slow: they get the first texts only


def say(line=""):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def markov(n, rng, length=200):
    """Order-2 Markov texts made from TinyStories."""
    text = (PUBLIC / "tinystories" / "valid_first_10k_lines.txt").read_text()
    source = np.array(text.encode("ascii", "ignore").decode().split())
    _, code = np.unique(source, return_inverse=True)
    pair = code[:-1].astype(np.int64) * (code.max() + 1) + code[1:]
    order = np.argsort(pair, kind="stable")
    first, last = np.searchsorted(pair[order], pair), np.searchsorted(pair[order], pair, side="right")
    places = np.empty((n, length), np.int64)
    places[:, 0] = rng.integers(len(pair) - 1, size=n)
    for step in range(1, length):
        at = np.minimum(places[:, step - 1], len(pair) - 2)
        draw = (first[at] + rng.random(n) * (last[at] - first[at])).astype(int)
        places[:, step] = np.minimum(order[draw] + 1, len(pair) - 2)
    return [" ".join(row) for row in source[places]]


def vietnamese(n, rng):
    words = [
        "ngày",
        "xưa",
        "có",
        "một",
        "cô",
        "bé",
        "sống",
        "trong",
        "khu",
        "rừng",
        "nhỏ",
        "cùng",
        "bà",
        "ngoại",
        "rất",
        "thích",
        "ăn",
        "táo",
        "đỏ",
        "mỗi",
        "buổi",
        "sáng",
    ]
    return [" ".join(row) for row in np.array(words)[rng.integers(0, len(words), (n, 200))]]


def chinese(n, rng):
    letters = np.array(list("从前有一个小女孩住在森林里她非常喜欢吃红苹果每天早上都去河边看鱼和鸟唱歌，。"))
    return ["".join(row) for row in letters[rng.integers(0, len(letters), (n, 200))]]


def shingled(texts, n):
    """What a user of datasketch or rensa does before it: word n-grams as strings."""
    split = (text.lower().split() for text in texts)
    return [[" ".join(w[i : i + n]) for i in range(max(1, len(w) - n + 1))] for w in split]


def encoded(texts, n):
    return [[s.encode() for s in each] for each in shingled(texts, n)]


def rensa_signatures(kind, texts, n):
    for each in shingled(texts, n):
        made = kind(num_perm=128, seed=1)
        made.update(each)
        made.digest()


def text_dedup_signatures(texts, n):
    """The core of text-dedup's `minhash` command, its defaults but for 128 permutations in 32 bands of 4."""
    from text_dedup.minhash import embed_func
    from text_dedup.utils import xxh3_32hash

    prime, most = np.uint64((1 << 32) - 5), np.uint32((1 << 32) - 1)
    chance = np.random.RandomState(42)
    permutations = tuple(
        chance.randint(low, (1 << 32) - 5, size=128, dtype=np.uint64).astype(np.uint32) for low in (1, 0)
    )
    for i, text in enumerate(texts):
        embed_func(
            text, i, num_perm=128, ngram_size=n, min_length=1,
            hashranges=[(4 * band, 4 * band + 4) for band in range(32)], permutations=permutations,
            hash_func=xxh3_32hash, dtype=np.uint32, max_hash=most, modulo_prime=np.uint32(prime),
        )  # fmt: skip


def cpu(work):
    begun = time.process_time()
    work()
    return time.process_time() - begun


def ways(texts, n):
    """Name, rows, work: ours and the peers', from strings unless said otherwise."""
    few, series = texts[:FEW], pl.Series(texts)
    ready = [[xxhash.xxh32_intdigest(s) for s in each] for each in encoded(few, n)]
    kept = {"num_perm": 128, "seed": 1}
    return {
        "this program": (len(texts), lambda: sign(series, n)),
        DIGESTS: (len(texts), lambda: fingerprints(series, n)),
        "datasketch bulk, xxh32": (
            FEW,
            lambda: MinHash.bulk(encoded(few, n), hashfunc=xxhash.xxh32_intdigest, **kept),
        ),
        "datasketch bulk, default": (FEW, lambda: MinHash.bulk(encoded(few, n), **kept)),
        "datasketch bulk, given hashes": (FEW, lambda: MinHash.bulk(ready, hashfunc=lambda h: h, **kept)),
        "rensa RMinHash": (FEW, lambda: rensa_signatures(rensa.RMinHash, few, n)),
        "rensa CMinHash": (FEW, lambda: rensa_signatures(rensa.CMinHash, few, n)),
        "text-dedup": (FEW, lambda: text_dedup_signatures(few, n)),
    }


def compared(stage, texts, n):
    """One row per peer, and one for ours with digests; `ratio`: ours is faster by, per text."""
    text_dedup_signatures(texts[:2], n)  # its import is not what is measured
    found = ways(texts, n)
    fingerprints(pl.Series(texts[:2]), n)  # compile, or load what was compiled
    spent = {name: [] for name in found}
    for _ in range(ROUNDS):
        for name, (_, work) in found.items():
            spent[name].append(cpu(work))
    ours, seconds = spent.pop("this program"), {name: statistics.median(s) for name, s in spent.items()}
    usual = {"stage": stage, "rows": len(texts), "peak_mb": None}
    rows = []
    for name, took in spent.items():
        size = found[name][0]
        ratios = [s / size / (o / len(texts)) for s, o in zip(took, ours, strict=True)]
        cost = seconds[name] if name == DIGESTS else statistics.median(ours)
        speed = {"cpu_s": cost, "rows_per_s": len(texts) / cost}
        beside = {"peer": name, "peer_version": version(name.split()[0])} if name != DIGESTS else {}
        bounds = {"ratio_low": min(ratios), "ratio_high": max(ratios), "ratio": statistics.median(ratios)}
        rows.append({**usual, **speed, **(beside and {**beside, **bounds})})
    rows[0]["stage"] += ", with digests"
    return rows


def rates():
    """Rows of the table of benchmarks: signatures of stories and of instructions."""
    rng = np.random.default_rng(0)
    return [
        *compared("signatures, stories", markov(10_000, rng), 5),
        *compared("signatures, instructions", markov(100_000, rng, 14), 3),
    ]


def whole(texts, n=5):
    """The stage, Parquet read and written: CPU seconds of all of it and of its pieces."""
    with tempfile.TemporaryDirectory() as folder:
        run = begin(Path(folder), "curate", "bench", "now", {})
        parts = run.once("put", [], {}, lambda: {"sample": sample_rows(texts, run.run_id)})
        texts = run.read(parts[0], columns=["text"])["text"]
        pieces = {
            "read the texts": cpu(lambda: run.read(parts[0], columns=["sample_id", "text", "final"])),
            "sign": cpu(lambda: sign(texts, n)),
            "sign and digest": cpu(lambda: fingerprints(texts, n)),
            "the stage": cpu(lambda: signatures.fn(run, parts, n)),
        }
    say(f"stage, {len(texts):,} stories: " + ", ".join(f"{k} {v:.3f} CPU s" for k, v in pieces.items()))


def sample_rows(texts, run_id):
    """Rows of the table `sample`, with blanks in what no filter reads."""
    ids = pl.format("s{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(9))
    rows = pl.DataFrame({"text": texts}).with_columns(
        sample_id=ids, ordinal=pl.int_range(pl.len()), final=pl.lit(True), run_id=pl.lit(run_id)
    )
    from schemas.tables import Sample

    blanks = {
        field.name: pl.lit(None if field.nullable else "", polars_schema("sample")[field.name])
        for field in Sample.arrow()
        if field.name not in rows.columns
    }
    return rows.with_columns(**blanks)


def main():
    rng = np.random.default_rng(0)
    rows = rates()
    rows += compared("signatures, Vietnamese", vietnamese(5_000, rng), 5)[:2]
    rows += compared("signatures, Chinese", chinese(5_000, rng), 5)[:2]
    for row in rows:
        beside = f"{row['ratio']:8.1f}x {row['peer']}" if "peer" in row else ""
        say(f"{row['stage']:40}{row['rows_per_s']:12,.0f}/CPU s {beside}")
    whole(markov(20_000, rng))


if __name__ == "__main__":
    main()
