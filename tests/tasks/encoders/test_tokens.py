import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from schemas.errors import BadInput
from tasks.encoders.tokens import AHEAD, Tokens, tokenizer_of

WORDS = {"[PAD]": 0, "[UNK]": 1, "<": 2, ">": 3, "a": 4, "b": 5, "c": 6, "q": 7}


def words(limit=6, **options):
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="< $A >", special_tokens=[("<", 2), (">", 3)])
    return Tokens(tokenizer, limit, **options)


def ids(tokens, *texts):
    return [each.item.tolist() for each in tokens.prepare(list(texts))]


def test_texts_are_cut_to_the_limit_with_their_special_tokens():
    found = words().prepare(["a b c a", "a b c a b", ""])
    assert [each.item.tolist() for each in found] == [[2, 4, 5, 6, 4, 3], [2, 4, 5, 6, 4, 3], [2, 3]]
    assert [each.truncated for each in found] == [False, True, False]
    assert [each.length for each in found] == [6, 6, 2]


def test_the_beginning_of_a_long_text_is_enough_if_it_fills_the_model():
    tokens, seen = words(), []
    real = tokens._ids
    tokens._ids = lambda texts: seen.extend(map(len, texts)) or real(texts)
    assert ids(tokens, "a b c " * 10_000) == [[2, 4, 5, 6, 4, 3]]
    assert seen == [AHEAD * 6]


def test_a_long_text_of_few_tokens_is_read_to_its_end():
    assert ids(words(), "a " + " " * 10_000 + "b") == [[2, 4, 5, 3]]


def test_prompt_unknown_and_special_tokens_are_as_asked():
    assert ids(words(prompt="q "), "a") == [[2, 7, 4, 3]]
    assert ids(words(special=False, without=1), "a nothing b") == [[4, 5]]


@pytest.mark.parametrize("left, expected", [(False, [4, 5] + [9] * 6), (True, [9] * 6 + [4, 5])])
def test_padding_goes_where_the_model_wants_it(left, expected):
    tokens = words(limit=100, pad=9, left=left)
    found, mask = tokens.padded([np.array([4, 5], np.int32), np.arange(7, dtype=np.int32)])
    assert found.shape == mask.shape == (2, 8)
    assert found[0].tolist() == expected
    assert (mask[0] == (found[0] != 9)).all() and mask.sum() == 9


def test_padding_never_exceeds_what_the_model_reads():
    assert words(limit=6).padded([np.array([4] * 6)])[0].shape == (1, 6)


def test_a_folder_without_a_readable_tokenizer_is_one_line(tmp_path):
    for content in (None, "{"):
        if content:
            (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(BadInput, match=r"tokenizer\.json cannot be read"):
            tokenizer_of(tmp_path)
