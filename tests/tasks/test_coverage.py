import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import coverage
from tasks.lemma import realised

NOUNS, VERBS = ["dog", "child", "box", "city"], ["run", "hope", "cry"]


def test_a_word_counts_in_its_inflected_forms():
    text = "The children ran to the boxes, hoping not to cry."
    assert coverage.look_up(text, ["child", "run", "box", "hope", "dog"]).found == (
        True,
        True,
        True,
        True,
        False,
    )


def test_requested_words_are_read_from_the_named_slots():
    slots = json.dumps({"words": ["dog", "run"], "features": ["dialogue"], "topic": "sea"})
    assert coverage.requested_words(slots, ["words"]) == ["dog", "run"]
    assert coverage.requested_words(slots, ["words", "features"]) == ["dog", "run", "dialogue"]
    assert coverage.requested_words(slots, ["topic", "missing"]) == []


def test_the_hit_rate_is_over_words_not_texts():
    rate = coverage.slot_hit_rate(["a dog ran", "a box"], [["dog", "run", "cry"], ["box"]])
    assert rate == pytest.approx(3 / 4)
    assert coverage.slot_hit_rate(["a"], [[]]) is None


@pytest.mark.parametrize(("k", "n"), [(1, 3), (2, 1), (2, 5), (3, 4), (7, 6)])
def test_expectation_and_deviation_are_exact_by_enumeration(k, n):
    seen = [len(set(draws)) / k for draws in itertools.product(range(k), repeat=n)]
    assert coverage.expected_coverage(k, n) == pytest.approx(np.mean(seen))
    assert coverage.coverage_sd(k, n) == pytest.approx(np.std(seen), abs=1e-12)


def test_expectation_and_deviation_agree_with_simulation_on_a_large_grid():
    k, n = 250_000, 10_000
    chance = np.random.default_rng(0)
    seen = [len(np.unique(chance.integers(0, k, n))) / k for _ in range(300)]
    assert coverage.expected_coverage(k, n) == pytest.approx(0.0392, abs=1e-4)  # the published table
    assert coverage.expected_coverage(k, n) == pytest.approx(np.mean(seen), rel=1e-3)
    assert coverage.coverage_sd(k, n) == pytest.approx(np.std(seen), rel=0.12)


@given(k=st.integers(1, 10**7), n=st.integers(0, 10**7))
@settings(max_examples=80, deadline=None)
def test_expectation_and_deviation_stay_in_range(k, n):
    assert 0 <= coverage.expected_coverage(k, n) <= 1
    assert 0 <= coverage.coverage_sd(k, n) <= 0.5


def told(pairs):
    return [f"One day a {noun} and {verb}." for noun, verb in pairs], [list(pair) for pair in pairs]


def test_pairs_are_counted_once_and_against_as_many_independent_draws():
    texts, requests = told([("dog", "run"), ("dog", "run"), ("child", "cry")])
    expected = 12 * coverage.expected_coverage(12, 3)
    assert coverage.pair_coverage(texts, requests, [4, 3]) == pytest.approx(2 / expected)


def test_a_pair_that_was_asked_for_but_not_told_is_not_covered():
    texts, requests = told([("dog", "run"), ("child", "cry")])
    assert coverage.pair_coverage(["nothing here", texts[1]], requests, [4, 3]) == pytest.approx(
        0.5 * coverage.pair_coverage(texts, requests, [4, 3])
    )


def test_the_whole_grid_told_once_beats_chance_and_an_independent_sampler_meets_it():
    whole = told(list(itertools.product(NOUNS, VERBS)))
    assert coverage.pair_coverage(*whole, [4, 3]) == pytest.approx(1 / coverage.expected_coverage(12, 12))
    chance = np.random.default_rng(1)
    ratios, held = [], []
    for _ in range(60):
        draws = [(str(chance.choice(NOUNS)), str(chance.choice(VERBS))) for _ in range(12)]
        texts, requests = told(draws)
        asked = [coverage.look_up(*pair) for pair in zip(texts, requests, strict=True)]
        found = coverage.cell_coverage(asked, [4, 3], 2)
        ratios.append(found.value)
        held.append(found.low <= 1 <= found.high)
    assert np.mean(ratios) == pytest.approx(1, abs=0.06)
    assert np.mean(held) > 0.85


def test_three_lists_have_three_kinds_of_pairs():
    texts = ["a dog will run in a red box", "a dog will cry in a red box"]
    requests = [["dog", "run", "red"], ["dog", "cry", "red"]]
    cells = [4 * 3, 4 * 2, 3 * 2]
    expected = sum(k * coverage.expected_coverage(k, 2) for k in cells)
    assert coverage.pair_coverage(texts, requests, [4, 3, 2]) == pytest.approx(5 / expected)
    words = sum(k * coverage.expected_coverage(k, 2) for k in (4, 3, 2))
    assert coverage.word_coverage(texts, requests, [4, 3, 2]) == pytest.approx(4 / words)


@pytest.mark.parametrize("n", [0, 1])
def test_coverage_of_fewer_than_two_texts_is_unknown(n):
    texts, requests = told([("dog", "run")] * n)
    assert coverage.pair_coverage(texts, requests, [4, 3]) is None
    assert coverage.word_coverage(texts, requests, [4, 3]) is None


def test_one_list_has_no_pairs():
    assert coverage.pair_coverage(["dog", "box"], [["dog"], ["box"]], [4]) is None


def test_the_rarest_label_counts_against_an_even_share():
    assert coverage.label_min_share(["a", "b"] * 5) == 1
    assert coverage.label_min_share(["a"] * 9 + ["b"]) == pytest.approx(0.2)
    assert coverage.label_min_share(["a", "b"] * 5, 3) == 0  # one label never came
    assert coverage.label_min_share(["a"]) is None


def test_a_chosen_item_is_realised_by_the_text_that_was_made_of_it():
    asked = coverage.with_choices(
        coverage.look_up("A dog ran.", ["dog", "cat"]), {"topic": "rain", "x": 1}, ["topic", "x", "y"]
    )
    assert asked == (("dog", "cat", "rain"), (True, False, True))


WORDS_ASKED = ["run", "hop", "cat", "ice cream", "3", "be", "good"]
PIECES = [
    "run",
    "runt",
    "Runs!",
    "hopped",
    "hope",
    "cat's",
    "concat",
    "ice",
    "cream",
    "3",
    "13",
    "was",
    "better",
    "_",
    "é",
]


@given(st.lists(st.sampled_from(PIECES), max_size=6), st.sampled_from([" ", "", "-", "_", ", "]))
@settings(max_examples=300)
def test_the_fast_look_up_of_ascii_texts_is_that_of_the_lemma_rules(pieces, between):
    text = between.join(pieces)
    assert coverage.look_up(text, WORDS_ASKED).found == tuple(realised(word, text) for word in WORDS_ASKED)
