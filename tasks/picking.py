"""Some rows of many, drawn from a stream that is gone through twice, so that memory does not grow with it."""

import random
from collections.abc import Callable, Iterable, Iterator

from tasks.records import Bad
from tasks.source_rows import SourceRow

Found = SourceRow | Bad


def count_rows(rows: Iterable[Found]) -> int:
    """How many of them can be used."""
    return sum(isinstance(row, SourceRow) for row in rows)


def picked(read: Callable[[], Iterable[Found]], count: int, order: str, seed: int) -> Iterator[Found]:
    """At most `count` usable rows in the order of the stream, and the unusable ones that were come by.

    Args:
        read: begins the stream anew; it must bring the same rows each time.
        count: usable rows wanted.
        order: `random`, a draw without repetition, or `file`, the first.
        seed: of the draw.
    """
    if order == "file":
        return _first(read(), count)
    total = count_rows(read())
    return numbered(read(), set(random.Random(seed).sample(range(total), min(count, total))))


def numbered(rows: Iterable[Found], wanted: set[int]) -> Iterator[Found]:
    """The usable rows with these numbers, from 0, and every unusable one."""
    number = -1
    for row in rows:
        number += isinstance(row, SourceRow)
        if isinstance(row, Bad) or number in wanted:
            yield row


def _first(rows: Iterable[Found], count: int) -> Iterator[Found]:
    for row in rows:
        if isinstance(row, SourceRow):
            if count == 0:
                return
            count -= 1
        yield row
