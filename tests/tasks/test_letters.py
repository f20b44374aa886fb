import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.letters import RARE, table
from tasks.shingles import normalised
from tasks.tokens import words


def agree(texts):
    expected = ["".join(word + " " for word in words(text)).encode() for text in texts]
    assert list(normalised(pl.Series(texts))) == expected


def test_every_character_is_read_as_the_tokeniser_reads_it_beside_letters_marks_and_han():
    codes = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    step = 7  # a seventh of all, and all below U+3100
    for code in (c for c in codes if c % step == 0 or c < 0x3100):
        c = chr(code)
        AGREE.append(f"a{c}b中{c}{c}Ă")
    agree(AGREE)


AGREE = []


@settings(max_examples=200)
@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=10))
def test_texts_in_any_script_have_the_words_of_the_tokeniser(texts):
    agree(texts)


@pytest.mark.parametrize(
    "text",
    ["Tôi rất thích ăn táo Ở ĐÂY", "我喜欢吃苹果，真的！", "Привет, Мир", "日本のアニメ", "ÅNGSTRÖM ﬂ"],
)
def test_common_scripts_agree(text):
    agree([text, text * 50])


def test_the_table_suffices_for_precomposed_vietnamese_and_han_but_not_for_what_depends_on_neighbours():
    kinds = table() >> 24
    assert all(kinds[ord(c)] != RARE for c in "Tôi rất thích ĂN TÁO ệ Ở 我喜欢，。😀’…—")
    assert all(kinds[ord(c)] == RARE for c in "\u0301\u1161Σİﬁ")
