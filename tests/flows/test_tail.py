from hypothesis import given
from hypothesis import strategies as st

from flows.tail import SHARDS, gathered, of, shards
from schemas.partition import Partition


def parts(rows):
    return [Partition(table="sample", path=f"p{i}", rows=n, bytes=1, sha256="x") for i, n in enumerate(rows)]


@given(st.lists(st.integers(1, 30_000), max_size=60))
def test_shards_hold_every_part_once_in_order_and_are_never_many(rows):
    made = parts(rows)
    grouped = shards(made)
    assert [part for group in grouped for part in group] == made
    assert all(grouped)
    assert len(grouped) <= 2 * SHARDS


def test_small_parts_share_a_shard():
    assert len(shards(parts([100] * 50))) == 1


def test_parts_are_told_apart_by_table():
    made = [*parts([1]), Partition(table="call", path="c", rows=1, bytes=1, sha256="x")]
    assert [part.path for part in of("call", made)] == ["c"]


def test_results_are_gathered_in_the_order_of_their_shards():
    class Future:
        def __init__(self, *found):
            self.found = found

        def result(self):
            return self.found

    assert gathered([Future(1, 2), Future(), Future(3)]) == [1, 2, 3]
