import numpy as np
import polars as pl
import pytest

from tasks.shingles import shingle_sets, sign


@pytest.mark.parametrize("n_words", [1, 2, 15, 16, 17, 31, 32, 33, 49])
@pytest.mark.parametrize("length", [1, 7, 8, 9, 20])
def test_vectors_of_16_make_no_difference_between_short_and_long_texts(n_words, length):
    # a text's shingles are those of all its windows of three words, each hashed as a text of its own
    words = [f"{i:02d}".rjust(length, "w")[-length:] + "z" * (i % 3) for i in range(n_words)]
    windows = [" ".join(words[i : i + 3]) for i in range(max(1, n_words - 2))]
    _, whole = shingle_sets(pl.Series([" ".join(words)]), 3)
    _, parts = shingle_sets(pl.Series(windows), 3)
    assert set(whole.tolist()) == set(parts.tolist())


@pytest.mark.parametrize("gap", [1, 14, 15, 16, 17, 31, 32, 33, 100])
def test_a_repeated_shingle_is_found_however_far_back_it_is(gap):
    words = ["a", "b", "c", *(f"w{i}" for i in range(gap)), "a", "b", "c"]
    _, counts = sign(pl.Series([" ".join(words)]), 3)
    assert counts.tolist() == [len(words) - 2 - 1]


def test_many_repeated_shingles_are_counted_as_a_set_would():
    rng = np.random.default_rng(0)
    texts = [" ".join(map(str, rng.integers(0, top, 400))) for top in (2, 3, 5, 8, 12, 40) for _ in range(60)]
    _, counts = sign(pl.Series(texts), 3)
    expected = [len({tuple(t.split()[i : i + 3]) for i in range(398)}) for t in texts]
    assert counts.tolist() == expected
