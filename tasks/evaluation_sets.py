"""Evaluation sets that the user names: what of each row a training text must not repeat.

They are read like any other data set (`tasks.records`). A row is compared as two texts: whole, and the
question alone (instruction with its input, or the first turn of a user), since a model that was trained on
the question with another answer has still seen it. The instruction without its input is no question: half
of all instruction sets hold "Answer the following question.".
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from schemas.errors import BadInput
from tasks.input_files import content_digest, expand_inputs
from tasks.record_shapes import Content
from tasks.records import Bad, Record, read

SCHEMA = {"place": pl.String, "view": pl.String, "text": pl.String}

logger = logging.getLogger("seedloom.leak")


class Evaluation(NamedTuple):
    """Texts that training must not repeat."""

    texts: pl.DataFrame  # place (file:line), view (text or question), text; in the order of the files
    n_rows: int
    n_bad: int  # rows that could not be read


def evaluation_digest(files: list[str]) -> str | None:
    """What the evaluation sets hold, by name and content; None without any. Part of what a run is asked.

    Raises:
        BadInput: nothing is found under a name, or a file has not one row that can be read.
    """
    if not files:
        return None
    paths = expand_inputs(files)
    for path in paths:
        _refuse_unreadable(path)
    return content_digest(paths)


def read_evaluation(files: list[str]) -> Evaluation:
    """The texts of all rows that can be read; those that cannot are counted and said.

    Raises:
        BadInput: nothing is found under a name.
    """
    rows = list(read(expand_inputs(files)))
    bad = [row for row in rows if isinstance(row, Bad)]
    if bad:
        what = "leak: %d of %d rows of the evaluation sets cannot be read; the first: %s:%d %s"
        logger.warning(what, len(bad), len(rows), bad[0].origin, bad[0].line, bad[0].reason)
    return Evaluation(_views(row for row in rows if isinstance(row, Record)), len(rows) - len(bad), len(bad))


def questions(samples: pl.DataFrame) -> pl.DataFrame:
    """The question of each sample that is more than its question.

    Args:
        samples: columns sample_id, text, instruction, input, messages.

    Returns:
        Columns sample_id, text.
    """
    users = pl.col("messages").list.eval(pl.element().filter(pl.element().struct.field("role") == "user"))
    first = users.list.first().struct.field("content")
    given = pl.col("input").str.strip_chars().replace("", None)
    pair = pl.concat_str("instruction", given, separator="\n\n", ignore_nulls=True)
    question = pl.when(pl.col("instruction").is_not_null()).then(pair).otherwise(first).str.strip_chars()
    asked = samples.select("sample_id", question.alias("text"), whole=pl.col("text").str.strip_chars())
    return asked.filter((pl.col("text") != pl.col("whole")) & (pl.col("text") != "")).drop("whole")


def _views(rows: Iterable[Record]) -> pl.DataFrame:
    found = []
    for row in rows:
        place, text, question = f"{row.origin}:{row.line}", row.content.text.strip(), _question(row.content)
        found.append((place, "text", text))
        if question not in ("", text):
            found.append((place, "question", question))
    return pl.DataFrame(found, schema=SCHEMA, orient="row")


def _question(content: Content) -> str:
    if content.instruction is not None:
        parts = [content.instruction.strip(), (content.input or "").strip()]
        return "\n\n".join(part for part in parts if part)
    return next((said.strip() for role, said in content.messages or [] if role == "user"), "")


def _refuse_unreadable(path: Path) -> None:
    first = None
    for row in read([path]):
        if isinstance(row, Record):
            return
        first = first or row
    reason = f"{path}:{first.line} {first.reason}" if first else "it is empty"
    raise BadInput(f"evaluation set {path}: no row of it can be read; the first: {reason}")
