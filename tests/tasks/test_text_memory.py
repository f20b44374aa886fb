import ctypes

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tasks.text_memory import SLACK, located


def read(texts):
    found, kept = located(texts)
    read = [
        ctypes.string_at(p, n) for p, n in zip(found.places.tolist(), found.lengths.tolist(), strict=True)
    ]
    del kept
    return read


@given(st.lists(st.text(max_size=30), min_size=1, max_size=8), st.integers(0, 3))
def test_texts_are_read_where_they_lie(texts, skip):
    series = pl.Series(["before", *texts])[min(skip, len(texts)) :]
    assert read(series) == [text.encode() for text in series]


def test_columns_in_several_chunks_and_with_nulls_are_read_as_one():
    series = pl.concat([pl.Series(["a" * 5]), pl.Series(["b" * 50, None])], rechunk=False)
    assert read(series) == [b"a" * 5, b"b" * 50, b""]


def test_only_short_texts_and_the_last_of_a_buffer_are_copied():
    texts = pl.Series(["x" * 1000] * 5000 + ["short"])
    found, _ = located(texts)
    assert len(found.spare) - SLACK < 100 * 1000
