import pytest
from replaying import replay

from schemas.errors import BadInput

REPLIES = [
    {"reply": "Clear and whole.\nScore: 5", "score": 5},
    {"reply": "Good, my score: 4", "score": 4},  # loose only
    {"reply": "Score: 4 of 5", "score": None},
    {"reply": "It reads like a blog.\nScore: 3", "score": 3},
    {"reply": "Score: 7", "score": None},
    {"reply": "Score: 4", "finish_reason": "length", "score": None},
]


def test_scores_are_read_in_both_forms_and_kept_from_k_on(tmp_path):
    found = replay(tmp_path, "scores", REPLIES)
    assert [each.score for each in found.decisions] == [5, 4, None, 3, None, None]
    assert [each.keep for each in found.decisions] == [True, True, False, False, False, False]
    assert found.decisions[3].reason == "score 3, below 4"
    assert not any(each.differing() for each in found.decisions) and found.counts["compared: score"] == 6
    assert (found.counts["scored, loose"], found.counts["scored, strict"]) == (3, 2)
    assert (found.counts["kept, loose"], found.counts["kept, strict"]) == (2, 1)
    assert found.counts["read by one form only"] == 1


def test_form_and_bound_are_options(tmp_path):
    found = replay(tmp_path, "scores", REPLIES, form="strict", at_least=5)
    assert [each.keep for each in found.decisions] == [True, False, False, False, False, False]
    assert [each.line for each in found.decisions if each.differing()] == [2]


def test_a_stored_score_or_decision_that_is_wrong_is_reported(tmp_path):
    rows = [{"reply": "Score: 5", "score": 4}, {"reply": "Score: 5", "keep": False}, {"reply": "Score: 5"}]
    found = replay(tmp_path, "scores", rows)
    assert [each.differing() for each in found.decisions] == [
        {"score": (4, 5.0)},
        {"keep": (False, True)},
        {},
    ]


def test_a_score_that_is_no_number_is_refused(tmp_path):
    with pytest.raises(BadInput, match="score is 'high', no number"):
        replay(tmp_path, "scores", [{"reply": "Score: 5", "score": "high"}])


def pair(first, second, *winners):
    told = dict(zip(("g1_winner", "g2_winner"), winners, strict=False))
    return {"g1_judgment": first, "g2_judgment": second, **told}


@pytest.mark.parametrize(
    ("row", "found", "keep"),
    [
        (pair("[[A]]", "[[B]]", "model_1", "model_1"), ["first", "first"], True),
        (pair("[[B]]", "[[A]]", "model_2", "model_2"), ["second", "second"], True),
        (pair("[[A]]", "[[A]]", "model_1", "model_2"), ["first", "second"], False),
        (pair("[[C]]", "[[C]]", "tie", "tie"), ["tie", "tie"], False),
        (pair("Better is A.", "[[B]]", "error", "model_1"), ["error", "first"], False),
        (pair("Not [[B]] but [[A]]", "[[B]]", "model_1", "model_1"), ["first", "first"], True),
    ],
)
def test_verdicts_of_both_orders_are_read_as_mt_bench_reads_them(tmp_path, row, found, keep):
    decision = replay(tmp_path, "judgements", [row]).only()
    assert (decision.value, decision.keep) == (found, keep) and not decision.differing()
    assert bool(decision.reason) != keep


def test_a_published_winner_that_is_wrong_is_reported(tmp_path):
    found = replay(tmp_path, "judgements", [pair("[[A]]", "[[B]]", "model_1", "model_2")])
    assert found.only().differing() == {"verdicts": (["first", "second"], ["first", "first"])}


def test_verdicts_are_counted_and_two_in_one_reply_are_named(tmp_path):
    rows = [pair("[[A]] or [[B]]", "[[B]]", "model_1", "model_1"), pair("none", "[[C]]", "error", "tie")]
    counts = replay(tmp_path, "judgements", rows).counts
    assert [counts[f"verdicts for {name}"] for name in ("first", "second", "tie", "error")] == [2, 0, 1, 1]
    assert counts["replies with two verdicts, which our recipes refuse"] == 1


def test_our_own_rows_hold_two_judgements_and_may_hold_the_answers(tmp_path):
    rows = [
        {"judgements": ["[[B]]", "[[A]]"], "preferred": ["second", "second"], "answers": ["x", "y"]},
        {"judgements": ["[[B]]", "[[A]]"], "answers": ["x  z", "x z"]},
    ]
    kept, same = replay(tmp_path, "judgements", rows).decisions
    assert kept.keep and not kept.differing()
    assert not same.keep and same.reason == "both answers are the same" and not same.compared


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"judgements": ["[[A]]"]}, "no list of two texts"),
        (pair("[[A]]", "[[B]]", "model_1", "me"), "known: .*'model_1'"),
        ({"g1_judgment": "[[A]]", "g1_winner": "tie", "g2_winner": "tie"}, "no field 'g2_judgment'"),
        ({"text": "x"}, "no field 'judgements'"),
    ],
)
def test_another_shape_says_what_is_wrong_with_it(tmp_path, row, why):
    with pytest.raises(BadInput, match=why):
        replay(tmp_path, "judgements", [row])
