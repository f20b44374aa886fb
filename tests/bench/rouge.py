"""What Self-Instruct's novelty filter costs, in CPU time on one core, beside the ways in which others run it.

python tests/bench/rouge.py                        the instructions of Alpaca among the public data
python tests/bench/rouge.py --alpaca FILE          those of this file
python tests/bench/rouge.py --all                  also check all decisions against the F of every pair

First ours: every instruction against all accepted before it, by pool size, each size in a process of its own.
Then in turns, on the same pairs: ours; `rouge_score` as Self-Instruct calls it (texts, tokenised for every
pair); `rouge_score` on tokens made once, as Alpaca calls it and what was built on Alpaca; and the bit-parallel
LCS of every pair (rapidfuzz, in blocks, which is what this program did before). Neither of the others runs in
parallel here, and their time is CPU time too. Decisions, scores and witnesses are compared. Compiled code is
loaded before the clock starts.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
from rouge_score import rouge_scorer

from tasks.rouge import end_to_end, judge, nearest, rouge_l_matrix
from tasks.rouge_search import search

ALPACA = Path(__file__).parents[2].parent / "shared" / "data" / "alpaca" / "alpaca_data.json"
THRESHOLD, ROUNDS, BLOCK = 0.7, 3, 128
AMONG, FEW = 500, 3  # how many are judged among themselves; how many against the whole pool
SIZES = (13_000, 26_000, 52_002)


def say(line=""):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def cpu(work):
    begun = time.process_time()
    made = work()
    return time.process_time() - begun, made


def peak():
    """Highest resident memory of this process so far, MB; rusage would count that of its parent too."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1e3


def frame(texts, prefix):
    ids = [f"{prefix}{i}" for i in range(len(texts))]
    return pl.DataFrame({"sample_id": ids, "text": texts}, schema={"sample_id": pl.String, "text": pl.String})


def read(path):
    return [row["instruction"] for row in json.loads(Path(path).read_text())]


def warm_up():
    judge(frame(["load what was compiled"], "c"), frame(["or compile it"], "p"), THRESHOLD, "bench")


def growth(path, sizes):
    say(
        f"{'judged':>8}{'CPU s':>8}{'words':>8}{'search':>8}{'rest':>10}{'pairs':>15}{'pairs/s':>16}",
    )
    for size in sizes:
        subprocess.run([sys.executable, __file__, "--alpaca", path, "--inside", str(size)], check=True)


def inside(path, size):
    """One size: all of `judge`, and what of it are words and search, each measured alone."""
    texts = read(path)[:size]
    warm_up()
    candidates, before = frame(texts, "c"), peak()
    spent, verdicts = cpu(lambda: judge(candidates, frame([], "p"), THRESHOLD, "bench"))
    most = peak()
    ids = end_to_end(texts)
    searching, found = cpu(lambda: search(ids, 0, THRESHOLD))
    tokenising = cpu(lambda: end_to_end([f"{text} " for text in texts]))[0]  # texts not seen before
    say(
        f"{size:8,}{spent:8.2f}{tokenising:8.2f}{searching:8.2f}{max(0.0, spent - tokenising - searching):10.2f}"
        f"{found.pairs:15,}{found.pairs / spent:16,.0f}"
    )
    share, dropped = 1 - found.compared / found.pairs, int((~verdicts["keep"]).sum())
    say(f"         {found.compared:,} LCS computed: {share:.4%} of the pairs pruned; {dropped} dropped;")
    say(f"         peak {most:,.0f} MB, {before:,.0f} of them before")


def token_lists(texts):
    ids = end_to_end(texts)
    return [tuple(part.tolist()) for part in np.split(ids.words, ids.bounds[1:-1])]


def by_ours(candidates, pool):
    verdicts = judge(frame(candidates, "c"), frame(pool, "p"), THRESHOLD, "bench")
    return list(verdicts.select("keep", "score", "witness_id").iter_rows())


def greedy(candidates, pool, scores_of, prepare):
    """The loop of Self-Instruct and Alpaca around a function from a text and a pool to all scores."""
    names = [f"p{i}" for i in range(len(pool))]
    ready, rows = [prepare(text) for text in pool], []
    for i, text in enumerate(candidates):
        new = prepare(text)
        scores = scores_of(new, ready)
        score = max(scores, default=0.0)
        rows.append((score <= THRESHOLD, score, names[scores.index(score)] if score > 0 else None))
        if score <= THRESHOLD:
            ready.append(new)
            names.append(f"c{i}")
    return rows


