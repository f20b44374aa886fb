"""Replay of Self-Instruct's novelty filter, with the similarities that are stored beside each instruction.

Shapes: Self-Instruct's machine_generated_instructions.jsonl (`most_similar` {text: F} of ten, and
`avg_similarity_score`), Alpaca's regen.json (`most_similar_instructions`), any rows with `instruction`. A row
may say `keep` and `score`, as an export of our own verdicts does; one that says nothing was accepted, since
the authors wrote no others down. Pools are compared word for word as `rouge_score` splits them.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import polars as pl

from schemas.slot import Part
from tasks.json_rows import Unreadable
from tasks.replay import Beside, Decision, Fields, Row, replay, same, wanted
from tasks.rouge import Similar, ascii_words, judge, nearest
from tasks.tokens import words

STORED = ("most_similar", "most_similar_instructions")
STORED_TEXTS = 10
SPLITS = {"ascii": ascii_words, "unicode": words}


class Options(Part):
    """How instructions are compared."""

    seeds: list[str] = []  # files of the human tasks that the pool began with
    threshold: float = 0.7  # itself passes
    split: Literal["ascii", "unicode"] = "ascii"  # as rouge_score does; unicode as our recipes do
    accepted: bool = True  # a row that says nothing was accepted


class Candidate(NamedTuple):
    """One instruction and what its row says of it."""

    instruction: str
    stored: dict[str, float] | None
    mean: float | None
    keep: bool | None
    score: float | None


def candidate(fields: Fields) -> Candidate:
    """What the filter needs of a row.

    Raises:
        Unreadable: no instruction, or similarities of another shape.
    """
    stored = next((fields[name] for name in STORED if name in fields), None)
    numbers = stored.values() if isinstance(stored, dict) else [] if stored is None else [None]
    if not all(isinstance(value, int | float) for value in numbers):
        raise Unreadable(f"{' or '.join(STORED)} is no object of text: score")
    mean, score = fields.get("avg_similarity_score"), fields.get("score")
    if not all(isinstance(value, int | float | None) for value in (mean, score)):
        raise Unreadable("avg_similarity_score or score is no number")
    keep = fields.get("keep")
    if not isinstance(keep, bool | None):
        raise Unreadable(f"keep is {keep!r}, neither true nor false")
    if stored is not None:  # each text of a pool is stored with many others: once in memory
        stored = {sys.intern(text): value for text, value in stored.items()}
    return Candidate(sys.intern(wanted(fields, "instruction")), stored, mean, keep, score)


@replay(
    "rouge", "instruction, and if stored most_similar {text: F}, avg_similarity_score", candidate, Options
)
def rouge(rows: Iterable[Row], options: Options, beside: Beside) -> Iterator[Decision]:
    """ROUGE-L novelty: each instruction in order against the seeds and those accepted before it."""
    taken = list(rows)
    seeds = [str(fields.get("instruction", "")) for fields in beside.get("seeds", ())]
    candidates = [row.said for row in taken]
    verdicts = judge(
        _texts([each.instruction for each in candidates], "row"),
        _texts(seeds, "seed"),
        options.threshold,
        "",
        SPLITS[options.split],
    ).to_dicts()
    known = {f"seed {i}": text for i, text in enumerate(seeds)}
    known |= {f"row {i}": each.instruction for i, each in enumerate(candidates)}
    stored = _stored(candidates, seeds, options)
    for i, (row, verdict) in enumerate(zip(taken, verdicts, strict=True)):
        yield Decision(
            row.origin,
            row.line,
            row.said.instruction,
            verdict["keep"],
            verdict["reason"],
            verdict["score"],
            known.get(verdict["witness_id"]),
            counted={"with stored similarities": int(row.said.stored is not None)},
            compared={**_decided(row.said, verdict, options), **stored.get(i, {})},
        )


def _texts(texts: list[str], kind: str) -> pl.DataFrame:
    ids = [f"{kind} {i}" for i in range(len(texts))]
    return pl.DataFrame({"sample_id": ids, "text": texts}, schema={"sample_id": pl.String, "text": pl.String})


def _decided(said: Candidate, verdict: dict[str, Any], options: Options) -> dict[str, tuple[Any, Any]]:
    keep = True if said.keep is None and options.accepted else said.keep
    found = {"keep": (keep, verdict["keep"]), "score": (said.score, verdict["score"])}
    return {name: pair for name, pair in found.items() if pair[0] is not None}


def _stored(candidates: list[Candidate], seeds: list[str], options: Options) -> dict[int, dict[str, Any]]:
    """Stored similarities beside those to the pool as the file has it: its seeds and what it accepted."""
    if all(each.stored is None and each.mean is None for each in candidates):
        return {}
    pool = [i for i, each in enumerate(candidates) if each.keep is not False]
    texts = [*seeds, *(candidates[i].instruction for i in pool)]
    similar = nearest(texts, len(seeds), k=20, split=SPLITS[options.split])  # 20: ten texts, some twice
    seen, n_pool = set(seeds), len(seeds)
    found = {}
    for i, each in zip(pool, similar, strict=True):
        # A text that the pool holds twice is one key of the object that was stored.
        n_least = min(STORED_TEXTS, n_pool) - (n_pool - len(seen))
        found[i] = _similarities(candidates[i], each, texts, seen, n_least)
        seen.add(candidates[i].instruction)
        n_pool += 1
    return found


def _similarities(
    said: Candidate, similar: Similar, texts: list[str], seen: set[str], n_least: int
) -> dict[str, tuple[Any, Any]]:
    compared: dict[str, tuple[Any, Any]] = {}
    if said.mean is not None:
        compared["mean similarity"] = (said.mean, similar.mean)
    if said.stored:
        ours: dict[str, float] = {}
        for place, score in similar.nearest:
            ours.setdefault(texts[place], score)
        told = sorted(said.stored.values(), reverse=True)
        highest = list(ours.values())[: max(len(told), n_least)]
        compared["highest similarity"] = (told[0], highest[0] if highest else None)
        compared["ten highest similarities"] = (told, highest)
        compared["most similar texts"] = ([], _strangers(said.stored, ours, seen))
    return compared


def _strangers(stored: dict[str, float], ours: dict[str, float], seen: set[str]) -> list[str]:
    """Stored texts that are not in the pool, or not so similar; of equals any may have been named."""
    least = min(stored.values())

    def is_right(text: str) -> bool:
        return same(stored[text], ours[text]) if text in ours else text in seen and same(stored[text], least)

    return [text for text in stored if not is_right(text)]
