import math
import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import explore
from tasks.spread import unit

TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join), min_size=2, max_size=8)
ROWS = unit(np.random.default_rng(0).standard_normal((30, 6)))


def test_mtld_of_words_that_never_come_again_is_their_number_and_of_one_word_is_2():
    assert explore.mtld([f"w{i}" for i in range(80)]) == 80
    assert explore.mtld(["a"] * 80) == 2  # a factor is full after two words


def test_mtld_is_by_hand():
    # a b a: types per word 1, 1, 2/3 <= .72 fills a factor; the rest "b" is none; backwards alike
    assert explore.mtld(list("abab")) == 4
    # a a fills one factor, b b the other
    assert explore.mtld(list("aabb")) == 2


def test_hdd_is_the_mean_contribution_of_the_types():
    tokens = ["a"] * 30 + ["b"] * 30
    drawn = math.comb(30, 42) / math.comb(60, 42)  # none of a word: impossible
    assert explore.hdd(tokens) == pytest.approx(2 * (1 - drawn) / 42, abs=1e-12)
    assert explore.hdd([f"w{i}" for i in range(50)]) == pytest.approx(1, abs=1e-9)
    assert explore.hdd(tokens[:41]) is None


def test_hdd_is_hypergeometric():
    tokens = list("aaab" * 20)
    counts, n = Counter(tokens), len(tokens)
    expected = sum(1 - math.comb(n - c, 42) / math.comb(n, 42) for c in counts.values()) / 42
    assert explore.hdd(tokens) == pytest.approx(expected, abs=1e-9)


def test_ead_divides_by_the_types_of_even_draws():
    assert explore.ead(["a b", "a"], 2) == pytest.approx(2 / (2 * (1 - 0.5**3)), abs=1e-12)


@given(TEXTS)
@settings(max_examples=60)
def test_self_bleu_is_that_of_nltk(texts):
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smooth = SmoothingFunction(epsilon=explore.SMOOTHED).method1
    tokens = [text.split() for text in texts]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = [
            sentence_bleu(tokens[:i] + tokens[i + 1 :], one, smoothing_function=smooth)
            if one and any(tokens[:i] + tokens[i + 1 :])
            else None
            for i, one in enumerate(tokens)
        ]
    if None in each or any(
        not set(a) & {w for b in tokens[:i] + tokens[i + 1 :] for w in b} for i, a in enumerate(tokens)
    ):
        return  # nltk gives 0 at once where not one word is shared; ours is smoothed like the other orders
    assert explore.self_bleu(texts) == pytest.approx(np.mean(each), abs=1e-9)


def test_self_bleu_of_copies_is_1():
    assert explore.self_bleu(["the cat sat on the mat"] * 3) == pytest.approx(1, abs=1e-12)


def test_compression_ignores_the_order_of_texts_and_sees_copies():
    texts = ["".join(map(chr, np.random.default_rng(i).integers(97, 123, 400))) for i in range(40)]
    assert explore.compression_ratio(texts) == explore.compression_ratio(texts[::-1])
    assert explore.compression_ratio(texts * 2) > 1.8 * explore.compression_ratio(texts)


@pytest.mark.parametrize("n", [2, 7])
def test_dc_score_of_orthonormal_rows_and_of_copies(n):
    assert explore.dc_score(np.eye(n)) == pytest.approx(n * math.e / (math.e + n - 1), abs=1e-9)
    assert explore.dc_score(np.ones((n, 3))) == pytest.approx(1, abs=1e-9)
    assert explore.dc_score(np.eye(n), tau=0.01) == pytest.approx(n, abs=1e-9)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_novel_sum_of_orthonormal_rows_is_a_harmonic_number(n):
    near = min(10, n - 1)
    harmonic = sum(1 / r for r in range(1, n))
    assert explore.novel_sum(np.eye(n)) == pytest.approx(harmonic * near**-0.5, abs=1e-9)
    assert explore.novel_sum(np.ones((n, 3))) == 0


@pytest.mark.parametrize("statistic", [explore.dc_score, explore.novel_sum])
def test_neither_order_nor_rotation_nor_length_of_rows_matters(statistic):
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]
    other = (ROWS[::-1] @ turn) * np.arange(1, 31)[:, None]
    assert statistic(other) == pytest.approx(statistic(ROWS), rel=1e-9)


@given(TEXTS)
@settings(max_examples=30)
def test_the_order_of_texts_does_not_matter(texts):
    for statistic in (explore.ead, explore.self_bleu, explore.compression_ratio):
        one, other = statistic(texts), statistic(texts[::-1])
        assert one == other or one == pytest.approx(other, rel=1e-12)


def test_estimates_carry_the_values_of_the_plain_functions():
    texts = ["a b c d e f g h " * 10, "the cat sat on the mat " * 9]
    found = explore.estimates(texts)
    assert found["mtld"].value == pytest.approx(np.mean([explore.mtld(t.split()) for t in texts]))
    assert found["ead"].value == explore.ead(texts)
    assert explore.vector_estimates(ROWS)["dc_score"].value == explore.dc_score(ROWS)
