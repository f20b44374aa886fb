import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks import shingles
from tasks.shingles import contract, normalised, shingle_sets, sign
from tasks.tokens import words

LETTERS = st.text(alphabet=st.sampled_from("aB9_ .\n\0’…\u00a0—éßİﬁ½²Ⅷœ中かカ\u0301\u0e33😀ệ"), max_size=40)


def sets(texts, n=3):
    bounds, hashes = shingle_sets(pl.Series(texts, dtype=pl.String), n)
    return [set(hashes[a:b].tolist()) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


@settings(deadline=None)
@given(st.lists(LETTERS | st.text(max_size=30), max_size=6))
def test_words_are_those_of_the_tokeniser_in_any_script(texts):
    assert list(normalised(pl.Series(texts, dtype=pl.String))) == [
        "".join(word + " " for word in words(text)).encode() for text in texts
    ]


def test_every_ascii_character_is_read_as_the_tokeniser_reads_it():
    texts = [f"x{chr(code)}y {chr(code)}" for code in range(128)]
    assert list(normalised(pl.Series(texts))) == [
        "".join(word + " " for word in words(text)).encode() for text in texts
    ]


def test_texts_that_differ_in_case_punctuation_and_typography_only_are_one_set():
    plain, odd = "Don't stop, she said - ever", "don’t  STOP… “she\u00a0said” — ever!"
    assert sets([plain])[0] == sets([odd])[0]
    assert len(sets([plain])[0]) == 4  # don t stop she said ever: six words


def test_a_text_of_fewer_words_than_n_is_one_shingle_and_one_without_words_has_none():
    found = sets(["one two", "one", "", " ...!", "two one"], n=5)
    assert [len(each) for each in found] == [1, 1, 0, 0, 1]
    assert len(set.union(*found)) == 3


def test_chinese_and_vietnamese_texts_have_the_shingles_of_their_words():
    chinese, vietnamese = sets(["我喜欢吃苹果", "Tôi rất thích ăn táo"])
    assert (len(chinese), len(vietnamese)) == (4, 3)
    assert sets(["我 喜 欢 吃 苹 果"])[0] == chinese
    assert sets(["TÔI RẤT THÍCH ĂN TÁO"])[0] == vietnamese
    assert not sets(["Toi rat thich an tao"])[0] & vietnamese


@pytest.mark.parametrize("place", [0, 6, 7, 8, 9, 15, 16, 17, 30])
def test_every_letter_of_a_long_word_counts(place):
    word = "abcdefghijklmnopqrstuvwxyz01234"
    other = word[:place] + "X" + word[place + 1 :]
    assert sets([word]) != sets([other])
    assert sets([word[:place]]) != sets([word])


@settings(deadline=None, max_examples=30)
@given(st.lists(LETTERS, min_size=1, max_size=12), st.integers(0, 40), st.sampled_from([3, 5]))
def test_results_depend_neither_on_batches_nor_on_where_a_text_lies(texts, size, n):
    series = pl.Series(["before", *texts, "after"])[1:-1]
    whole, alone = sign(series, n), [sign(pl.Series([text]), n) for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shingles, "BATCH_BYTES", size + 1)
        parted, parted_sets = sign(series, n), shingle_sets(series, n)
    for k in (0, 1):
        np.testing.assert_array_equal(whole[k], parted[k])
        np.testing.assert_array_equal(whole[k], np.concatenate([each[k] for each in alone]))
        np.testing.assert_array_equal(shingle_sets(series, n)[k], parted_sets[k])


def test_a_set_holds_a_repeated_shingle_once_in_ascending_order():
    text = " ".join(
        ["one two three four"] * 9 + [f"word{i}" for i in range(300)] + ["one two three four"] * 3
    )
    split = text.split()
    distinct = {tuple(split[i : i + 3]) for i in range(len(split) - 2)}
    _, hashes = shingle_sets(pl.Series([text]), 3)
    assert (hashes[1:] > hashes[:-1]).all()
    assert len(hashes) == sign(pl.Series([text]), 3)[1][0] == len(distinct)


def test_no_texts_give_no_rows():
    minima, counts = sign(pl.Series([], dtype=pl.String), 3)
    assert (minima.shape, counts.shape) == ((0, 128), (0,))
    assert sets([]) == []


def test_the_contract_names_everything_and_refuses_unknown_shingles():
    assert contract(5) == "v1-nfkc-word5-mix64-affine32-seed1-k128"
    with pytest.raises(BadInput, match=r"shingles of 4 words; known: \[3, 5\]"):
        contract(4)


@pytest.mark.parametrize("text", ["word " * 2_000_000, "x" * 10_000_000, "中" * 1_000_000, " " * 10_000_000])
def test_a_text_of_ten_megabytes_is_signed_as_any_other(text):
    minima, counts = sign(pl.Series(["one", text, "one"]), 5)
    assert counts.tolist() == [1, len(set(words(text[:100]))), 1]
    np.testing.assert_array_equal(minima[0], minima[2])


def test_one_text_a_million_times_is_signed_a_million_times():
    minima, counts = sign(pl.Series(["the same words"]).new_from_index(0, 1_000_000), 3)
    assert (counts == 1).all() and (minima == minima[0]).all()
