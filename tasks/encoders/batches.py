"""From texts to rows of a model: batches of about one length, and no text that spoils the others.

A batch holds as many texts as fit a budget of tokens, all about equally long, so that next to nothing is
padding (5 % on Alpaca) and the working memory is the same for short and for long texts. Lengths are padded
to a multiple of eight: a few dozen shapes in all, each of which the matrix libraries prepare for and keep.
An exact length for each batch makes hundreds, and cost 1 GB more memory on 6,000 texts.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

BLOCK = 1024  # texts prepared at once: what a tokenizer says about a text is large
MULTIPLE = 8  # tokens; lengths are padded to a multiple of it

Given, Got = TypeVar("Given"), TypeVar("Got")


class Prepared(NamedTuple):
    """One text, ready to be encoded."""

    item: Any  # what `forward` takes: token ids, (length,) int32, or the text itself
    length: int  # tokens, or whatever the work grows with
    truncated: bool  # the text was longer than the model reads


class Model(Protocol):
    """What can be encoded with. `forward` pads what it is given to one length."""

    budget: int  # units of length in a batch
    at_once: int  # batches that are encoded side by side, each in a thread

    def prepare(self, texts: list[str]) -> list[Prepared]:
        """One for each text."""

    def forward(self, items: list[Any]) -> Sequence[np.ndarray]:
        """One row for each item, as the model gives it."""


class Rows(NamedTuple):
    """One for each text."""

    raw: np.ndarray  # (n, d) float32, NaN where there is a reason
    truncated: np.ndarray  # (n,) bool
    reasons: list[str]  # why there is no row; empty where there is one
    failed: int  # texts for which the model raised


def rows_of(texts: list[str], model: Model, dimension: int, advance: Callable[[int], None]) -> Rows:
    """The rows of a model for texts, each refused for itself: an error of one leaves the others as they are.

    Args:
        texts: distinct, in an order that follows from their set, so that the batches do too.
        model: any.
        dimension: of a row; one of another length is refused.
        advance: told how many texts were done.
    """
    prepared: list[Prepared | Exception] = []
    for start in range(0, len(texts), BLOCK):
        prepared += apart(model.prepare, texts[start : start + BLOCK])
    found = Rows(
        np.full((len(texts), dimension), np.nan, np.float32),
        np.array([isinstance(each, Prepared) and each.truncated for each in prepared], bool),
        [_reason(each) if isinstance(each, Exception) else "" for each in prepared],
        0,
    )
    able = [i for i, reason in enumerate(found.reasons) if not reason]
    advance(len(texts) - len(able))
    cut = batches(np.array([prepared[i].length for i in able], np.int64), model.budget)
    groups = [[able[i] for i in batch] for batch in cut]
    with ThreadPoolExecutor(model.at_once) as threads:
        made = threads.map(lambda group: apart(model.forward, [prepared[i].item for i in group]), groups)
        for group, rows in zip(groups, made, strict=True):
            for i, row in zip(group, rows, strict=True):
                found.reasons[i] = _place(row, found.raw[i])
            advance(len(group))
    return found._replace(failed=sum(reason.startswith(_RAISED) for reason in found.reasons))


def batches(lengths: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    """Places of texts encoded together, longest first: (k,) int64, k x longest <= budget or k = 1."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // padded_length(int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def padded_length(length: int) -> int:
    """The next multiple of MULTIPLE, at least one of them."""
    return max(1, -(-length // MULTIPLE)) * MULTIPLE


def apart(call: Callable[[list[Given]], Sequence[Got]], given: list[Given]) -> list[Got | Exception]:
    """What a function gives for a list, one for each; in place of one that makes it fail, the exception.

    Found by halving, so that one bad text of n costs 2 log2 n calls more.
    """
    try:
        got = list(call(given))
        if len(got) != len(given):
            raise ValueError(f"{len(got)} rows came for {len(given)} texts")
        return got
    except Exception as error:  # whatever a library raises: it is the reason of one text, in words
        if len(given) == 1:
            return [error]
    half = len(given) // 2
    return apart(call, given[:half]) + apart(call, given[half:])


_RAISED = "the encoder failed: "


def _reason(error: Exception) -> str:
    return f"{_RAISED}{type(error).__name__} {' '.join(str(error).split())[:200]}".rstrip()


def _place(row: np.ndarray | Exception, place: np.ndarray) -> str:
    """Copy a row to its place, or say why it cannot be."""
    if isinstance(row, Exception):
        return _reason(row)
    if np.shape(row) != place.shape:
        found = "x".join(map(str, np.shape(row)))
        return f"the vector has dimension {found}, that of the encoder is {len(place)}"
    place[:] = row
    return ""
