import numpy as np

from tasks.cosine_kernel import reached_by_column, reached_by_row

PRODUCT = np.array([[0.1, 0.9, 0.5], [0.7, 0.2, 0.9]], dtype=np.float32)


def places(kernel, least, room=10):
    row, column = np.full(room, -1, np.int32), np.full(room, -1, np.int32)
    found = kernel(PRODUCT, np.array(least, np.float32), row, column)
    return found, list(
        zip(row[: min(found, room)].tolist(), column[: min(found, room)].tolist(), strict=True)
    )


def test_places_that_reach_what_their_row_asks_for_are_found_in_order():
    assert places(reached_by_row, [0.5, np.inf]) == (2, [(0, 1), (0, 2)])
    assert places(reached_by_row, [0.95, 0.7]) == (2, [(1, 0), (1, 2)])


def test_places_that_reach_what_their_column_asks_for_are_found_in_order():
    assert places(reached_by_column, [0.05, np.inf, 0.9]) == (3, [(0, 0), (1, 0), (1, 2)])


def test_what_finds_no_room_is_counted():
    assert places(reached_by_row, [0, 0], room=4)[0] == 6
    assert places(reached_by_column, [0, 0, 0], room=4)[0] == 6
