import hashlib

import numpy as np
import pytest

from schemas.errors import BadInput
from warehouse.segments import (
    SUFFIX,
    DamagedSegment,
    Held,
    Segment,
    merged,
    name_of,
    packed,
    width_of,
    write_segment,
)


def held(name, rows):
    return Held(hashlib.sha256(name.encode()).hexdigest(), rows)


def keys_of(seed, columns, n, values=40):
    """(columns, n) keys of few values, in all bits."""
    return np.random.default_rng(seed).integers(0, values, (columns, n), dtype=np.uint64) * np.uint64(
        2**58 + 12345
    )


def write(folder, parts, keys):
    n = sum(part.rows for part in parts)
    return Segment(write_segment(folder, parts, (packed(column, np.arange(n), n) for column in keys)))


def pairs(segment, column, keys):
    found = segment.find(column, keys)
    return sorted(
        zip(np.repeat(found.places, found.sizes).tolist(), segment.rows(found).tolist(), strict=True)
    )


def plain(keys, column):
    return sorted(
        (int(place), int(row)) for place, key in enumerate(keys) for row in np.flatnonzero(column == key)
    )


@pytest.mark.parametrize(("columns", "n"), [(1, 1), (3, 50), (2, 5000)])
def test_what_was_written_is_found_by_key(tmp_path, columns, n):
    keys = keys_of(0, columns, n)
    segment = write(tmp_path / "index", [held("a", n)], keys)
    asked = np.unique(keys_of(1, 1, 30))
    for column in range(columns):
        assert pairs(segment, column, asked) == plain(asked, keys[column])
    assert segment.header.rows == n and segment.header.parts == [held("a", n)]
    assert [path.name for path in (tmp_path / "index").iterdir()] == [name_of([held("a", n)]) + SUFFIX]


def test_merging_gives_what_writing_all_at_once_would_give(tmp_path):
    sizes = (1, 700, 3000)
    keys = [keys_of(i, 2, n) for i, n in enumerate(sizes)]
    parts = [held(str(i), n) for i, n in enumerate(sizes)]
    some = [write(tmp_path / "one", [part], key) for part, key in zip(parts, keys, strict=True)]
    together = Segment(write_segment(tmp_path / "one", parts, merged(some)))
    at_once = write(tmp_path / "other", parts, np.concatenate(keys, axis=1))
    assert together.path.read_bytes() == at_once.path.read_bytes()
    assert together.path.name == at_once.path.name == name_of(parts[::-1]) + SUFFIX


def test_a_column_may_be_empty(tmp_path):
    segment = Segment(write_segment(tmp_path, [held("a", 9)], [np.zeros(0, np.uint64)] * 3))
    assert pairs(segment, 1, np.array([5], np.uint64)) == []
    mixed = Segment(
        write_segment(tmp_path, [held("b", 9)], [np.zeros(0, np.uint64), np.array([3], np.uint64)])
    )
    assert list(mixed.column(0)) == [] and list(mixed.column(1)) == [3]


def test_a_reader_keeps_a_segment_that_is_removed(tmp_path):
    keys = keys_of(0, 1, 3000)
    segment = write(tmp_path, [held("a", 3000)], keys)
    segment.path.unlink()
    asked = np.unique(keys[0])
    assert pairs(segment, 0, asked) == plain(asked, keys[0])


def test_rows_take_as_many_bits_as_they_need():
    assert [width_of(n) for n in (1, 2, 3, 4, 5, 2**20, 2**20 + 1)] == [1, 1, 2, 2, 3, 20, 21]


def test_no_answer_comes_from_a_file_that_was_cut_or_altered_anywhere(tmp_path):
    keys = keys_of(0, 2, 2500)
    path = write(tmp_path, [held("a", 2500)], keys).path
    data = path.read_bytes()
    asked = np.unique(keys)

    def fails(altered):
        path.write_bytes(altered)
        with pytest.raises(DamagedSegment):
            segment = Segment(path)
            for column in range(2):
                pairs(segment, column, asked)
                segment.column(column)

    for at in [*range(0, len(data), 997), *range(len(data) - 40, len(data))]:
        fails(data[:at])
        altered = bytearray(data)
        altered[at] ^= 1 << at % 8
        fails(bytes(altered))
    fails(data[:-8] + bytes(8))
    fails(b"")
    fails(data + b"x")
    path.write_bytes(data)
    assert pairs(Segment(path), 0, asked) == plain(asked, keys[0])


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "index").write_text("a file")
    with pytest.raises(BadInput, match="cannot create folder .*index"):
        write(tmp_path / "index", [held("a", 1)], keys_of(0, 1, 1))
