"""How distinct the offline storyteller's texts are, and how fast it writes.

Run: python tests/bench/storyteller_distinct.py [stories] [tasks]

Stories: share that has an earlier near-duplicate, exact Jaccard >= 0.7 of word 5-grams (candidates by prefix
filtering, which misses none). Tasks: share that Self-Instruct's greedy filter rejects, ROUGE-L F > 0.7
against all accepted before. Speed in CPU seconds of this process, prompts being ready.
"""

import sys
import time
from collections import Counter, defaultdict

import numpy as np
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from schemas.settings import Storyteller
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.slots import draw
from tasks.storyteller import answer
from tasks.storyteller_phrases import Pen
from tasks.storyteller_tasks import new_task, phrases
from tasks.tokens import words

JACCARD, ROUGE, BLOCK = 0.7, 0.7, 500


def prompts(n: int) -> list[list[dict[str, str]]]:
    """The prompts of n trees of tiny_stories."""
    recipe = load_recipe("tiny_stories")
    texts = [render(recipe.levels[0].prompt, draw(recipe, "bench", i)) for i in range(n)]
    return [[{"role": "user", "content": text}] for text in texts]


def grams(text: str, n: int = 5) -> frozenset[tuple[str, ...]]:
    """Word n-grams; the whole text when it is shorter."""
    tokens = words(text)
    return frozenset(tuple(tokens[i : i + n]) for i in range(max(1, len(tokens) - n + 1)))


def near_duplicates(texts: list[str]) -> int:
    """How many texts have an earlier text at or above the threshold."""
    sets = [grams(text) for text in texts]
    count = Counter(gram for found in sets for gram in found)
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    found = 0
    for i, mine in enumerate(sets):
        rarest = sorted(mine, key=lambda gram: (count[gram], gram))[
            : len(mine) - int(JACCARD * len(mine)) + 1
        ]
        others = {j for gram in rarest for j in holders[gram]}
        found += any(len(mine & sets[j]) >= JACCARD * len(mine | sets[j]) for j in others)
        for gram in rarest:
            holders[gram].append(i)
    return found


def rejected(texts: list[str]) -> list[bool]:
    """Which texts the greedy filter rejects, in order."""
    ids: dict[str, int] = {}
    codes = ["".join(chr(0x4E00 + ids.setdefault(w, len(ids))) for w in words(text)) for text in texts]
    lengths = np.array([len(code) for code in codes])
    kept: list[int] = []
    verdicts = []
    for start in range(0, len(codes), BLOCK):
        block = range(start, min(start + BLOCK, len(codes)))
        pool = [*kept, *block]
        lcs = cdist(
            [codes[i] for i in block], [codes[i] for i in pool], scorer=LCSseq.similarity, dtype=np.uint8
        )
        score = 2 * lcs / (lengths[list(block)][:, None] + lengths[pool][None, :])
        n_kept = len(kept)
        for row, i in enumerate(block):
            rivals = [*range(n_kept), *(n_kept + k - start for k in kept[n_kept:])]
            bad = bool((score[row, rivals] > ROUGE).any())
            verdicts.append(bad)
            if not bad:
                kept.append(i)
    return verdicts


def measure_stories(n: int, manners: Storyteller) -> str:
    """One line about n stories."""
    asked = prompts(n)
    started = time.process_time()
    texts = [answer(messages, {}, i, manners).text for i, messages in enumerate(asked)]
    seconds = time.process_time() - started
    share = near_duplicates([text for text in texts if text]) / n
    lengths = np.percentile([len(words(text)) for text in texts], [5, 50, 95])
    return (
        f"stories, repeat {manners.repeat}, bad {manners.bad}: near-duplicate share {share:.4f}, words at "
        f"5/50/95 %: {lengths}, {n / seconds:.0f} per CPU second\n"
    )


def measure_tasks(n: int) -> str:
    """One line about n tasks."""
    pen = Pen(1, phrases(), {})
    started = time.process_time()
    tasks = [new_task(pen) for _ in range(n)]
    seconds = time.process_time() - started
    verdicts = np.array(rejected(tasks))
    last = verdicts[-(n // 10) :].mean()
    lengths = np.mean([len(words(task)) for task in tasks])
    return (
        f"tasks: {verdicts.mean():.4f} of {n} rejected, {last:.4f} of the last tenth, "
        f"mean words {lengths:.1f}, {n / seconds:.0f} per CPU second\n"
    )


def main(n_stories: int = 10_000, n_tasks: int = 20_000) -> None:
    """Write the measures to stdout."""
    for manners in (Storyteller(repeat=0, bad=0), Storyteller(repeat=0), Storyteller()):
        sys.stdout.write(measure_stories(n_stories, manners))
    sys.stdout.write(measure_tasks(n_tasks))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
