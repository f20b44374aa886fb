import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from tasks.rouge import judge, rouge_l

TEXTS = st.lists(st.sampled_from(["the", "a", "dog", "cat", "ran", "sat", "fast", "now"]), max_size=12).map(
    " ".join
)


def samples(*texts, start=0):
    ids = [f"s{i + start}" for i in range(len(texts))]
    return pl.DataFrame(
        {"sample_id": ids, "text": list(texts)}, schema={"sample_id": pl.String, "text": pl.String}
    )


@given(TEXTS, TEXTS)
def test_it_is_the_rouge_l_of_the_rouge_score_package(a, b):
    theirs = RougeScorer(["rougeL"], use_stemmer=False).score(a, b)["rougeL"].fmeasure
    assert rouge_l(a, b) == pytest.approx(theirs, abs=1e-12)


def test_it_agrees_with_rouge_score_on_the_public_seed_tasks(public_data):
    lines = public_data("self_instruct/seed_tasks.jsonl").read_text().splitlines()
    tasks = [json.loads(line)["instruction"] for line in lines][:60]
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    for a, b in zip(tasks, tasks[1:], strict=False):
        assert rouge_l(a, b) == pytest.approx(scorer.score(a, b)["rougeL"].fmeasure, abs=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [
        ("a b c d", "a b c d", 1.0),
        ("a b c d", "e f", 0.0),
        ("a b c d", "a x c y", 0.5),
        ("", "", 0.0),
        ("你好世界", "你好世界", 1.0),
        ("Tôi đi học", "Tôi đi chợ", 2 / 3),
    ],
)
def test_known_values_also_outside_ascii(a, b, value):
    assert rouge_l(a, b) == pytest.approx(value)


def test_exactly_the_threshold_passes_and_anything_above_is_dropped():
    pool = samples("a b c d e f g x y z", start=100)
    at, above = "a b c d e f g p q r", "a b c d e f g x u v"  # F = 0.7 and 0.8
    verdicts = judge(samples(at, above), pool, 0.7, "run")
    assert verdicts["score"].to_list() == pytest.approx([0.7, 0.8])
    assert verdicts["keep"].to_list() == [True, False]
    assert verdicts["witness_id"].to_list()[1] == "s100"


def test_a_candidate_is_compared_with_those_accepted_before_it_but_not_with_the_dropped():
    first, copy = "one two three four", "one two three four"
    verdicts = judge(samples(first, copy, copy), samples(), 0.7, "run")
    assert verdicts["keep"].to_list() == [True, False, False]
    assert verdicts["witness_id"].to_list() == [None, "s0", "s0"]


def test_a_chain_keeps_its_far_end():
    a, b, c = "a b c d e", "a b c d x", "a b y z x"  # F: a-b .8, b-c .6, a-c .4
    assert judge(samples(a, b, c), samples(), 0.7, "run")["keep"].to_list() == [True, False, True]


@given(st.lists(TEXTS, min_size=1, max_size=8), st.lists(TEXTS, max_size=8))
def test_no_two_accepted_texts_are_above_the_threshold(candidates, known):
    verdicts = judge(samples(*candidates), samples(*known, start=100), 0.7, "run")
    kept = [candidates[i] for i, keep in enumerate(verdicts["keep"]) if keep]
    for i, text in enumerate(kept):
        assert all(rouge_l(text, other) <= 0.7 for other in [*kept[:i], *known])


def test_the_pool_may_be_larger_than_a_block(monkeypatch):
    monkeypatch.setattr("tasks.rouge.BLOCK", 3)
    pool = samples(*(f"word{i} other{i} more{i}" for i in range(10)), start=100)
    verdicts = judge(samples("word7 other7 more7"), pool, 0.7, "run")
    assert verdicts["witness_id"].to_list() == ["s107"]
    assert np.isclose(verdicts["score"][0], 1.0)
