import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.repetition import WORD, repeated_lines, repeated_ngrams
from tasks.tokens import words


def by_hand(text, n):
    """The definition, word by word."""
    found = words(text)
    seen, covered = set(), set()
    for i in range(len(found) - n + 1):
        gram = tuple(found[i : i + n])
        if gram in seen:
            covered |= set(range(i, i + n))
        seen.add(gram)
    total = sum(map(len, found))
    return sum(len(found[i]) for i in covered) / total if total else 0.0


TEXTS = st.lists(st.sampled_from(["ab", "c", "D", "猫", "."]), max_size=25).map(" ".join)


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=5), st.integers(1, 6))
def test_the_share_is_that_of_its_definition_for_each_text(texts, n):
    shares = repeated_ngrams(pl.Series(texts, dtype=pl.String), n)
    np.testing.assert_allclose(shares, [by_hand(text, n) for text in texts], atol=1e-12)


# Python and polars know different versions of Unicode: only what both have assigned.
@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"]), max_size=60))
def test_words_are_those_of_the_whole_project(text):
    normal = pl.Series([text]).str.normalize("NFKC").str.to_lowercase()
    assert normal.str.extract_all(WORD)[0].to_list() == words(text)


def test_the_share_climbs_with_the_number_of_copies():
    story = "a little fox went into the deep green wood to look for one red berry. "
    shares = repeated_ngrams(pl.Series([story * n for n in (1, 2, 3, 10)]), 10)
    np.testing.assert_allclose(shares, [0, 1 / 2, 2 / 3, 9 / 10])


def test_two_texts_of_a_batch_do_not_count_as_repetition_of_each_other():
    story = "a little fox went into the deep green wood to look for one red berry"
    np.testing.assert_array_equal(repeated_ngrams(pl.Series([story, story]), 10), [0, 0])


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0),
        ("one line", 0),
        ("abc\nabc\nxyz", 1 / 3),
        ("  abc \nabc", 1 / 2),
        ("\n\n\n", 0),
        ("|---|\n|---|\n| a |", 0),
        ("la\n" * 10, 9 / 10),
    ],
)
def test_repeated_lines_are_weighed_by_their_characters(text, share):
    assert repeated_lines(pl.Series(["other", text]))[1] == pytest.approx(share)
