"""Filter `obedience`: how much of what was asked for does a final text realise?

Score in [0, 1]: the share of the asked items found in the text. Items are the words of `slots["words"]`, each
in any inflected form (tasks.lemma), and the sentence of `slots["sentence"]`, verbatim save for surrounding
white space and quotes. Eldan & Li 2023 (TinyStories) have a judge grade this as "consistency"; words and
sentences need none. A sample that was asked for neither gets no verdict.
"""

import json
from typing import Any, NamedTuple

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from tasks.lemma import realised
from warehouse.parts import polars_schema
from warehouse.run import Run

_QUOTES = " \t\r\n\"'“”„‘’«»「」『』"


class Obeyed(NamedTuple):
    """What was asked and what of it is missing."""

    asked: int
    missing: list[str]

    @property
    def score(self) -> float:
        """Share of the asked items that are there, in [0, 1]."""
        return 1 - len(self.missing) / self.asked


def obeyed(slots: dict[str, Any], text: str) -> Obeyed | None:
    """Which of the asked words and sentence a text lacks; None when nothing was asked."""
    words = slots.get("words")
    words = [str(word) for word in words] if isinstance(words, list) else []
    sentence = slots.get("sentence")
    sentence = sentence.strip(_QUOTES) if isinstance(sentence, str) else ""
    if not words and not sentence:
        return None
    missing = [word for word in words if not realised(word, text)]
    missing += [f"“{sentence}”"] if sentence not in text else []
    return Obeyed(len(words) + bool(sentence), missing)


def judge(samples: pl.DataFrame, run_id: str, threshold: float | None) -> pl.DataFrame:
    """Verdicts on the final samples that were asked for words or a sentence, kept from the threshold on.

    Without a threshold the score is only recorded: keep is true and the threshold null.
    """
    final = samples.filter(pl.col("final") & pl.col("slots").str.contains('"(?:words|sentence)"'))
    answer = pl.coalesce(
        "output", "text"
    )  # of a pair, `text` also holds the instruction, which names the words
    rows = final.select("sample_id", "slots", answer=answer).iter_rows()
    judged = ((sample_id, obeyed(json.loads(slots), answer)) for sample_id, slots, answer in rows)
    verdicts = [_verdict(sample_id, run_id, found, threshold) for sample_id, found in judged if found]
    return pl.DataFrame(verdicts, schema=polars_schema("verdict"))


def _verdict(sample_id: str, run_id: str, found: Obeyed, threshold: float | None) -> dict[str, Any]:
    keep = threshold is None or found.score >= threshold
    return {
        "sample_id": sample_id,
        "run_id": run_id,
        "filter": "obedience",
        "keep": keep,
        "score": found.score,
        "threshold": threshold,
        "witness_id": None,
        "reason": None if keep else f"lacks {', '.join(found.missing)}"[:200],
    }


@task(name="obedience", cache_policy=NO_CACHE)
def obedience(run: Run, samples: list[Partition], threshold: float | None) -> list[Partition]:
    """One verdict on every final sample that was asked for something; each part of samples on its own."""

    def judged(part: Partition) -> list[Partition]:
        return run.once(
            "obedience",
            [part],
            {"threshold": threshold},
            lambda: {"verdict": judge(run.read(part), run.run_id, threshold)},
        )

    return [verdicts for part in samples if part.table == "sample" for verdicts in judged(part)]
