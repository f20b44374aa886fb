"""Filter `obedience`: how much of what was asked for does a final text realise?

Score in [0, 1]: the share of the asked items found in the text. Items are

    words      of `slots["words"]`, each in any inflected form (tasks.lemma);
    sentence   of `slots["sentence"]`, verbatim: the same words and punctuation; how quotes and spaces are set
               does not count, nor what surrounds the sentence;
    features   of `slots["features"]` that a rule finds with precision and recall of 0.9 or more, measured in
               tasks.features (COUNTED, today dialogue alone) and in the language of the sample. All other
               features are no items: a rule that misses a third of them would drop good texts. They are
               reported by the metric `feature_hit_rate`.

Eldan & Li 2023 (TinyStories) have a judge grade this as "consistency"; these items need none. A sample that
was asked for none of them gets no verdict. `slots["label"]` is no item: it is judged by its own recipe.
"""

import json
import unicodedata
from typing import Any, NamedTuple

import polars as pl
import regex
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from tasks.features import COUNTED, canonical, feature_hits
from tasks.lemma import realised
from warehouse.parts import polars_schema
from warehouse.run import Run

_QUOTES = " \t\r\n\"'“”„‘’«»「」『』"
_QUOTE = regex.compile(r"\s*(?:''|``|´´|[\"'“”„‟‘’‚‛«»‹›「」『』＂＇`´])\s*")


class Obeyed(NamedTuple):
    """What was asked and what of it is missing."""

    asked: int
    missing: list[str]

    @property
    def score(self) -> float:
        """Share of the asked items that are there, in [0, 1]."""
        return 1 - len(self.missing) / self.asked


def plain(text: str) -> str:
    """A text with every quotation mark alike, without spaces around it, white space as one space, in NFC."""
    return regex.sub(r"\s+", " ", _QUOTE.sub("'", unicodedata.normalize("NFC", text)))


def obeyed(slots: dict[str, Any], text: str, language: str = "en") -> Obeyed | None:
    """Which of the asked words, sentence and counted features a text lacks; None when none was asked.

    Args:
        slots: what the sample was asked for.
        text: the final text.
        language: BCP 47 tag of the text, by which features are looked for.
    """
    words = slots.get("words")
    words = [str(word) for word in words] if isinstance(words, list) else []
    sentence = slots.get("sentence")
    sentence = sentence.strip(_QUOTES) if isinstance(sentence, str) else ""
    features = _counted(slots, text, language)
    if not words and not sentence and not features:
        return None
    missing = [word for word in words if not realised(word, text)]
    missing += [f"“{sentence}”"] if plain(sentence).strip(" '") not in plain(text) else []
    missing += [feature for feature, there in features.items() if not there]
    return Obeyed(len(words) + bool(sentence) + len(features), missing)


def _counted(slots: dict[str, Any], text: str, language: str) -> dict[str, bool]:
    asked = slots.get("features")
    names = (
        [name for name in map(str, asked) if canonical(name) in COUNTED] if isinstance(asked, list) else []
    )
    hits = feature_hits({"features": names}, text, language)
    return {name: hit for name, hit in hits.items() if hit is not None}


def judge(samples: pl.DataFrame, run_id: str, threshold: float | None) -> pl.DataFrame:
    """Verdicts on the final samples that were asked for an item, kept from the threshold on.

    Without a threshold the score is only recorded: keep is true and the threshold null.
    """
    final = samples.filter(pl.col("final") & pl.col("slots").str.contains('"(?:words|sentence|features)"'))
    answer = pl.coalesce(
        "output", "text"
    )  # of a pair, `text` also holds the instruction, which names the words
    rows = final.select("sample_id", "slots", "language", answer=answer).iter_rows()
    judged = ((i, obeyed(json.loads(slots), answer, language)) for i, slots, language, answer in rows)
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
