"""What the statistics cost, in CPU time, and what `diversity` 0.3.1 and `vendi-score` cost beside ours.

python tests/bench/diversity.py                     cost of all statistics at 100,000 texts, growth, and the peers
python tests/bench/diversity.py --peers DIR         where `pip install --no-deps --target DIR diversity==0.3.1` put it
python tests/bench/diversity.py --only peers        one part: cost, growth, peers or defects

`diversity` cannot be imported as it is: its `__init__` downloads data by nltk and wants spaCy, which its metadata
does not name. Its four files that need neither are loaded one by one; DIR is .venv/peers when not given.
Texts are made here: words by a Zipf law, some of them copies. One thread each; alternated in one process.
"""

# ruff: noqa: E402  (threads are set before numpy is imported)
import argparse
import gzip
import importlib.util
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(name, "1")  # before numpy: CPU seconds of one core

import numpy as np
import polars as pl

from schemas.errors import BadInput
from tasks import explore, lexical, spread
from tasks.design import Design
from tasks.measurement import measure

PEERS = Path(sys.prefix) / "peers"  # where `make bench` puts them
D, LISTS = 384, 300  # dimensions, words in each of three lists
ROUNDS = 3
COST = 100_000
GROWTH = (50_000, 100_000, 200_000)
EACH_GROWTH = (25_000, 50_000, 100_000)  # of the plain functions, in one process


