import json
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.tokenizers import DefaultTokenizer

from tasks.lexical import distinct_ngrams, mean_words, word_counts
from tasks.repetition import WORD, repeated_ngrams
from tasks.rouge import rouge_l
from tasks.shingles import shingle_sets, sign
from tasks.tokens import words

SENTENCES = {
    "en": [
        "The little dog ran to the lake and swam home.",
        "A small cat sat by the warm stove all day long.",
    ],
    "vi": ["Chú chó nhỏ chạy ra hồ rồi bơi về nhà.", "Con mèo bé nằm cạnh bếp lửa ấm suốt cả ngày."],
    "zh": ["小狗跑到湖边，然后游回了家。", "一只小猫整天都躺在温暖的火炉旁边。"],
}
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
EACH = pytest.mark.parametrize("language", SENTENCES)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't stop_it, now!", ["don", "t", "stop", "it", "now"]),
        ("Tiếng Việt", ["tiếng", "việt"]),
        ("tie\u0302\u0301ng", ["tiếng"]),
        ("你好世界", ["你", "好", "世", "界"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("Ｆｕｌｌ ｗｉｄｔｈ", ["full", "width"]),
        ("ＡＢＣ１２３，你好！", ["abc123", "你", "好"]),
        ("我有iPhone 15和3个苹果", ["我", "有", "iphone", "15", "和", "3", "个", "苹", "果"]),
        ("má mà mả mã mạ ma", ["má", "mà", "mả", "mã", "mạ", "ma"]),
        ("ĐƯỜNG Phố, Ướt", ["đường", "phố", "ướt"]),
        ("二〇二六年人々", ["二", "〇", "二", "六", "年", "人", "々"]),
        ("ｶﾞｷﾞ コーヒー", ["ガ", "ギ", "コ", "ー", "ヒ", "ー"]),
        ("한국어 책", ["한국어", "책"]),
        ("...!?", []),
        ("", []),
    ],
)
def test_words_of_many_languages(text, found):
    assert words(text) == found


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=100))
def test_on_ascii_they_are_the_tokens_of_rouge_score(text):
    assert words(text) == DefaultTokenizer(use_stemmer=False).tokenize(text)


def test_on_the_public_user_instructions_they_are_the_tokens_of_rouge_score(public_data):
    lines = public_data("self_instruct/user_oriented_instructions.jsonl").read_text("utf-8").splitlines()
    tokenizer = DefaultTokenizer(use_stemmer=False)
    texts = [json.loads(line)["instruction"] for line in lines]
    assert len(texts) == 252
    assert all(words(text) == tokenizer.tokenize(text) for text in texts if text.isascii())


@given(st.text(st.characters(exclude_categories=("Cs", "Cn")), max_size=60))
def test_the_unicode_form_and_the_engine_that_looks_for_words_change_nothing(text):
    assert len({tuple(words(unicodedata.normalize(form, text))) for form in ("NFKC", "NFKD")}) == 1
    plain = pl.Series([text]).str.normalize("NFKC")
    assert plain.str.count_matches(WORD).item() == len(words(text))


@EACH
@pytest.mark.parametrize("form", FORMS)
def test_rouge_and_shingles_see_one_text_in_every_unicode_form(language, form):
    text, other = SENTENCES[language]
    again = unicodedata.normalize(form, text).upper()
    assert rouge_l(text, again) == 1
    for n in (3, 5):
        bounds, hashes = shingle_sets(pl.Series([text, again, other]), n)
        one, same, third = (set(hashes[a:b].tolist()) for a, b in zip(bounds[:-1], bounds[1:], strict=True))
        assert one == same and not one & third
        assert len(one) == len(words(text)) - n + 1
        minima, _ = sign(pl.Series([text, again, other]), n)
        assert np.array_equal(minima[0], minima[1]) and not np.array_equal(minima[0], minima[2])


def test_rouge_counts_syllables_and_characters_and_tones_count():
    assert rouge_l("con mèo đen ngủ", "con mèo trắng ngủ") == pytest.approx(3 / 4)
    assert rouge_l("má mà mả", "mã mạ ma") == 0
    assert rouge_l("小猫在睡觉", "小狗在睡觉") == pytest.approx(4 / 5)
    assert rouge_l("我爱ＡＩ", "我爱 ai") == 1
    assert rouge_l("你好", "再见") == 0
    assert rouge_l("the cat sat", "the cat ran") == pytest.approx(2 / 3)


def test_shingles_of_words_that_differ_in_a_tone_or_a_character_differ():
    for a, b in (("mẹ đi chợ mua cá", "mẹ đi chợ mua ca"), ("小猫在睡觉", "小狗在睡觉")):
        bounds, hashes = shingle_sets(pl.Series([a, b]), 5)
        assert bounds.tolist() == [0, 1, 2] and hashes[0] != hashes[1]
    bounds, hashes = shingle_sets(pl.Series(["abc123你好吗", "ABC123 你 好 吗"]), 3)
    assert bounds.tolist() == [0, 2, 4] and hashes[:2].tolist() == hashes[2:].tolist()


@EACH
def test_repetition_and_word_statistics_are_right_in_every_language_and_unicode_form(language):
    text, other = SENTENCES[language]
    decomposed = unicodedata.normalize("NFD", text)
    twice = pl.Series([text, f"{text}\n{decomposed}", f"{text}\n{other}", f"{text} " * 10])
    assert repeated_ngrams(twice, 5) == pytest.approx([0, 1 / 2, 0, 9 / 10])
    assert word_counts([text, decomposed]).tolist() == [len(words(text))] * 2
    assert mean_words([text, decomposed]) == len(words(text))
    n_bigrams = len(words(text)) - 1
    assert distinct_ngrams([text, decomposed]) == pytest.approx(1 / 2)
    assert distinct_ngrams([text, other]) == 1 and n_bigrams > 5
