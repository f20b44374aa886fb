import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.tokenizers import DefaultTokenizer

from tasks.tokens import words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't stop_it, now!", ["don", "t", "stop", "it", "now"]),
        ("Tiếng Việt", ["tiếng", "việt"]),
        ("tie\u0302\u0301ng", ["tiếng"]),
        ("你好世界", ["你", "好", "世", "界"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("Ｆｕｌｌ ｗｉｄｔｈ", ["full", "width"]),
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
