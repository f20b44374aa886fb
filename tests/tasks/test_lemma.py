import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lemma import forms, realised

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
