import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tasks.leak_words import UNKNOWN, hashed_words, known_words, look_up, table_of
from tasks.tokens import words

TEXTS = st.lists(st.text(st.sampled_from("aAbB1 .-é漢ẞạ\u0301\n"), max_size=30), max_size=8)


@given(TEXTS)
def test_hashes_are_equal_where_the_words_are(texts):
    bounds, hashes = hashed_words(pl.Series(texts, dtype=pl.String))
    told = [words(text) for text in texts]
    assert np.diff(bounds).tolist() == [len(each) for each in told]
    named = dict(zip([word for each in told for word in each], hashes.tolist(), strict=True))
    assert [named[word] for each in told for word in each] == hashes.tolist()
    assert len(set(named.values())) == len(named)


def test_case_punctuation_and_unicode_forms_count_for_nothing():
    _, one = hashed_words(pl.Series(["The  fox, “ran”; việt ﬁne!"]))
    _, other = hashed_words(pl.Series(["the fox ran vie\u0323\u0302t fine"]))
    assert one.tolist() == other.tolist()


def test_words_that_no_evaluation_text_has_are_unknown():
    _, hashes = hashed_words(pl.Series(["a fox ran"]))
    keys = np.unique(hashes)
    found = known_words(pl.Series(["the fox", "", "ran a b"]), table_of(keys))
    assert found.bounds.tolist() == [0, 2, 2, 5]
    assert [keys[i] if i != UNKNOWN else None for i in found.items] == [
        None,
        hashes[1],
        hashes[2],
        hashes[0],
        None,
    ]


@given(st.sets(st.integers(0, 2**64 - 1), max_size=50), st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_every_key_is_found_at_its_place_and_nothing_else_is(keys, others):
    table = table_of(np.array(sorted(keys), np.uint64))
    asked = np.array([*sorted(keys), *others], np.uint64)
    places = {key: i for i, key in enumerate(sorted(keys))}
    assert look_up(table, asked).tolist() == [places.get(key, -1) for key in asked.tolist()]
