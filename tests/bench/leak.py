"""What decontamination costs, in CPU time on one core, beside two ways in which others do it.

python tests/bench/leak.py            stories made of the public TinyStories, against four public evaluation sets
python tests/bench/leak.py --rows N   as many stories, made of halves of real ones; default 100,000

Ours holds all three rules on words. Peers, in turns on the same texts: `set of 13-grams` (lm-evaluation-harness
and what copies it: Python tuples of the words of `str.split`, one rule, no witness), on all texts; `rapidfuzz`
(the F of every pair, the third rule alone, by bit-parallel LCS), on the first 1,000. Decisions are compared.
Compiled code is loaded before the clock starts.
"""

import argparse
import importlib.metadata
import json
import random
import statistics
import sys
import time
from pathlib import Path

import polars as pl

from tasks.evaluation_sets import read_evaluation
from tasks.leak_rules import ROUGE_RULE, RUN_RULE, known, word_hits
from tasks.rouge import _token_ids, rouge_l_matrix
from tasks.tokens import words

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SETS = ("gsm8k/test.jsonl", "ifeval/input_data.jsonl", "mt_bench/question.jsonl", "self_instruct/user_oriented_instructions.jsonl")  # fmt: skip # noqa: E501
ROWS, FEW, ROUNDS, PLANTED = 100_000, 1_000, 3, 50


def cpu(work):
    begun = time.process_time()
    made = work()
    return time.process_time() - begun, made


def peak_mb():
    """Highest resident memory of this process so far."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1e3


def stories(rows, rng):
    """The first half of one real story and the second of another, so that no text is there twice."""
    real = (DATA / "tinystories" / "valid_first_10k_lines.txt").read_text().split("<|endoftext|>")
    halves = [
        (text.split()[: len(text.split()) // 2], text.split()[len(text.split()) // 2 :]) for text in real
    ]
    return [" ".join(rng.choice(halves)[0] + rng.choice(halves)[1]) for _ in range(rows)]


def ngram_sets(texts, evaluation):
    """Decisions of the rule on 13 words in a row, as they are commonly made."""

    def grams(text):
        tokens = text.lower().split()
        return {tuple(tokens[i : i + 13]) for i in range(len(tokens) - 12)}

    against = set().union(*map(grams, evaluation))
    return [not against.isdisjoint(grams(text)) for text in texts]


def every_pair(texts, evaluation):
    """Highest F of each text, from the F of every pair."""
    left, right = _token_ids(texts, words), _token_ids(evaluation, words)
    return [rouge_l_matrix(left[i : i + 100], right).max(axis=1) for i in range(0, len(left), 100)]


def alternated(rows):
    """CPU seconds of ours on all and on few texts, and of both peers, by round; and what was found."""
    rng = random.Random(0)
    rows_of = read_evaluation([str(DATA / name) for name in SETS]).texts
    evaluation = rows_of["text"].to_list()
    texts = stories(rows - PLANTED, rng)
    texts += [f"{rng.choice(texts)} {rng.choice(evaluation)}" for _ in range(PLANTED)]
    frame = pl.DataFrame({"sample_id": [f"{i:07}" for i in range(rows)], "text": texts})
    word_hits(frame.head(100), known(rows_of))
    seconds, peak = {"ours": [], "index": [], "few": [], "sets": [], "pairs": []}, 0.0
    for _ in range(ROUNDS):
        index, against = cpu(lambda: known(rows_of))
        ours, hits = cpu(lambda against=against: word_hits(frame, against))
        peak = peak or peak_mb()  # before a peer has run
        sets, marked = cpu(lambda: ngram_sets(texts, evaluation))
        few, _ = cpu(lambda against=against: word_hits(frame.head(FEW), against))
        pairs, f = cpu(lambda: every_pair(texts[:FEW], evaluation))
        for name, value in zip(seconds, (ours, index, few, sets, pairs), strict=True):
            seconds[name].append(value)
    runs = set(hits.filter(pl.col("rule") == RUN_RULE)["sample_id"].cast(pl.Int64))
    missed = {i for i, hit in enumerate(marked) if hit} - runs
    alike = hits.filter((pl.col("rule") == ROUGE_RULE) & (pl.col("sample_id") < f"{FEW:07}")).height
    told = {"rules": hits["rule"].value_counts().sort("rule").rows(), "missed": len(missed)}
    told |= {"evaluation texts": len(evaluation), "peak_mb": peak}
    told |= {"alike of few": (alike, sum(int((each > 0.7).sum()) for each in f))}
    return seconds, told


def rates(rows=ROWS):
    """One row of the table of benchmarks for each peer."""
    took, told = alternated(rows)
    ours = [a + b for a, b in zip(took["ours"], took["index"], strict=True)]
    middle = statistics.median(ours)
    common = {"stage": "leak (rules on words)", "rows": rows, "cpu_s": middle, "rows_per_s": rows / middle}
    pairs = [pairs / FEW * rows for pairs in took["pairs"]]
    return [
        {**common, "peak_mb": told["peak_mb"], "peer": peer, "peer_version": version, **ratios(theirs, ours)}
        for peer, version, theirs in (
            ("set of 13-grams, one rule, CPython", sys.version.split()[0], took["sets"]),
            ("every pair, ROUGE-L alone, rapidfuzz", importlib.metadata.version("rapidfuzz"), pairs),
        )
    ]


def ratios(theirs, ours):
    """The peer's time by ours: of the medians, and the lowest and highest of a round."""
    each = [a / b for a, b in zip(theirs, ours, strict=True)]
    middle = statistics.median(theirs) / statistics.median(ours)
    return {"ratio": middle, "ratio_low": min(each), "ratio_high": max(each)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    took, told = alternated(parser.parse_args().rows)
    sys.stdout.write(json.dumps({"cpu_s": took, **told}, indent=1) + "\n")


if __name__ == "__main__":
    main()
