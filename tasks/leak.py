"""Filter `leak`: training texts that repeat a row of an evaluation set that the user names (decontamination).

A sample is dropped when it or its question meets one of these rules against a row or its question; the first
that holds is told, with its value as the score and `file:line` of the row as the witness:

1. 13 words in a row (GPT-3: Brown et al. 2020, appendix C; Llama 2, A.6). Score: words in the run.
2. half of the words of the row lie in runs of 8 words that both have. Score: that share, 0.5 to 1. A row of
   fewer than 8 words has no such run and tells little by itself: it must be equal, word for word (score 1).
3. ROUGE-L F above 0.7 (Self-Instruct's rule of novelty), for rows of 8 words and more.
4. cosine of 0.9 or more, where embeddings are given: a paraphrase passes all rules on words (Yang et al.
   2023, arXiv 2311.04850).

Words as in `tasks.tokens`, so any language; case and punctuation count for nothing. A kept sample has no
score. Any shared run is a hit, however common: the prompt template of a benchmark, 13 words or longer, drops
what holds it.
"""

import logging
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from rapidfuzz.distance import LCSseq

from schemas.errors import SeedloomError
from schemas.partition import Partition
from tasks.evaluation_sets import Evaluation, evaluation_digest, questions, read_evaluation
from tasks.leak_rules import (
    COSINE_RULE,
    COVER_RULE,
    HIT,
    QUESTION,
    ROUGE_RULE,
    RUN_RULE,
    THRESHOLDS,
    WHOLE,
    cosine_hits,
    known,
    word_hits,
)
from tasks.survivors import surviving
from tasks.tokens import words
from warehouse.parts import polars_schema
from warehouse.run import Run

SLAB = 20_000  # earlier samples that are judged together
SHOWN = 100  # characters of what is shared
MOST_WORDS = 1_000  # of a text, to find them in: the table of a subsequence grows with the square
_REASONS = {
    RUN_RULE: "{value:.0f} words in a row are those of {row}: {shared}",
    COVER_RULE: "holds {value:.0%} of {row}: {shared}",
    ROUGE_RULE: "ROUGE-L {value:.3f} to {row}: {shared}",
    COSINE_RULE: "cosine {value:.3f} to {row}: {shared}",
}
_COLUMNS = ["sample_id", "text", "instruction", "input", "messages"]
_DROPPED = {
    "sample_id": pl.String, "score": pl.Float64, "threshold": pl.Float64, "witness_id": pl.String,
    "reason": pl.String,
}  # fmt: skip

logger = logging.getLogger("seedloom.leak")


def verdict_rows(
    ids: pl.Series, texts: pl.DataFrame, hits: pl.DataFrame, rows: pl.DataFrame, run_id: str
) -> pl.DataFrame:
    """One verdict for each sample.

    Args:
        ids: the samples that were judged.
        texts: sample_id, view, text of those that were hit.
        hits: as `tasks.leak_rules` gives them, perhaps several for one sample.
        rows: the evaluation texts: place, view, text.
        run_id: the run that judges.
    """
    order = ["sample_id", "rule", "value", "view", "row"]
    first = hits.sort(order, descending=[False, False, True, False, False]).unique("sample_id", keep="first")
    told = first.join(texts, on=["sample_id", "view"], how="left").sort("sample_id")
    dropped = pl.DataFrame([_told(hit, rows) for hit in told.iter_rows(named=True)], schema=_DROPPED)
    judged = ids.to_frame("sample_id").join(dropped, on="sample_id", how="left")
    return judged.with_columns(
        run_id=pl.lit(run_id), filter=pl.lit("leak"), keep=pl.col("witness_id").is_null()
    )


def _told(hit: dict[str, Any], rows: pl.DataFrame) -> dict[str, Any]:
    row = rows.row(hit["row"], named=True)
    what = "the question of an evaluation row" if row["view"] == "question" else "an evaluation row"
    shared = _shared(hit, row["text"])[:SHOWN]
    return {
        "sample_id": hit["sample_id"],
        "score": hit["value"],
        "threshold": THRESHOLDS[hit["rule"]],
        "witness_id": row["place"],
        "reason": _REASONS[hit["rule"]].format(value=hit["value"], row=what, shared=shared),
    }


def _shared(hit: dict[str, Any], row: str) -> str:
    """The words that both have: the run, or a longest common subsequence; of a paraphrase the row itself."""
    if hit["rule"] == COSINE_RULE:
        return row
    theirs = words(row)
    if hit["rule"] == ROUGE_RULE:
        theirs = theirs[:MOST_WORDS]
        steps = LCSseq.opcodes(words(hit["text"])[:MOST_WORDS], theirs)
        both = [theirs[step.dest_start : step.dest_end] for step in steps if step.tag == "equal"]
        return " ".join(chain.from_iterable(both))
    return " ".join(theirs[hit["first"] :][: hit["length"] or None])


