from collections import Counter

import pytest

from tasks.picking import count_rows, numbered, picked
from tasks.records import Bad
from tasks.source_rows import SourceRow

BAD = Bad("f", 3, "broken", "")
ROWS = [SourceRow(str(i), {}, "f", i) for i in range(10)]
STREAM = [*ROWS[:3], BAD, *ROWS[3:]]


def texts(found):
    return [row.text for row in found if isinstance(row, SourceRow)]


def test_only_usable_rows_are_counted_and_numbered():
    assert count_rows(STREAM) == 10
    assert list(numbered(STREAM, {0, 4})) == [ROWS[0], BAD, ROWS[4]]


def test_a_draw_is_without_repetition_in_the_order_of_the_file_and_keeps_what_is_broken():
    found = list(picked(lambda: STREAM, 4, "random", 7))
    assert BAD in found and len(set(texts(found))) == 4 and texts(found) == sorted(texts(found))


def test_a_draw_depends_on_the_seed_and_on_nothing_else():
    draws = {tuple(texts(picked(lambda: iter(STREAM), 4, "random", seed))) for seed in range(20)}
    assert len(draws) > 10
    assert texts(picked(lambda: STREAM, 4, "random", 1)) == texts(picked(lambda: STREAM, 4, "random", 1))


def test_every_row_is_drawn_equally_often():
    counts = Counter(
        text for seed in range(2000) for text in texts(picked(lambda: STREAM, 3, "random", seed))
    )
    expected = 2000 * 3 / 10
    chi2 = sum((counts[str(i)] - expected) ** 2 / expected for i in range(10))
    assert chi2 < 27.9  # 9 degrees of freedom, p = .001


@pytest.mark.parametrize(("count", "wanted"), [(0, []), (2, ["0", "1"]), (99, [str(i) for i in range(10)])])
def test_the_first_rows_are_taken_in_file_order(count, wanted):
    assert texts(picked(lambda: STREAM, count, "file", 0)) == wanted


def test_more_rows_than_there_are_means_all():
    assert texts(picked(lambda: STREAM, 99, "random", 0)) == [str(i) for i in range(10)]
