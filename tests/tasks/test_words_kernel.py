import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import words_kernel
from tasks.tokens import words
from tasks.words_kernel import first_in_text, number_pairs, number_words


def plain(texts):
    known = {}
    return [known.setdefault(word, len(known)) for text in texts for word in words(text)]


@given(st.lists(st.text(max_size=20) | st.text("aAbB1 -é中ー\u0301\n", max_size=20), max_size=12))
@settings(max_examples=200)
def test_the_words_are_those_of_the_tokeniser_in_order_of_appearance(texts):
    found, counts = number_words(texts)
    assert found.tolist() == plain(texts)
    assert counts.tolist() == [len(words(text)) for text in texts]


def test_the_table_grows_and_words_of_one_hash_slot_stay_apart():
    n = words_kernel.FIRST_ROOM + 10
    texts = [" ".join(f"w{i}" for i in range(n)), f"W0 w{n - 1} new"]
    found, counts = number_words(texts)
    assert found.tolist() == [*range(n), 0, n - 1, n]
    assert counts.tolist() == [n, 3]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40))
def test_pairs_are_numbered_in_order_of_appearance(pairs):
    known = {}
    expected = [known.setdefault(pair, len(known)) for pair in pairs]
    left, right = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    found = number_pairs(left, right)
    assert (found.types.tolist(), found.n_types) == (expected, len(known))


def test_many_pairs_are_numbered_exactly_up_to_the_largest_numbers():
    chance = np.random.default_rng(0)
    left, right = chance.integers(0, 2**31, 100_000), chance.integers(0, 3, 100_000)
    types, n = number_pairs(np.tile(left, 2), np.tile(right, 2))
    assert n == len(set(zip(left.tolist(), right.tolist(), strict=True)))
    assert (types[:100_000] == types[100_000:]).all()


def test_a_type_is_first_once_in_each_text():
    types, text = np.array([0, 0, 1, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1])
    assert first_in_text(types, text).tolist() == [True, False, True, True, True, False]
    assert first_in_text(types[:0], text[:0]).tolist() == []
