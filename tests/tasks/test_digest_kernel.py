import hashlib

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import shingles
from tasks.shingles import fingerprints, normalised
from tasks.tokens import words


def expected(texts):
    plain = ["".join(word + " " for word in words(text)).encode() for text in texts]
    return [hashlib.blake2b(text, digest_size=16).digest() if text else None for text in plain]


def digests(texts):
    return fingerprints(pl.Series(texts, dtype=pl.String), 3)[2].to_list()


@settings(max_examples=60)
@given(st.lists(st.text(alphabet="aB1 ,é中", max_size=400), max_size=20), st.sampled_from([50, 1 << 23]))
def test_digests_are_blake2b_of_the_words(texts, batch):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shingles, "BATCH_BYTES", batch)
        assert digests(texts) == expected(texts)


def test_every_length_around_a_block_is_right():
    texts = ["x" * n for n in range(1, 400)]  # one more byte each, the space behind the word
    assert digests(texts) == expected(texts)


def test_texts_of_unequal_lengths_keep_their_lanes_apart():
    texts = ["word " * n for n in (1, 500, 2, 0, 3000, 1, 1, 80, 5, 26, 25, 0, 700)]
    assert digests(texts) == expected(texts)


def test_words_cut_at_a_vector_are_whole():
    texts = [" " * n + "word" * 20 + "." * n + "End" for n in range(70)]
    assert list(normalised(pl.Series(texts))) == [
        b"word" * 20 + b" end " if n else b"word" * 20 + b"end " for n in range(70)
    ]
