import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from tasks import neighbours
from tasks.neighbours import (
    bottom,
    cosine_quantile,
    cosine_to,
    nearest_cosine,
    nearest_rouge,
    novelty,
    rouge_to,
    share_above,
)
from tasks.rouge import rouge_l_matrix
from tasks.spread import unit

TEXTS = [
    "The cat sat on the mat and looked at the moon.",
    "The cat sat on the mat and looked at the sun.",
    "A quiet fox dug under the old stone wall at night.",
    "Sort these numbers from the smallest to the largest.",
    "At night a quiet fox dug.",
    "",
]


def rows(n, d, seed=0):
    return unit(np.random.default_rng(seed).standard_normal((n, d)))


def test_the_nearest_by_cosine_is_that_of_the_whole_matrix_across_blocks():
    x = rows(2500, 6)
    cosines = x @ x.T
    np.fill_diagonal(cosines, -np.inf)
    found = nearest_cosine(x)
    assert found.similarity == pytest.approx(cosines.max(axis=1), abs=1e-6)
    assert np.array_equal(found.index, cosines.argmax(axis=1))


def test_planted_copies_are_found_and_only_they():
    x = rows(300, 64)
    x[250:] = x[:50]
    found = nearest_cosine(x)
    assert share_above(found.similarity, 0.9) == pytest.approx(100 / 300)
    assert found.index[250] == 0
    assert found.index[0] == 250
    assert found.similarity.max() <= 1


def test_adding_rows_can_only_bring_the_nearest_nearer():
    x = rows(200, 8)
    assert np.all(nearest_cosine(x).similarity[:100] >= nearest_cosine(x[:100]).similarity - 1e-6)


def test_cosine_to_others_and_novelty_are_complements():
    x, y = rows(20, 5), rows(2000, 5, 1)
    y[7] = x[3]
    assert cosine_to(x, y) == pytest.approx((x @ y.T).max(axis=1), abs=1e-6)
    assert novelty(x, y)[3] == pytest.approx(0, abs=1e-6)
    assert novelty(x, -x[:1])[0] == pytest.approx(2)
    assert novelty(x, y[:0]) is None


def test_the_quantile_of_cosines_is_over_pairs_of_different_rows():
    x = rows(40, 5)
    pairs = (x @ x.T)[np.triu_indices(40, 1)]
    assert cosine_quantile(x, 0.9) == pytest.approx(np.quantile(pairs, 0.9), abs=1e-6)


def test_the_nearest_by_rouge_agrees_with_the_rouge_score_package():
    peer = rouge_scorer.RougeScorer(["rougeL"])
    scores = np.array([[peer.score(a, b)["rougeL"].fmeasure for b in TEXTS] for a in TEXTS])
    np.fill_diagonal(scores, -1)
    found = nearest_rouge(TEXTS)
    assert found.similarity == pytest.approx(scores.max(axis=1))
    assert found.index[0] == 1


def test_a_long_text_is_compared_with_all_others_and_not_with_itself(monkeypatch):
    plain, compared = nearest_rouge(TEXTS), []

    def spied(left, right):
        compared.extend((a, b) for a in left for b in right if a)
        return rouge_l_matrix(left, right)

    monkeypatch.setattr(neighbours, "LONG", 6)
    monkeypatch.setattr(neighbours, "TEXTS", 2)
    monkeypatch.setattr(neighbours, "rouge_l_matrix", spied)
    found = nearest_rouge(TEXTS)
    assert np.array_equal(found.similarity, plain.similarity) and np.array_equal(found.index, plain.index)
    assert compared and not [a for a, b in compared if a == b and len(a) > 6]


def test_rouge_sees_texts_that_are_not_english():
    chinese = ["小猫在月光下跑。", "小猫在月光下跑。", "天气很好"]
    vietnamese = ["con mèo ngồi trên ghế", "còn mẹo ngời trện ghe", "trời hôm nay rất đẹp"]
    assert nearest_rouge(chinese).similarity.tolist() == [1, 1, 0]
    assert nearest_rouge(vietnamese).similarity.max() == 0


def test_planted_copies_of_texts_are_found_with_an_edit_and_without():
    texts = [f"story {i} of the {i * 7} lamps and {i * 13} keys" for i in range(8)]
    plain = nearest_rouge(["alpha beta", "gamma delta", *texts[:1]])
    assert share_above(plain.similarity, 0.7) == 0
    pool = ["a b c d e f g h i j", "k l m n o p q r s t", "a b c d e f g h i z", "u v w x y"]
    assert share_above(nearest_rouge(pool).similarity, 0.7) == 0.5


def test_exactly_the_threshold_is_not_above_it():
    seven_of_ten = nearest_rouge(["a b c d e f g h i j", "a b c d e f g x y z"])
    assert seven_of_ten.similarity.tolist() == [0.7, 0.7]
    assert share_above(seven_of_ten.similarity, 0.7) == 0


def test_the_echo_of_a_seed_is_found():
    assert rouge_to(["Sort these numbers now", "sing"], ["sort these numbers now", "x"]).tolist() == [1, 0]
    assert rouge_to(["a"], []) is None
    assert rouge_to([], ["a"]).tolist() == []


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_give_none(n):
    assert nearest_cosine(np.ones((n, 3))) is None
    assert nearest_rouge(["a"] * n) is None
    assert cosine_quantile(np.ones((n, 3))) is None
    assert share_above(np.ones(n), 0.5) is None


@given(n=st.integers(0, 60), m=st.integers(0, 30), cut=st.integers(0, 60), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_hash_sample_ignores_order_and_merges(n, m, cut, seed):
    ids = [f"id{i}" for i in range(n)]
    shuffled = pl.Series(ids, dtype=pl.String).shuffle(seed=seed).to_list()
    sample = [ids[i] for i in bottom(ids, m)]
    assert [shuffled[i] for i in bottom(shuffled, m)] == sample
    parts = [part[i] for part in (shuffled[:cut], shuffled[cut:]) for i in bottom(part, m)]
    assert [parts[i] for i in bottom(parts, m)] == sample


def test_the_hash_sample_is_the_smallest_sha256():
    import hashlib

    ids = [str(i) for i in range(100)]
    assert [ids[i] for i in bottom(ids, 3)] == sorted(
        ids, key=lambda i: hashlib.sha256(i.encode()).hexdigest()
    )[:3]