def say(line=""):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@cache
def texts_of(n, seed=0, words=150):
    """n texts of 75 to 225 words by a Zipf law over 9,000, one in ten a copy, and their vocabulary."""
    chance = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = sorted({"".join(chance.choice(letters, k)) for k in chance.integers(2, 10, 9000)})
    p = 1 / np.arange(1, len(vocabulary) + 1)
    lengths = chance.integers(words // 2, words * 3 // 2, n)
    drawn = np.array(vocabulary)[chance.choice(len(vocabulary), lengths.sum(), p=p / p.sum())]
    openers = ["Once upon a time", "One day", "There was a", "In a small town"]
    edges = np.concatenate([[0], np.cumsum(lengths)])
    made = [f"{openers[i % 4]} {' '.join(drawn[edges[i] : edges[i + 1]])}." for i in range(n)]
    for i in range(10, n, 10):
        made[i] = made[i - 1]
    return made, vocabulary


def frame_of(n):
    """Samples with three requested words each, of which two are in the text."""
    texts, vocabulary = texts_of(n)
    chance = np.random.default_rng(1)
    lists = [vocabulary[100 + LISTS * i : 100 + LISTS * (i + 1)] for i in range(3)]
    asked = [[str(chance.choice(each)) for each in lists] for _ in range(n)]
    return pl.DataFrame(
        {
            "sample_id": [f"{i:032x}" for i in range(n)],
            "text": [f"{text} {a} {b}." for text, (a, b, _) in zip(texts, asked, strict=True)],
            "slots": [json.dumps({"words": words}) for words in asked],
        }
    )


def vectors_of(n, seed=0):
    """Unit rows around 200 centres, float32."""
    chance = np.random.default_rng(seed)
    rows = np.empty((n, D), np.float32)
    centres = 0.8 * chance.standard_normal((200, D)).astype(np.float32)
    for start in range(0, n, 10_000):
        part = rows[start : start + 10_000]
        part[:] = chance.standard_normal(part.shape, dtype=np.float32)
        part += centres[chance.integers(0, 200, len(part))]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows


def status(field):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024  # MB


def cpu(work: Callable) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def whole(n):
    """CPU seconds, MB held before (texts and vectors), and peak MB of all statistics of n texts."""
    design = Design(("words",), (LISTS,) * 3)
    measure(frame_of(60), vectors_of(60), "e", design, vectors_of(60, 1))  # compiles
    samples, vectors, earlier = frame_of(n), vectors_of(n), vectors_of(20_000, 9)
    before = status("VmRSS:")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    seconds = cpu(lambda: measure(samples, vectors, "e", design, earlier))
    return {"rows": n, "cpu_s": seconds, "before_mb": before, "peak_mb": status("VmHWM:")}


def alone(n):
    """`whole` in a process of its own."""
    command = [sys.executable, __file__, "--whole", str(n)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def cost():
    found = alone(COST)
    say(
        f"all statistics of {COST:,} texts with vectors: {found['cpu_s']:.1f} CPU s, {COST / found['cpu_s']:,.0f} rows/s"
    )
    say(
        f"peak {found['peak_mb']:.0f} MB, of which {found['before_mb']:.0f} MB are the texts and vectors given"
    )
    return found


def growth():
    found = [alone(n) for n in GROWTH]
    for row in found:
        say(
            f"{row['rows']:>8,} {row['cpu_s']:6.1f} CPU s, {row['peak_mb'] - row['before_mb']:.0f} MB above the input"
        )
    exponents = [math.log2(b["cpu_s"] / a["cpu_s"]) for a, b in zip(found, found[1:], strict=False)]
    say(f"growth exponents {', '.join(f'{e:.2f}' for e in exponents)}")
    for name, work in EACH.items():
        taken = [min(cpu(work(n)) for _ in range(2)) for n in EACH_GROWTH]
        each = [math.log2(b / a) for a, b in zip(taken, taken[1:], strict=False)]
        say(
            f"{name:28} {taken[-1]:6.2f} CPU s at {EACH_GROWTH[-1]:,}; exponents {', '.join(f'{e:.2f}' for e in each)}"
        )


def _on_vectors(statistic):
    def prepared(n):
        rows = vectors_of(n)
        return lambda: statistic(rows)

    return prepared


def _on_texts(statistic):
    def prepared(n):
        texts = texts_of(n, words=40)[0]
        return lambda: statistic(texts)

    return prepared


# the plain functions on all n rows; in a run those of words see 20,000 texts
EACH = {
    "vs2_unbiased": _on_vectors(spread.vs2_unbiased),
    "vendi": _on_vectors(spread.vendi),
    "opener_share": _on_texts(lexical.opener_share),
    "repeated_ngram_share": _on_texts(lexical.repeated_ngram_share),
    "rarefied_ngrams": _on_texts(lexical.rarefied_ngrams),
    "good_turing": _on_texts(lexical.good_turing),
}


def peer(folder, name):
    """One file of the package, without its `__init__`; None with a printed reason."""
    path = Path(folder or PEERS) / "diversity" / f"{name}.py"
    if not path.is_file():
        say(f"diversity/{name}.py is not at {path.parent}: make bench puts it there")
        return None
    if "evaluate" not in sys.modules and importlib.util.find_spec("evaluate") is None:
        sys.modules["evaluate"] = type(sys)("evaluate")  # only asked for BERTScore and BLEU
        sys.modules["evaluate"].load = None
    spec = importlib.util.spec_from_file_location(f"peer_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, {"compression": "compression_ratio"}.get(name, f"{name}_score"))


def homogenization(texts):
    """Mean ROUGE-L F of two different texts: the definition of the peer, by our pairs."""
    from tasks.rouge import rouge_l_matrix
    from tasks.tokens import words

    vocabulary = {}
    tokens = [tuple(vocabulary.setdefault(word, len(vocabulary)) for word in words(text)) for text in texts]
    scores = rouge_l_matrix(tokens, tokens)
    return float((scores.sum() - np.trace(scores)) / (len(texts) * (len(texts) - 1)))


def self_repetition(texts, n=4):
    """Mean over texts of ln(1 + sum over its n-grams of the other texts that have it)."""
    grams = lexical.once_per_text(lexical.ngrams(texts, n))
    others = np.bincount(grams.types)[grams.types] - 1
    return float(np.mean(np.log1p(np.bincount(grams.text, others, len(texts)))))


def ngram_diversity(texts, most=4):
    """Sum over n = 1..4 of distinct-n, n-grams inside a text."""
    corpus = lexical.read(texts)
    return sum(lexical.distinct_ngrams(corpus, n) for n in range(1, most + 1))


def _pairs(folder):
    """Name, rows, ours, theirs, package; work of each on the same input."""
    few, some, many = (texts_of(n, words=45)[0] for n in (60, 1_000, 4_000))
    # lower case, split by blanks and rejoined, so that both tokenisers see the same words
    few, some, many = (
        [" ".join(text.lower().replace(".", "").split()) for text in texts] for texts in (few, some, many)
    )
    rows = {n: vectors_of(n).astype(np.float64) for n in (1_000, 20_000)}
    listed = []
    for stage, texts, ours, name, options in (
        ("compression xz", many, explore.compression_ratio, "compression", {"algorithm": "xz"}),
        ("homogenization ROUGE-L", few, homogenization, "homogenization", {"verbose": False}),
        ("self-repetition", some, self_repetition, "self_repetition", {"verbose": False}),
        ("self-repetition", many, self_repetition, "self_repetition", {"verbose": False}),
        ("n-gram diversity", many, ngram_diversity, "ngram_diversity", {}),
    ):
        theirs = peer(folder, name)
        if theirs is not None:
            listed.append((stage, texts, ours, partial(theirs, **options), "diversity 0.3.1"))
    try:
        from vendi_score import vendi
    except ImportError:
        say("vendi-score is not installed: it is in the extra dev")
        return listed
    listed.append(("Vendi, dual", rows[20_000], spread.vendi, vendi.score_dual, "vendi-score 0.0.3"))
    primal = lambda x: vendi.score_K(x @ x.T)  # noqa: E731
    listed.append(("Vendi, from K", rows[1_000], spread.vendi, primal, "vendi-score 0.0.3"))
    listed.append(
        ("Vendi, from K", vectors_of(2_000).astype(np.float64), spread.vendi, primal, "vendi-score 0.0.3")
    )
    return listed


def alternated(ours, theirs):
    """Least CPU seconds of each; a slow peer is run once."""
    seconds = [(cpu(ours), cpu(theirs))]
    while len(seconds) < ROUNDS and seconds[0][1] < 5:
        seconds.append((cpu(ours), cpu(theirs)))
    return tuple(max(1e-9, min(column)) for column in zip(*seconds, strict=True))


def rates(folder=None) -> list[dict]:
    """One row for each comparison: stage, rows, cpu_s, rows_per_s, peak_mb, peer, peer_version, ratio."""
    number = alone(COST)
    own = {"stage": "diversity: all statistics", "rows": COST, "cpu_s": number["cpu_s"]}
    own |= {"rows_per_s": COST / number["cpu_s"], "peak_mb": number["peak_mb"]}
    return [{**own, "peer": None, "peer_version": None, "ratio": None}, *compared(folder)]


def compared(folder):
    """The rows that have a peer; ratio is its CPU time over ours."""
    for stage, given, ours, theirs, package in _pairs(folder):
        ours_s, theirs_s = alternated(partial(ours, given), partial(theirs, given))
        name, version = package.split()
        row = {"stage": stage, "rows": len(given), "cpu_s": ours_s, "rows_per_s": len(given) / ours_s}
        yield {**row, "peak_mb": None, "peer": name, "peer_version": version, "ratio": theirs_s / ours_s}


def peers(folder):
    say(f"{'stage':28} {'rows':>7} {'ours s':>8} {'rows/s':>10} {'ratio':>8}  peer")
    for row in compared(folder):
        say(
            f"{row['stage']:28} {row['rows']:>7,} {row['cpu_s']:>8.3f} {row['rows_per_s']:>10,.0f} "
            f"{row['ratio']:>8.1f}  {row['peer']} {row['peer_version']}"
        )


def defects(folder):
    """Where the peers are wrong; each is asserted, so that a version that mends it is noticed."""
    compression, homogenized = peer(folder, "compression"), peer(folder, "homogenization")
    repeated, diverse = peer(folder, "self_repetition"), peer(folder, "ngram_diversity")
    if compression:
        copies = ["the cat sat on the mat"] * 5_000
        once = len(gzip.compress(" ".join(copies).encode()))
        twice = len(" ".join(copies).encode()) / compression(copies, "gzip")
        assert twice < 0.5 * once, "gzip twice"
        say(f"compression gzips twice: {twice:.0f} bytes where gzip gives {once}")
        apart = texts_of(400, words=60)[0]
        near = compression(sorted(apart), "xz"), compression(apart[::2] + apart[1::2], "xz")
        assert near[0] != near[1]
        assert explore.compression_ratio(apart) == explore.compression_ratio(apart[::-1])
        say(
            f"compression depends on the order of texts: {near[0]} sorted, {near[1]} otherwise; ours does not"
        )
    if homogenized:
        disjoint = ["alpha beta gamma", "delta epsilon zeta", "eta theta iota"]
        assert homogenized(disjoint, verbose=False) == 1.0 and homogenization(disjoint) == 0
        say("homogenization of texts that share no word: 1.0, as of copies; ours 0")
        same = ["小猫 坐 在 垫子 上", "小猫 坐 在 垫子 上", "a cat", "a cat"]
        assert homogenized(same, verbose=False) < 0.2 < homogenization(same)
        say(
            f"equal Chinese texts count as unlike: {homogenized(same, verbose=False)}; ours {homogenization(same):.3f}"
        )
    if diverse:
        try:
            diverse(["a"])
            raise AssertionError("n-gram diversity of ['a'] is defined now")
        except ZeroDivisionError:
            say("n-gram diversity of ['a']: ZeroDivisionError; ours null")
        assert explore.self_bleu(["a"]) is None and lexical.distinct_ngrams(["a"]) is None
        assert diverse(["a b", "c d"]) > 1
        say(f"n-gram diversity ranges to 4, not 1: {diverse(['a b c d', 'e f g h'])}; n-grams cross texts")
    if repeated:
        some = texts_of(300, words=45)[0]
        some = [" ".join(text.lower().replace(".", "").split()) for text in some]
        assert abs(repeated(some, verbose=False) - self_repetition(some)) < 1e-9
        say("self-repetition agrees with ours to 1e-9, in quadratic time")
    from vendi_score import vendi

    rows = vectors_of(200).astype(np.float64)
    assert vendi.score_X(rows, q=2) == vendi.score_X(rows, q=1)
    assert abs(vendi.score_dual(rows, q=2) - spread.vendi(rows, 2)) < 1e-6
    say(
        f"score_X ignores q: {vendi.score_X(rows, q=2):.2f} for q = 2; score_dual and ours {spread.vendi(rows, 2):.2f}"
    )
    holed = np.vstack([np.eye(3), np.zeros((1, 3))])
    say(
        f"a zero row gives a number without a word: {vendi.score_dual(holed):.3f}; ours refuses the row by name"
    )
    try:
        spread.vendi(holed)
        raise AssertionError("a zero row passed")
    except BadInput as error:
        say(f"  {error}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", help="folder that holds the package diversity")
    parser.add_argument("--only", choices=["cost", "growth", "peers", "defects"])
    parser.add_argument("--whole", type=int, help="cost of one size as JSON, for a process of its own")
    given = parser.parse_args()
    if given.whole:
        say(json.dumps(whole(given.whole)))
        return
    parts = {
        "cost": cost,
        "growth": growth,
        "peers": lambda: peers(given.peers),
        "defects": lambda: defects(given.peers),
    }
    for name in [given.only] if given.only else parts:
        say(f"\n{name}")
        parts[name]()


if __name__ == "__main__":
    main()
