"""Filter `quality`: is a final text worth training on at all? Cheap published heuristics for any language.

Each sample has nine parts in [0, 1]. The score is the smallest of them, and the sample is kept when that is
at least 1/2. The parts are correlated (a chorus repeats lines and n-grams alike), so they are not multiplied.
Five are rules, 0 or 1; the next three are 1/2 exactly at their limit.

    answered    0 for a pair or conversation without answer (Self-Instruct: Wang et al. 2023)
    echo        0 when the answer equals the input or the instruction (Self-Instruct)
    refusal     0 when the answer opens with a refusal or a disclaimer (tasks.boilerplate)
    leak        0 when the answer holds a marker of a prompt template (tasks.boilerplate)
    length      0 outside of the recipe's bounds, in words of the whole text
    repetition  1 - s/0.8, s the share of characters in repeated word 10-grams (Gopher: Rae et al. 2021)
    lines       1 - s/0.8, s the share of characters in repeated lines (Gopher)
    symbols     s/0.4, s the share of letters, marks and digits of any script among the visible characters of
                an answer of 100 or more (after Gopher's alphabetic words; mathematics and code pass)
    ending      0.9 when an answer of three or more sentences ends in a letter or a comma (after C4: Raffel
                et al. 2020), a deduction that never drops a sample

Why not Gopher's limits of 0.1 and 0.2 for repetition: they are for web pages. Real TinyStories reach 0.13,
songs with a chorus and fairy tales 0.39, a text written twice has 0.5; the limit is 0.4. Tables, regular
expressions and Sudokus of Alpaca go down to 0.30 of letters and digits; the limit is 0.2. With these limits
258 of the 52,002 Alpaca rows are dropped (0.50 %: 118 leak, 56 echo, 41 refusal, 28 answered, 24 repetition
or lines) and none of 1,728 TinyStories, 7,473 GSM8K problems and 1,923 role-plays.
"""

from typing import NamedTuple

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from tasks.boilerplate import is_refusal, prompt_marker
from tasks.repetition import WORD, repeated_lines, repeated_ngrams
from warehouse.parts import polars_schema
from warehouse.run import Run

THRESHOLD = 0.5
NGRAM = 10  # Gopher's longest: shorter ones repeat in every list of questions
MAX_REPEATED = 0.4
MIN_WORDY, MIN_VISIBLE = 0.2, 100
UNFINISHED = 0.9
SLICE = 20_000  # samples at once: it bounds the memory and changes nothing else
PARTS = ("answered", "echo", "refusal", "leak", "length", "repetition", "lines", "symbols", "ending")


class Bounds(NamedTuple):
    """Words of a whole text that are allowed, both ends included; words as in tasks.tokens."""

    min_words: int = 3
    max_words: int = 2000


def judge(samples: pl.DataFrame, run_id: str, bounds: Bounds) -> pl.DataFrame:
    """Verdicts on the final samples, score in [0, 1], kept from 0.5 on; the reason names the worst part."""
    slices = [_judged(part, run_id, bounds) for part in samples.filter("final").iter_slices(SLICE)]
    return pl.concat([pl.DataFrame(schema=polars_schema("verdict")), *slices])


def _judged(samples: pl.DataFrame, run_id: str, bounds: Bounds) -> pl.DataFrame:
    score = pl.min_horizontal(PARTS)
    columns = {
        "run_id": pl.lit(run_id),
        "filter": pl.lit("quality"),
        "keep": score >= THRESHOLD,
        "score": score,
        "threshold": pl.lit(THRESHOLD),
        "witness_id": pl.lit(None, pl.String),
        "reason": pl.when(score < THRESHOLD).then(_reason(score, bounds)),
    }
    return parts(samples, bounds).select("sample_id", **columns)


