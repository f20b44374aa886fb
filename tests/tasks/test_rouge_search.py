from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.rouge_search import Texts, f_measure, search

SHORT = st.lists(st.lists(st.integers(0, 5), max_size=9), min_size=1, max_size=14)


def texts(*lists):
    words = np.array([word for each in lists for word in each], np.int32)
    return Texts(words, np.array(list(accumulate(map(len, lists), initial=0)), np.int64))


def lcs(a, b):
    """The textbook's table."""
    row = [0] * (len(b) + 1)
    for x in a:
        before = row
        row = [0]
        for j, y in enumerate(b):
            row.append(before[j] + 1 if x == y else max(row[j], before[j + 1]))
    return row[-1]


def f(a, b):
    if not (common := lcs(a, b)):
        return 0.0
    p, r = common / len(b), common / len(a)
    return 2 * p * r / (p + r)


def greedy(lists, n_known, threshold):
    """Every pair, one after the other: scores and witnesses."""
    pool, scores, witnesses = list(range(n_known)), [0.0] * n_known, [-1] * n_known
    for i in range(n_known, len(lists)):
        found = [f(lists[i], lists[j]) for j in pool]
        scores.append(max(found, default=0.0))
        witnesses.append(pool[found.index(scores[-1])] if scores[-1] > 0 else -1)
        if scores[-1] <= threshold:
            pool.append(i)
    return scores, witnesses


@given(SHORT, st.integers(0, 14), st.sampled_from([0.2, 0.5, 0.7, 1.0]))
def test_score_and_witness_are_those_of_comparing_every_pair(lists, n_known, threshold):
    n_known = min(n_known, len(lists))
    found = search(texts(*lists), n_known, threshold)
    scores, witnesses = greedy(lists, n_known, threshold)
    assert found.score.tolist() == scores
    assert found.witness.tolist() == witnesses


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 200), st.integers(1, 40))
def test_the_lcs_is_that_of_the_table_also_of_long_texts(seed, a, b, n_words):
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, n_words, a).tolist(), rng.integers(0, n_words, b).tolist()
    assert search(texts(left, right), 1, 0.7).score[1] == f(left, right)


@pytest.mark.parametrize("n", [63, 64, 65, 127, 128, 129, 500])
def test_texts_about_as_long_as_a_machine_word_equal_themselves_and_half_of_themselves(n):
    whole = list(range(n))
    found = search(texts(whole, whole, whole[::2], whole[::-1]), 1, 0.0)
    assert found.score[1:].tolist() == [
        1.0,
        f_measure(len(whole[::2]), len(whole[::2]), n),
        f_measure(1, n, n),
    ]


def test_many_random_texts_are_judged_as_by_comparing_every_pair():
    rng = np.random.default_rng(0)
    words = (rng.zipf(1.4, 4_000) - 1) % 60
    ends = np.cumsum(rng.integers(0, 25, 300))
    lists = [words[start:end].tolist() for start, end in zip(ends, ends[1:], strict=False) if end < 4_000]
    assert len(lists) > 250
    found = search(texts(*lists), 50, 0.5)
    scores, witnesses = greedy(lists, 50, 0.5)
    assert (found.score.tolist(), found.witness.tolist()) == (scores, witnesses)
    assert 0 < sum(score > 0.5 for score in scores) < 200


def test_few_lcs_are_computed_and_all_pairs_are_counted():
    rng = np.random.default_rng(0)
    found = search(texts(*rng.integers(0, 500, (400, 10)).tolist()), 100, 1.0)
    assert found.pairs == sum(range(100, 400))
    assert found.compared < found.pairs / 20


def test_a_word_repeated_in_both_texts_promises_no_more_than_the_smaller_number():
    repeating, nearest = [1, 1, 1, 1, 2, 3, 4, 5], [1, 1, 1, 1, 6, 7, 10, 11]
    found = search(texts(repeating, nearest, [1, 1, 1, 1, 6, 7, 8, 9]), 2, 0.7)
    assert (found.witness[2], found.score[2], found.compared) == (1, 0.75, 1)


def test_of_many_equals_the_first_is_the_witness_and_the_others_cost_nothing():
    found = search(texts(*[[1, 2, 3]] * 500, [1, 2, 4]), 500, 0.7)
    assert (found.witness[500], found.compared) == (0, 1)


def test_the_first_of_equals_is_the_earlier_text_not_the_shorter():
    longer, shorter = [1, 2, 7, 8, 9, 10], [1, 11]  # of [1, 2]: 2 * 2 / 8 and 2 * 1 / 4
    assert search(texts(longer, shorter, [1, 2]), 2, 0.7).witness[2] == 0
    assert search(texts(shorter, longer, [1, 2]), 2, 0.7).witness[2] == 0


def test_a_promising_text_in_the_wrong_order_does_not_hide_the_true_nearest():
    scrambled, nearest = [4, 3, 2, 1], [1, 2, 9, 8, 7]
    found = search(texts(scrambled, nearest, [1, 2, 3, 4]), 2, 0.7)
    assert (found.witness[2], found.score[2]) == (1, f_measure(2, 4, 5))


def test_texts_without_words_are_like_nothing():
    found = search(texts([], [], [1], []), 1, 0.7)
    assert found.score.tolist() == [0, 0, 0, 0]
    assert found.witness.tolist() == [-1, -1, -1, -1]


def test_f_is_rounded_as_the_formula_of_precision_and_recall():
    assert f_measure(7, 10, 10) == 0.7
    assert f_measure(7, 7, 13) == f_measure(7, 13, 7) == 0.7000000000000001
    assert f_measure(0, 3, 3) == 0
