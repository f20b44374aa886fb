import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.encoders import batches
from tasks.encoders.batches import Prepared, apart, padded_length, rows_of


class Letters:
    """Counts of a and b; `bad` fails, `long` has three dimensions; remembers its batches."""

    budget, at_once = 32, 1

    def __init__(self):
        self.asked = []

    def prepare(self, texts):
        if "unreadable" in texts:
            raise UnicodeError("no such\ncharacter")
        return [Prepared(text, len(text), len(text) > 20) for text in texts]

    def forward(self, items):
        self.asked.append(items)
        if "bad" in items:
            raise ValueError("the text is\nbad")
        return [np.ones(3) if item == "long" else np.array([item.count("a"), 1.0]) for item in items]


def asked(texts, model):
    told = []
    found = rows_of(texts, model, 2, told.append)
    assert sum(told) == len(texts)
    return found


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 600))
def test_batches_hold_every_text_once_within_the_budget(lengths, budget):
    made = list(batches.batches(np.array(lengths, np.int64), budget))
    assert sorted(np.concatenate([np.zeros(0, int), *made])) == list(range(len(lengths)))
    for batch in made:
        longest = max(lengths[i] for i in batch)
        assert len(batch) == 1 or len(batch) * padded_length(longest) <= budget
        assert lengths[batch[0]] == longest


def test_texts_of_one_length_come_together():
    lengths = np.array([5, 90, 7, 88, 6, 91])
    assert [sorted(batch) for batch in batches.batches(lengths, 300)] == [[1, 3, 5], [0, 2, 4]]


def test_the_shapes_are_few_whatever_the_lengths():
    lengths = np.random.default_rng(0).integers(3, 257, size=20_000)
    made = list(batches.batches(lengths, 4096))
    shapes = {(len(batch), padded_length(lengths[batch[0]])) for batch in made[:-1]}
    assert len(shapes) <= 32
    padded = sum(len(batch) * padded_length(lengths[batch[0]]) for batch in made)
    assert padded / lengths.sum() < 1.06


@pytest.mark.parametrize("length, padded", [(0, 8), (1, 8), (8, 8), (9, 16), (256, 256)])
def test_lengths_are_padded_to_eight(length, padded):
    assert padded_length(length) == padded


def test_one_bad_text_is_found_in_few_calls_and_the_others_keep_their_rows():
    calls = []

    def call(given):
        calls.append(given)
        if 77 in given:
            raise ValueError("77")
        return [2 * each for each in given]

    found = apart(call, list(range(128)))
    assert isinstance(found.pop(77), ValueError)
    assert found == [2 * i for i in range(128) if i != 77]
    assert len(calls) == 15


def test_too_few_rows_are_an_error_of_the_texts_that_were_asked():
    found = apart(lambda given: given[:1], ["a", "b"])
    assert found == ["a", "b"]
    assert isinstance(apart(lambda given: [], ["a"])[0], ValueError)


def test_every_flaw_is_said_in_words_for_its_text_alone():
    found = asked(["aa", "bad", "long", "unreadable", "b"], Letters())
    assert found.raw[[0, 4]].tolist() == [[2, 1], [0, 1]]
    assert np.isnan(found.raw[1:4]).all()
    assert found.reasons == [
        "",
        "the encoder failed: ValueError the text is bad",
        "the vector has dimension 3, that of the encoder is 2",
        "the encoder failed: UnicodeError no such character",
        "",
    ]
    assert found.failed == 2


def test_what_was_cut_is_told():
    assert asked(["a", "a" * 21], Letters()).truncated.tolist() == [False, True]


def test_no_texts_ask_nothing():
    model = Letters()
    assert asked([], model).raw.shape == (0, 2)
    assert model.asked == []