def by_self_instruct(candidates, pool):
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)

    def scores_of(text, known):
        return [scorer.score(text, other)["rougeL"].fmeasure for other in known]

    return greedy(candidates, pool, scores_of, str)


def by_alpaca(candidates, pool):
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)

    def scores_of(tokens, known):
        return [rouge_scorer._score_lcs(tokens, other).fmeasure for other in known]

    return greedy(candidates, pool, scores_of, scorer._tokenizer.tokenize)


def by_every_pair(candidates, pool):
    """All F in one matrix, then the loop on its columns."""
    tokens = token_lists([*pool, *candidates])
    f, column = rouge_l_matrix(tokens[len(pool) :], tokens), count()
    return greedy(
        candidates, pool, lambda new, known: f[new - len(pool), known].tolist(), lambda _: next(column)
    )


WAYS = {
    "this program": by_ours,
    "rouge_score, as Self-Instruct": by_self_instruct,
    "rouge_score, as Alpaca": by_alpaca,
    "rapidfuzz, every pair": by_every_pair,
}


def in_turns(title, candidates, pool):
    """CPU seconds of all ways on the same pairs, medians of alternated rounds; their answers must be equal."""
    spent, answers = {name: [] for name in WAYS}, {}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            seconds, answers[name] = cpu(partial(way, candidates, pool))
            spent[name].append(seconds)
    expected = answers["rouge_score, as Self-Instruct"]
    kept = sum(keep for keep, _, _ in expected)
    say(f"\n{title}: {kept} of {len(candidates)} kept; medians of {ROUNDS} rounds")
    say(f"{'':32}{'CPU s':>10}{'ours is faster by':>20}  decisions, scores, witnesses")
    for name, seconds in spent.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, spent["this program"], strict=True))
        same = "identical" if answers[name] == expected else "DIFFERENT"
        say(f"{name:32}{statistics.median(seconds):10.4f}{ratio:19,.0f}x  {same}")


def check_all(texts):
    """Every decision, score and witness of ours against the F of every pair (rapidfuzz)."""
    tokens, ids = token_lists(texts), end_to_end(texts)
    found = search(ids, 0, THRESHOLD)
    kept, wrong = np.zeros(len(tokens), bool), 0
    begun = time.process_time()
    for start in range(0, len(tokens), BLOCK):
        stop = min(start + BLOCK, len(tokens))
        f = rouge_l_matrix(tokens[start:stop], tokens[:stop])
        for i in range(start, stop):
            scores = np.where(kept[:i], f[i - start, :i], 0.0)
            score = scores.max(initial=0.0)
            witness = int(scores.argmax()) if score > 0 else -1
            kept[i] = score <= THRESHOLD
            wrong += (score, witness) != (found.score[i], found.witness[i])
    spent = time.process_time() - begun
    say(
        f"\nall {len(tokens):,} against the F of every pair ({spent:.0f} CPU s): {wrong} scores or witnesses differ"
    )


def stored(texts):
    """The ten most similar and the mean, as Self-Instruct stores them, of the last 512."""
    begun = time.process_time()
    for _ in nearest(texts, len(texts) - 512):
        pass
    each = (time.process_time() - begun) / 512
    say(f"\nthe 10 most similar and the mean over {len(texts):,}: {1000 * each:.2f} CPU ms a text")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alpaca", default=str(ALPACA), help="alpaca_data.json")
    parser.add_argument("--all", action="store_true", help="also check every decision (some 2 CPU minutes)")
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        return inside(asked.alpaca, asked.inside)
    growth(asked.alpaca, SIZES)
    texts = read(asked.alpaca)
    warm_up()
    english = [text for text in texts if text.isascii()]  # the tokeniser of rouge_score knows no other
    random.Random(0).shuffle(english)
    among = english[:AMONG] + [f"{text} Explain your answer." for text in english[:AMONG:10]]
    pairs = len(among) * (len(among) - 1) // 2
    in_turns(f"{len(among)} one after the other, some near copies, up to {pairs:,} pairs", among, [])
    in_turns(f"{FEW} against {len(english) - FEW:,}, which are indexed first", english[:FEW], english[FEW:])
    stored(texts)
    if asked.all:
        check_all(texts)


if __name__ == "__main__":
    main()
