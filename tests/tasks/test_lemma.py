import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lemma import forms, realised
from tasks.word_lists import word_list

WORD = st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=12)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("hop", "The rabbit hopped away."),
        ("hop", "Hopping is fun"),
        ("hope", "She hoped for rain"),
        ("bake", "They were baking bread"),
        ("cry", "He cried, and she cries too"),
        ("play", "played all day"),
        ("box", "two boxes"),
        ("potato", "hot POTATOES"),
        ("picnic", "we picnicked by the lake"),
        ("lie", "a cat lying in the sun"),
        ("travel", "they travelled far"),
        ("travel", "they traveled far"),
        ("prefer", "he preferred tea"),
        ("open", "the opened door"),
        ("quiz", "three quizzes"),
        ("see", "they saw a whale"),
        ("see", "seeing is believing"),
        ("go", "she went home"),
        ("be", "there were two"),
        ("mouse", "three blind mice"),
        ("child", "the children sang"),
        ("wolf", "a pack of wolves"),
        ("fish", "many fishes"),
        ("put", "she put it down"),
        ("dog", "the dog's bowl"),
        ("ice cream", "two ice creams, please"),
        ("look after", "she looked after him"),
        ("café", "in the CAFÉ, at noon"),
        ("小猫", "一只小猫在花园里"),
        ("猫", "小猫"),
        ("Größe", "die größe zählt"),
        ("big", "the biggest bear had a bigger bed"),
        ("happy", "the happiest day"),
        ("shy", "a shyer fox"),
        ("shy", "a shier fox"),
        ("wet", "even WETTER than before"),
        ("brave", "who is the bravest?"),
        ("quiet", "it got quieter"),
        ("good", "the best cake"),
        ("strange", "the strangest thing"),
        ("bad", "it got worse and worse"),
        ("old", "her elder sister"),
        ("far", "a little further"),
        ("mèo", "Con mèo đang ngủ."),
        ("con mèo", "CON MÈO đang ngủ."),
        ("sư tử", "một chú sư tử nhỏ"),
        ("hòa", "hai bạn làm hoà"),
        ("khoẻ", "Bé rất khỏe."),
        ("thùy", "Thuỳ"),
        ("马", "白马在草地上"),
        ("马", "马上，马就来了"),
        ("马上", "我马上来"),
        ("高兴", "他很高兴。"),
        ("快", "小兔子跑得很快，大家都很快乐"),
        ("vtv 3", "kênh ＶＴＶ ３"),
    ],
)
def test_an_inflected_form_realises_a_word(word, text):
    assert realised(word, text)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("hop", "She hoped for rain, still hoping"),  # hope
        ("hope", "The rabbit hopped"),
        ("see", "a seed in the ground"),
        ("be", "in my bed with a bee"),
        ("cat", "a category of cattle"),
        ("car", "The scar and the carpet"),
        ("go", "a gold goat got lost"),
        ("play", "a player and a playful pup"),
        ("find", "the city was founded"),
        ("ice cream", "the ice on the cream"),
        ("ice cream", "cream ice"),
        ("ice cream", "ice"),
        ("Haus", "die Häuser"),
        ("猫", "小狗"),
        ("小猫", "猫小"),
        ("马", "我马上来，在马路上"),
        ("快", "他们很快乐"),
        ("大", "大家都来了"),
        ("mèo", "meo meo"),
        ("mà", "má mạ mả mã ma"),
        ("sư tử", "sư phụ và hoàng tử"),
        ("bò", "quả bơ và con bọ"),
        ("quý", "qúy"),
        ("teach", "my teacher is the teachest of all"),
        ("sing", "a singer"),
        ("numb", "a number"),
        ("strange", "he met a stranger"),
        ("flat", "do not flatter me"),
        ("well", "it is better, the best"),
        ("happy", "happily ever after"),
        ("big", "a bigot"),
        ("x", "an xs"),
        ("cat", ""),
        ("", "anything"),
        ("!?", "really !?"),
    ],
)
def test_another_word_does_not(word, text):
    assert not realised(word, text)


def test_an_irregular_past_replaces_the_regular_one():
    assert forms("run") == {"run", "runs", "ran", "running"}
    assert "goed" not in forms("go")
    assert "puted" not in forms("put")


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_a_vietnamese_word_is_found_in_any_unicode_form(form):
    text = unicodedata.normalize(form, "Chú thuyền trưởng dũng cảm đã hoà giải.")
    for word in ("thuyền trưởng", "dũng cảm", "hòa giải"):
        assert realised(word, text)
        assert realised(unicodedata.normalize("NFD", word), text)


def test_every_vietnamese_and_chinese_word_of_our_lists_realises_itself_and_its_tones_matter():
    for name in ("nouns_vi", "verbs_vi", "adjectives_vi", "nouns_zh", "verbs_zh", "adjectives_zh"):
        for word in word_list(name):
            assert realised(word, f"a {word}."), word
            bare = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
            assert bare == unicodedata.normalize("NFD", word) or not realised(word, bare), word


def test_a_short_chinese_word_of_our_lists_is_not_found_in_a_listed_word_of_another_meaning():
    same_meaning = {
        "吹口哨", "吹泡泡", "拥抱", "搬家", "圆滚滚", "破旧", "潮湿", "热气球", "炎热", "热腾腾", "胖乎乎",
        "轻松", "遥远", "香喷喷",
    }  # fmt: skip
    listed = [word for name in ("nouns_zh", "verbs_zh", "adjectives_zh") for word in word_list(name)]
    within = [(a, b) for a in listed if len(a) == 1 for b in listed if a in b and a != b]
    assert len(within) > 20
    for short, longer in within:
        assert realised(short, longer) == (longer in same_meaning), (short, longer)


def test_every_adjective_of_our_list_has_degrees_and_no_verb_or_noun_has():
    for word in word_list("adjectives"):
        assert any(form.endswith(("est", "st")) for form in forms(word)), word
    degrees = {
        form for word in word_list("adjectives") for form in forms(word) if form.endswith(("er", "est"))
    }
    assert not degrees & {*word_list("nouns"), *word_list("verbs")}
    for word in (*word_list("verbs"), *word_list("nouns")):
        assert word + "er" not in forms(word), word
        assert word + "est" not in forms(word), word


def test_a_word_that_is_not_plain_english_has_only_itself():
    assert forms("größe") == {"größe"}
    assert forms("猫") == {"猫"}
    assert forms("a") == {"a"}


@given(WORD)
def test_every_word_realises_itself_in_any_case_and_between_any_marks(word):
    assert realised(word.upper(), f"«{word}», she said")
    assert realised(word, f"a-{word.capitalize()}!")


@given(WORD, WORD)
def test_a_text_without_any_form_of_the_word_does_not_have_it(word, other):
    assert realised(word, other) == (other in forms(word))