@task(name="leak", cache_policy=NO_CACHE)
def leak(
    run: Run,
    samples: list[Partition],
    verdicts: list[Partition],
    embeddings: list[Partition],
    files: list[str],
    encoder: str,
    backend: str,
) -> list[Partition]:
    """Verdicts `leak` on the final samples that earlier filters kept; none without files.

    Args:
        run: the run that judges.
        samples: all its samples.
        verdicts: all its verdicts so far.
        embeddings: of the samples; empty: the rule on cosines does not apply.
        files: files, folders or globs of the evaluation sets.
        encoder: name of the encoder of the embeddings.
        backend: what computes its vectors.

    Raises:
        BadInput: nothing is found under a name, or a file has not one row that can be read.
        SeedloomError: when the encoder here is another one than that of the embeddings.
    """
    if not files:
        return []
    settings = {"content": evaluation_digest(files), "encoder": encoder if embeddings else None}

    def make() -> dict[str, Iterator[pl.DataFrame]]:
        found = read_evaluation(files)
        vectors = (run.read(part, ["sample_id", "encoder", "vector"]) for part in embeddings)
        meant = _meant(vectors if embeddings else None, found.texts, encoder, backend)
        return {"verdict": _sheets(run, surviving(run, samples, verdicts, _COLUMNS), meant, found)}

    return run.once("leak", [*samples, *verdicts, *embeddings], settings, make)


def leaking(run: Run, earlier: pl.DataFrame, files: list[str], encoder: str, backend: str) -> pl.DataFrame:
    """Verdicts that drop samples of earlier runs: those were compared with other evaluation sets, or none.

    Args:
        run: the run that judges.
        earlier: rows of `sample` that it finds clean in the warehouse.
        files: files, folders or globs of the evaluation sets.
        encoder: name of the encoder; samples without its vectors are judged by their words alone.
        backend: what computes its vectors.
    """
    schema = polars_schema("verdict")
    if not files or earlier.is_empty():
        return pl.DataFrame(schema=schema)
    found = read_evaluation(files)
    meant = _meant(_vectors(run, earlier, encoder, backend), found.texts, encoder, backend)
    judged = pl.concat(_sheets(run, earlier.iter_slices(SLAB), meant, found))
    return judged.filter(~pl.col("keep")).select(list(schema)).cast(schema)


def _vectors(run: Run, earlier: pl.DataFrame, encoder: str, backend: str) -> Iterator[pl.DataFrame]:
    from tasks.encoder import load_encoder

    code = load_encoder(encoder, backend).id
    for some in earlier.select("sample_id").iter_slices(SLAB):
        rows = "SELECT sample_id, encoder, vector FROM embedding SEMI JOIN asked USING (sample_id)"
        yield run.earlier(f"{rows} ORDER BY sample_id", asked=some).filter(pl.col("encoder") == code)


def _sheets(
    run: Run, frames: Iterable[pl.DataFrame], meant: pl.DataFrame, evaluation: Evaluation
) -> Iterator[pl.DataFrame]:
    """Verdicts on the samples of each frame."""
    against, n, dropped = known(evaluation.texts), 0, 0
    for frame in frames:
        views = {WHOLE: frame.select("sample_id", "text"), QUESTION: questions(frame)}
        hits = [word_hits(texts, against, view) for view, texts in views.items()]
        hits.append(meant.join(frame, on="sample_id", how="semi"))
        texts = pl.concat(texts.with_columns(view=pl.lit(view, pl.Int8)) for view, texts in views.items())
        judged = verdict_rows(frame["sample_id"], texts, pl.concat(hits), evaluation.texts, run.run_id)
        n, dropped = n + judged.height, dropped + (~judged["keep"]).sum()
        yield judged
    told = "leak: %d of %d samples repeat one of %d evaluation rows (%d rows could not be read)"
    logger.info(told, dropped, n, evaluation.n_rows, evaluation.n_bad)


def _meant(
    vectors: Iterable[pl.DataFrame] | None, texts: pl.DataFrame, encoder: str, backend: str
) -> pl.DataFrame:
    """Hits of the rule on cosines among all vectors: columns sample_id, encoder, vector."""
    found = [pl.DataFrame(schema=HIT)]
    if vectors is None or texts.is_empty():
        return found[0]
    from tasks.encoder import encode, load_encoder

    here = load_encoder(encoder, backend)
    targets = encode(texts["text"].to_list(), here).unit
    for frame in vectors:
        if odd := set(frame["encoder"]) - {here.id}:
            raise SeedloomError(
                f"leak: vectors of {min(odd)} have no cosine to those of {here.id}, loaded here"
            )
        found.append(cosine_hits(frame, targets))
    return pl.concat(found)
