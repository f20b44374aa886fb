import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.leak_grams import COVERED, GRAM, RUN, SAME_RUN, gram_index, search_runs
from tasks.leak_words import Lists

WORDS = st.integers(-1, 3)


def lists(texts):
    bounds = np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)])
    return Lists(bounds, np.array([word for text in texts for word in text], np.int32))


def run_at(text, i, row, j):
    n = 0
    while i + n < len(text) and j + n < len(row) and text[i + n] == row[j + n] >= 0:
        n += 1
    return n


def first_run(text, rows):
    for i in range(len(text)):
        for name, row in enumerate(rows):
            for j in range(len(row)):
                if (n := run_at(text, i, row, j)) >= RUN:
                    return SAME_RUN, n, name
    return None


def best_cover(text, rows):
    shares = []
    for row in rows:
        covered = set()
        for j in range(len(row)):
            for i in range(len(text)):
                if run_at(text, i, row, j) >= GRAM:
                    covered |= set(range(j, j + GRAM))
        shares.append(len(covered) / len(row))
    best = max(shares, default=0)
    return (COVERED, best, shares.index(best)) if best >= 0.5 else (0, 0, -1)


def told(text, rows):
    runs = search_runs(lists([text]), gram_index(lists(rows)))
    return runs.rule[0], runs.value[0], runs.text[0]


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=GRAM, max_size=30), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 25), st.integers(1, 16), st.lists(WORDS, max_size=3)), max_size=4),
)  # fmt: skip
@settings(max_examples=300)
def test_rules_agree_with_a_search_of_all_places(rows, pieces):
    text = [
        word for k, start, n, noise in pieces for word in [*rows[k % len(rows)][start : start + n], *noise]
    ]
    assert told(text, rows) == (first_run(text, rows) or best_cover(text, rows))


def test_thirteen_words_are_a_run_and_twelve_are_none():
    row = list(range(40))
    assert told([-1, *range(20, 33), -1], [row]) == (SAME_RUN, 13, 0)
    assert told([-1, *range(20, 32), -1], [row])[0] == 0
    assert told([*range(20, 26), 39, *range(26, 33)], [row])[0] == 0


def test_a_run_is_told_as_far_as_it_goes_and_where_it_lies():
    rows = [[9] * GRAM, list(range(10, 40))]
    runs = search_runs(lists([[5, *range(12, 30), 5]]), gram_index(lists(rows)))
    assert (runs.value[0], runs.text[0], runs.place[0], runs.length[0]) == (18, 1, GRAM + 2, 18)


def test_half_of_a_row_in_shared_runs_of_eight_is_covered_and_a_word_less_is_not():
    row = list(range(24))
    assert told([*range(12)], [row]) == (COVERED, 0.5, 0)
    assert told([*range(8), -1, *range(8, 16)], [row]) == (COVERED, 16 / 24, 0)
    assert told([*range(12)], [[*row, 24]])[0] == 0
    assert told([*range(7), -1, *range(7, 14)], [list(range(14))])[0] == 0, "runs of seven do not count"


def test_a_text_is_not_covered_across_two_rows_nor_a_run_across_two_texts():
    row = list(range(30))
    assert told(row[:14], [row[:8], row[8:16]])[:2] == (COVERED, 1.0)
    runs = search_runs(lists([row[:7], row[7:14]]), gram_index(lists([row])))
    assert runs.rule.tolist() == [0, 0]
