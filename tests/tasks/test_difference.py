import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks.rouge
from tasks import difference
from tasks.difference import jaccard, rouge_l, word_difference

TEXT = st.text(st.sampled_from("ab .,漢字\n\té"), max_size=40)


def without_space(text):
    return "".join(text.split())


@given(TEXT, TEXT)
def test_both_texts_can_be_read_from_the_steps(old, new):
    steps = word_difference(old, new)
    assert "".join(text for what, text in steps if what != "insert") == old
    assert without_space("".join(text for what, text in steps if what != "delete")) == without_space(new)
    assert all(text for _, text in steps)
    assert all(one[0] != other[0] for one, other in zip(steps, steps[1:], strict=False))


@given(TEXT)
def test_a_text_does_not_differ_from_itself(text):
    assert word_difference(text, text) == ([("equal", text)] if text else [])


def test_the_words_that_were_changed_are_marked():
    assert word_difference("The quick fox ran home.", "The slow fox ran  home!") == [
        ("equal", "The "),
        ("delete", "quick "),
        ("insert", "slow "),
        ("equal", "fox ran home"),
        ("delete", "."),
        ("insert", "!"),
    ]


def test_chinese_is_compared_by_character():
    assert word_difference("小狐狸跑了", "小白狐跑了") == [
        ("equal", "小"), ("insert", "白"), ("equal", "狐"), ("delete", "狸"), ("equal", "跑了"),
    ]  # fmt: skip


def test_what_is_too_long_to_compare_is_replaced_between_its_common_ends(monkeypatch):
    monkeypatch.setattr(difference, "CELLS", 5)
    assert word_difference("a b c d e f", "a x c y e f") == [
        ("equal", "a "), ("delete", "b c d "), ("insert", "x c y "), ("equal", "e f"),
    ]  # fmt: skip
    monkeypatch.setattr(difference, "CELLS", 0)
    assert rouge_l("a", "b") is None


def test_the_jaccard_similarity_is_that_of_sets_of_word_n_grams():
    assert jaccard("a b c d", "A b, c e", 3) == pytest.approx(1 / 3)
    assert jaccard("a b c d e f", "b c d e f g", 5) == pytest.approx(1 / 3)
    assert jaccard("", "...", 3) is None and jaccard("a", "", 3) == 0


@given(TEXT, TEXT)
def test_rouge_l_is_that_of_the_filter(a, b):
    assert rouge_l(a, b) == tasks.rouge.rouge_l(a, b)
