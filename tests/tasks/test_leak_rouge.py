import json

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.leak_rouge import ROUGE, rouge_index, search_alike
from tasks.leak_words import Lists, hashed_words, known_words, table_of
from tasks.rouge import rouge_l_matrix

WORDS = st.integers(0, 6)


def lists(texts):
    bounds = np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)])
    return Lists(bounds, np.array([word for text in texts for word in text], np.int32))


def expected(texts, rows):
    found = rouge_l_matrix([tuple(t) for t in texts], [tuple(r) for r in rows])
    best = np.where(found > ROUGE, found, 0)
    return best.max(axis=1), np.where(best.max(axis=1) > 0, best.argmax(axis=1), -1)


@given(st.lists(st.lists(WORDS, min_size=1, max_size=24), min_size=1, max_size=6), st.data())
@settings(max_examples=300)
def test_it_finds_what_the_comparison_of_all_pairs_finds(rows, data):
    edits = st.lists(st.tuples(st.integers(0, 23), st.integers(-1, 6)), max_size=6)
    texts = []
    for _ in range(3):
        text = list(data.draw(st.sampled_from(rows)))
        for place, word in data.draw(edits):
            text[place % (len(text) + 1) : place % (len(text) + 1) + data.draw(st.integers(0, 1))] = [word]
        texts.append(text)
    alike = search_alike(lists(texts), rouge_index(lists(rows), 7), np.ones(len(texts), bool))
    f, row = expected(texts, rows)
    assert alike.f.tolist() == f.tolist()
    assert alike.text.tolist() == row.tolist()


def test_texts_longer_than_a_machine_word_are_compared_whole():
    row = [i % 89 for i in range(400)]
    text = [*row[:150], *[-1] * 90, *row[150:]]
    alike = search_alike(lists([text, row[:150]]), rouge_index(lists([row]), 89), np.ones(2, bool))
    assert alike.f.tolist() == [expected([text], [row])[0][0], 0]


def test_a_text_that_is_not_wanted_is_passed_over():
    index = rouge_index(lists([[1, 2, 3]]), 4)
    assert search_alike(lists([[1, 2, 3]] * 2), index, np.array([False, True])).text.tolist() == [-1, 0]


def test_of_equally_similar_rows_the_first_is_told():
    rows = [[5, 6], [1, 2, 3, 4], [1, 2, 3, 5]]
    alike = search_alike(lists([[1, 2, 3, 0]]), rouge_index(lists(rows), 7), np.ones(1, bool))
    assert (alike.f[0], alike.text[0]) == (0.75, 1)


def test_gsm8k_has_4_test_questions_above_0_7_to_a_training_question(public_data):
    test, train = (
        [json.loads(line)["question"] for line in public_data(f"gsm8k/{name}.jsonl").read_text().splitlines()]
        for name in ("test", "train")
    )
    bounds, hashes = hashed_words(pl.Series(train))
    keys = np.unique(hashes)
    table = table_of(keys)
    index = rouge_index(known_words(pl.Series(train), table), len(keys))
    alike = search_alike(known_words(pl.Series(test), table), index, np.ones(len(test), bool))
    assert sorted(alike.f[alike.f > 0].round(3).tolist()) == [0.701, 0.791, 0.875, 0.88]
