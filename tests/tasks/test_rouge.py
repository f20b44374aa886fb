import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from tasks.rouge import ascii_words, end_to_end, judge, nearest, rouge_l, rouge_l_matrix

ASCII = ["the", "a", "dog", "cat", "ran", "sat", "fast", "now"]
TEXTS = st.lists(st.sampled_from(ASCII), max_size=12).map(" ".join)
ANY_LANGUAGE = st.lists(
    st.sampled_from(["the ", "dog ", "cat ", "đi ", "học ", "你", "好", "世", "。"]), max_size=10
)
MANY = st.lists(ANY_LANGUAGE.map("".join), max_size=8)
SCORER = RougeScorer(["rougeL"], use_stemmer=False)


def samples(*texts, start=0):
    ids = [f"s{i + start}" for i in range(len(texts))]
    return pl.DataFrame(
        {"sample_id": ids, "text": list(texts)}, schema={"sample_id": pl.String, "text": pl.String}
    )


def theirs(a, b):
    return SCORER.score(a, b)["rougeL"].fmeasure


@given(TEXTS, TEXTS)
def test_it_is_the_rouge_l_of_the_rouge_score_package_to_the_last_bit(a, b):
    assert rouge_l(a, b) == theirs(a, b) == rouge_l(b, a)


def test_it_agrees_with_rouge_score_on_the_public_seed_tasks(public_data):
    lines = public_data("self_instruct/seed_tasks.jsonl").read_text().splitlines()
    tasks = [json.loads(line)["instruction"] for line in lines][:60]
    for a, b in zip(tasks, tasks[1:], strict=False):
        assert rouge_l(a, b) == theirs(a, b)


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
    assert verdicts["score"].to_list() == [0.7, theirs(above, "a b c d e f g x y z")]
    assert verdicts["keep"].to_list() == [True, False]
    assert verdicts["witness_id"].to_list()[1] == "s100"


def test_at_the_threshold_by_arithmetic_the_rounding_of_the_authors_scorer_decides():
    seven, thirteen = "a b c d e f g", "a b c d e f g p q r s t u"  # F = 14 / 20
    assert theirs(seven, thirteen) > 0.7
    verdicts = judge(samples(thirteen), samples(seven, start=100), 0.7, "run")
    assert verdicts["keep"].to_list() == [False]
    assert verdicts["score"].to_list() == [theirs(seven, thirteen)]


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


def one_by_one(candidates, known, threshold):
    """The loop of the authors' code, on our words: keep, score, witness."""
    pool = [(f"s{i + 100}", text) for i, text in enumerate(known)]
    for i, text in enumerate(candidates):
        found = [rouge_l(text, other) for _, other in pool]
        score = max(found, default=0.0)
        yield score <= threshold, score, pool[found.index(score)][0] if score > 0 else None
        if score <= threshold:
            pool.append((f"s{i}", text))


@given(MANY, MANY, st.sampled_from([0.5, 0.7]))
def test_verdicts_are_those_of_comparing_one_by_one_in_any_language(candidates, known, threshold):
    verdicts = judge(samples(*candidates), samples(*known, start=100), threshold, "run")
    found = list(verdicts.select("keep", "score", "witness_id").iter_rows())
    assert found == list(one_by_one(candidates, known, threshold))


def test_public_instructions_are_judged_as_rouge_score_judges_them(public_data):
    rows = json.loads(public_data("alpaca/alpaca_data.json").read_text())
    texts = [row["instruction"] for row in rows if row["instruction"].isascii()][:130]
    texts += [f"{text} Please explain this shortly." for text in texts[:20]]
    pool, kept, scores = [], [], []
    for text in texts:
        scores.append(max((theirs(text, other) for other in pool), default=0.0))
        kept.append(scores[-1] <= 0.7)
        pool += [text] * kept[-1]
    verdicts = judge(samples(*texts), samples(), 0.7, "run")
    assert verdicts["keep"].to_list() == kept
    assert verdicts["score"].to_list() == scores
    assert 5 < kept.count(False) < 21


def test_chinese_tasks_are_compared_character_by_character():
    verdicts = judge(
        samples("写一首关于春天的短诗", "介绍中国的首都"),
        samples("写一首关于秋天的短诗", start=100),
        0.7,
        "run",
    )
    assert verdicts["keep"].to_list() == [False, True]
    assert verdicts["score"][0] == pytest.approx(0.9)


def test_what_is_judged_in_rounds_is_judged_as_in_one():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(ASCII, rng.integers(1, 9))) for _ in range(60)]
    whole = judge(samples(*texts), samples(), 0.7, "run")
    pool, rounds = samples(), []
    for start in range(0, 60, 7):
        few = samples(*texts[start : start + 7], start=start)
        rounds.append(judge(few, pool, 0.7, "run"))
        pool = pl.concat([pool, few.join(rounds[-1].filter("keep"), on="sample_id", how="semi")])
    assert pl.concat(rounds).equals(whole)
    assert 3 < pool.height < 57


def test_nothing_to_judge_is_no_verdict():
    assert judge(samples(), samples("a b"), 0.7, "run").is_empty()


def test_the_most_similar_and_the_mean_are_those_of_rouge_score(public_data, monkeypatch):
    monkeypatch.setattr("tasks.rouge.BLOCK", 3)
    lines = public_data("self_instruct/seed_tasks.jsonl").read_text().splitlines()
    texts = [json.loads(line)["instruction"] for line in lines][:25]
    found = list(nearest(texts, 17))
    assert len(found) == 8
    for i, similar in enumerate(found, start=17):
        scores = [theirs(texts[i], other) for other in texts[:i]]
        assert [score for _, score in similar.nearest] == sorted(scores, reverse=True)[:10]
        assert all(scores[j] == score for j, score in similar.nearest)
        assert similar.mean == np.mean(scores)


def test_of_equally_similar_texts_the_first_are_named():
    similar = next(nearest(["a b", "c d", "a x", "a y", "a z", "a b"], 5, k=3))
    assert similar.nearest == [(0, 1.0), (2, 0.5), (3, 0.5)]


def test_the_first_text_is_similar_to_nothing():
    assert next(nearest(["a b", "c"], 0)) == ([], None)


def test_a_matrix_holds_zero_where_there_is_no_word():
    ids = end_to_end(["a b", ""])
    assert ids.bounds.tolist() == [0, 2, 2]
    assert rouge_l_matrix([(1, 2), ()], [(1, 3), (), (1, 2)]).tolist() == [[0.5, 0, 1], [0, 0, 0]]


@given(st.text())
def test_ascii_words_are_the_tokens_of_rouge_score_on_any_text(text):
    assert ascii_words(text) == DefaultTokenizer(use_stemmer=False).tokenize(text)


def test_words_with_letters_outside_ascii_are_words_unless_asked_otherwise():
    resume, other = "Generate a résumé", "Generate a repas"
    judged = [judge(samples(resume), samples(other), 0.6, "run", *split) for split in ((), (ascii_words,))]
    assert [verdict["score"][0] for verdict in judged] == pytest.approx([2 / 3, 4 / 7])
