import json

import pytest

from tasks.overlap import leak_count, leaked


def numbered(start, n):
    return " ".join(f"w{i}" for i in range(start, start + n))


def test_thirteen_words_in_a_row_are_a_leak_and_twelve_are_none():
    heldout = [numbered(0, 40)]
    train = [
        "x " + numbered(20, 13) + " y",
        "x " + numbered(20, 12) + " y",
        numbered(100, 40),
        numbered(0, 6) + " and " + numbered(6, 7),
    ]
    assert leaked(train, heldout).tolist() == [True, False, False, False]


def test_case_and_punctuation_do_not_hide_a_leak():
    text = numbered(0, 13)
    assert leaked([text.upper().replace(" ", ", ") + "!"], [text]).tolist() == [True]


def test_a_run_across_two_texts_is_none():
    assert leak_count([numbered(0, 7), numbered(7, 7)], [numbered(0, 14)]) == 0


def test_a_short_text_is_never_marked_and_shorter_runs_can_be_asked_for():
    assert leak_count(["a b c"], ["a b c"]) == 0
    assert leak_count(["a b c"], ["a b c"], n=3) == 1


@pytest.mark.parametrize(("train", "heldout"), [([], ["a"]), (["a"], []), ([], [])])
def test_nothing_to_compare_is_unknown(train, heldout):
    assert leak_count(train, heldout) is None


def test_gsm8k_has_3_test_problems_that_share_13_words_with_training_and_9_that_share_10(
    public_data,
):
    test, train = (
        [json.loads(line)["question"] for line in public_data(f"gsm8k/{name}.jsonl").read_text().splitlines()]
        for name in ("test", "train")
    )
    assert leak_count(test, train, 13) == 3
    assert leak_count(test, train, 10) == 9