def parts(samples: pl.DataFrame, bounds: Bounds) -> pl.DataFrame:
    """The samples with their answer, its measures and the nine parts of the score, each in [0, 1]."""
    return (
        samples.with_columns(answer=_answer(), answered=_is_answered())
        .with_columns(
            n_words=pl.col("text").str.normalize("NFKC").str.count_matches(WORD),
            marker=prompt_marker(pl.col("answer")),
            wordy=_share_of_wordy(pl.col("answer")),
        )
        .with_columns(
            pl.col("answer").map_batches(_repeated_ngrams, pl.Float64).alias("in_ngrams"),
            pl.col("answer").map_batches(_repeated_lines, pl.Float64).alias("in_lines"),
        )
        .with_columns(
            echo=~_is_echo(),
            refusal=~is_refusal(pl.col("answer")),
            leak=pl.col("marker").is_null(),
            length=pl.col("n_words").is_between(bounds.min_words, bounds.max_words),
            repetition=1 - pl.col("in_ngrams") / (2 * MAX_REPEATED),
            lines=1 - pl.col("in_lines") / (2 * MAX_REPEATED),
            symbols=pl.col("wordy") / (2 * MIN_WORDY),
            ending=pl.when(_is_unfinished(pl.col("answer"))).then(UNFINISHED).otherwise(1.0),
        )
        .with_columns(pl.col(PARTS).cast(pl.Float64).clip(0, 1))
    )


def _answer() -> pl.Expr:
    """What is judged: the output, else what the assistant says, else the text."""
    replies = pl.when(_has_replies()).then(_replies().list.join("\n\n"))
    return pl.coalesce("output", replies, "text").str.strip_chars()


def _replies() -> pl.Expr:
    turn = pl.element().struct
    return pl.col("messages").list.eval(turn.field("content").filter(turn.field("role") == "assistant"))


def _has_replies() -> pl.Expr:
    return _replies().list.len().fill_null(0) > 0


def _is_answered() -> pl.Expr:
    asked = pl.col("output").is_not_null() | pl.col("messages").list.len().fill_null(0).cast(pl.Boolean)
    replied = pl.col("output").is_not_null() | _has_replies()
    return ~asked | (replied & (_answer() != ""))


def _is_echo() -> pl.Expr:
    output = pl.col("output").str.strip_chars()
    same = pl.any_horizontal(output == pl.col(name).str.strip_chars() for name in ("input", "instruction"))
    return (same & (output != "")).fill_null(False)


def _share_of_wordy(answer: pl.Expr) -> pl.Expr:
    """Letters, marks and digits among the visible characters; 1 for a short answer ("=", a smile)."""
    visible = answer.str.count_matches(r"\S")
    share = answer.str.count_matches(r"[\p{L}\p{M}\p{N}]") / visible
    return pl.when(visible >= MIN_VISIBLE).then(share).otherwise(1.0)


def _is_unfinished(answer: pl.Expr) -> pl.Expr:
    prose = answer.str.count_matches(r"[\p{L}\p{N}][.!?…](?:\s|$)|[。！？]") >= 3
    return prose & answer.str.contains(r"[\p{L},;]$")


def _repeated_ngrams(answers: pl.Series) -> pl.Series:
    return pl.Series(repeated_ngrams(answers, NGRAM))


def _repeated_lines(answers: pl.Series) -> pl.Series:
    return pl.Series(repeated_lines(answers))


def _reason(score: pl.Expr, bounds: Bounds) -> pl.Expr:
    """The first of the worst parts, in words, with its value."""
    percent = [(100 * pl.col(name)).round(0).cast(pl.Int64) for name in ("in_ngrams", "in_lines", "wordy")]
    said = {
        "answered": pl.lit("no answer"),
        "echo": pl.lit("the answer repeats what was asked"),
        "refusal": pl.format("refuses: {}", pl.col("answer").str.slice(0, 60)),
        "leak": pl.format("holds the prompt marker {}", "marker"),
        "length": pl.format(f"{{}} words; {bounds.min_words} to {bounds.max_words} are wanted", "n_words"),
        "repetition": pl.format("{}% of the characters in repeated word 10-grams; 40% at most", percent[0]),
        "lines": pl.format("{}% of the characters in repeated lines; 40% at most", percent[1]),
        "symbols": pl.format("{}% letters and digits; 20% at least", percent[2]),
    }
    return pl.coalesce(pl.when(pl.col(part) == score).then(words) for part, words in said.items())


@task(name="quality", cache_policy=NO_CACHE)
def quality(run: Run, samples: list[Partition], min_words: int, max_words: int) -> list[Partition]:
    """One verdict on every final sample; each part on its own, so memory is bounded by one part."""
    bounds = Bounds(min_words, max_words)

    def judged(part: Partition) -> list[Partition]:
        return run.once(
            "quality",
            [part],
            bounds._asdict(),
            lambda: {"verdict": judge(run.read(part), run.run_id, bounds)},
        )

    return [verdicts for part in samples if part.table == "sample" for verdicts in judged(part)]
