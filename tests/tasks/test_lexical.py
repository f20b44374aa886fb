import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import lexical
from tasks.tokens import words

TEXT = st.lists(st.sampled_from("abcde"), max_size=12).map(" ".join)
ALL = [
    lexical.opener_share,
    lexical.repeated_ngram_share,
    lambda texts: lexical.rarefied_ngrams(texts, 2, 5),
    lexical.distinct_ngrams,
    lexical.good_turing,
    lexical.mean_words,
]


def grams(text, n):
    found = words(text)
    return [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]


@given(st.lists(TEXT, max_size=12), st.integers(1, 13))
@settings(max_examples=60, deadline=None)
def test_ngrams_are_those_of_a_sliding_window_and_never_cross_a_text(texts, n):
    brute = Counter(gram for text in texts for gram in grams(text, n))
    found = lexical.ngrams(texts, n)
    assert sorted(c for c in np.bincount(found.types) if c) == sorted(brute.values())
    once = Counter(gram for text in texts for gram in set(grams(text, n)))
    counts = np.bincount(lexical.once_per_text(found).types)
    assert sorted(c for c in counts if c) == sorted(once.values())


@given(st.lists(TEXT, min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_repeated_share_is_the_definition(texts):
    df = Counter(gram for text in texts for gram in set(grams(text, 4)))
    total = sum(df.values())
    expected = sum(c for c in df.values() if c > 1) / total if total else None
    assert lexical.repeated_ngram_share(texts) == (pytest.approx(expected) if total else None)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_rarefied_types_are_hurlberts_sum_in_exact_integers(counts, m):
    total = sum(counts)
    if m > total:
        assert lexical.rarefied_types(np.array(counts), m) is None
        return
    exact = sum(1 - math.comb(total - r, m) / math.comb(total, m) for r in counts)
    assert lexical.rarefied_types(np.array(counts), m) == pytest.approx(exact, rel=1e-12)


def test_rarefied_types_stay_exact_where_lgamma_cancels():
    counts = np.array([1] * 3_000_000)  # all different: m drawn are m types
    assert lexical.rarefied_types(counts, 5000) == pytest.approx(5000, rel=1e-10)
    assert lexical.rarefied_types(np.array([4_000_000]), 5000) == 1


def test_rarefied_types_are_the_mean_of_real_draws():
    counts = np.array([50, 20, 10, 5, 5, 1, 1, 1])
    tokens = np.repeat(np.arange(len(counts)), counts)
    chance = np.random.default_rng(0)
    drawn = [len(np.unique(chance.permutation(tokens)[:12])) for _ in range(4000)]
    assert lexical.rarefied_types(counts, 12) == pytest.approx(np.mean(drawn), abs=0.08)


def test_rarefied_bigrams_hold_still_where_distinct_2_falls():
    chance = np.random.default_rng(3)
    vocabulary = [f"w{i}" for i in range(300)]
    texts = [" ".join(chance.choice(vocabulary, 30)) for _ in range(800)]
    half, whole = texts[:400], texts
    assert lexical.rarefied_ngrams(whole) == pytest.approx(lexical.rarefied_ngrams(half), rel=0.01)
    assert lexical.distinct_ngrams(whole) < 0.99 * lexical.distinct_ngrams(half)


def test_openers_count_texts_that_begin_alike():
    texts = ["Once upon a time there was"] * 6 + [f"number{i} is here" for i in range(14)] + ["too short"]
    assert lexical.opener_share(texts) == pytest.approx((6 + 9) / 20)
    assert lexical.opener_share(texts, top=1) == pytest.approx(6 / 20)
    assert lexical.opener_share(["a b", "c"]) is None  # none has three words


def test_good_turing_tells_the_share_of_the_next_words_already_seen():
    chance = np.random.default_rng(0)
    p = 1 / np.arange(1, 2001)
    p /= p.sum()
    errors = []
    for _ in range(60):
        tokens = chance.choice(2000, 1500, p=p)
        found = lexical.good_turing([" ".join(f"w{t}" for t in tokens), "w0"])
        errors.append(found - p[np.unique(tokens)].sum())
    assert abs(np.mean(errors)) < 0.004


def test_distinct_and_mean_words_on_a_text_that_can_be_counted_by_hand():
    texts = ["a b a b", "a b", "c"]
    assert lexical.distinct_ngrams(texts) == pytest.approx(2 / 4)  # ab, ba, ab | ab
    assert lexical.mean_words(texts) == pytest.approx(7 / 3)
    assert lexical.word_counts(texts).tolist() == [4, 2, 1]
    assert lexical.good_turing(texts) == pytest.approx(1 - 1 / 7)


def test_a_planted_template_is_seen_in_any_language():
    plain = [f"{chr(0x4E00 + 20 * i)}{chr(0x4E01 + 20 * i)}{chr(0x4E02 + 20 * i)}" * 2 for i in range(40)]
    assert lexical.repeated_ngram_share(plain) == 0
    assert lexical.repeated_ngram_share(["从前有一个" + text for text in plain]) > 0.2
    assert lexical.opener_share(["从前有一个" + text for text in plain]) == 1


@given(st.lists(TEXT, min_size=2, max_size=12), st.randoms())
@settings(max_examples=40, deadline=None)
def test_the_order_of_texts_does_not_matter_and_ranges_hold(texts, chance):
    shuffled = chance.sample(texts, len(texts))
    for statistic in ALL:
        assert (
            statistic(shuffled) == pytest.approx(statistic(texts)) if statistic(texts) is not None else True
        )
    for statistic in (ALL[0], ALL[1], ALL[3], ALL[4]):
        assert statistic(texts) is None or 0 <= statistic(texts) <= 1


@pytest.mark.parametrize("statistic", ALL)
@pytest.mark.parametrize("texts", [[], ["one text"]])
def test_fewer_than_two_texts_give_none(statistic, texts):
    assert statistic(texts) is None


def test_a_corpus_read_once_gives_the_same():
    texts = ["a b c d e f", "a b c d", "x y z"]
    corpus = lexical.read(texts)
    for statistic in ALL:
        assert statistic(corpus) == statistic(texts)
