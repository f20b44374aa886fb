import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tasks.json_rows as json_rows
from tasks.json_rows import Unreadable, json_lines, json_values, parse_object, refuse_unstorable
from tasks.raw_rows import Broken

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def cut(data, size):
    return (data[i : i + size] for i in range(0, len(data), size))


@settings(deadline=None)
@given(st.lists(VALUES, max_size=6), st.integers(1, 40), st.sampled_from([None, 1]))
def test_an_array_gives_its_elements_however_it_is_cut_and_indented(values, size, indent):
    data = json.dumps(values, indent=indent).encode()
    rows = list(json_values(cut(data, size), array=True))
    assert [json.loads(raw.content) for raw in rows] == values
    assert [raw.line for raw in rows] == list(range(1, len(values) + 1))


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(), VALUES, max_size=3), max_size=5), st.integers(1, 40))
def test_objects_one_after_another_are_found(values, size):
    data = "\n".join(json.dumps(value, indent=2, ensure_ascii=False) for value in values)
    data = data.encode("utf-8", "replace")
    assert len(list(json_values(cut(data, size), array=False))) == len(values)


def test_one_bad_element_costs_one_row():
    data = b'[{"a": 1}, {"a": NaN, }, {"a": "\xff"}, tru, {"a": "]},{"}, 7]'
    rows = [raw.content for raw in json_values([data], array=True)]
    assert rows == [b'{"a": 1}', b'{"a": NaN, }', b'{"a": "\xff"}', b"tru", b'{"a": "]},{"}', b"7"]


@pytest.mark.parametrize(
    ("data", "n", "reason"),
    [
        (b'[{"a": 1}, {"a": 2', 1, "cut off in row 2"),
        (b'[{"a": 1}, {"a": "2', 1, "cut off in row 2"),
        (b'[{"a": 1}, "2', 1, "cut off in row 2"),
        (b'[{"a": 1}, ', 1, "not closed after row 1"),
        (b'[{"a": 1}, 2', 2, "not closed after row 2"),
        (b'[{"a": 1}] {"b"', 1, "goes on after the end of the array"),
    ],
)
def test_a_truncated_array_gives_its_whole_elements_and_then_says_where_it_broke(data, n, reason):
    rows = json_values([data], array=True)
    for _ in range(n):
        next(rows)
    with pytest.raises(Broken, match=reason):
        next(rows)


def test_an_element_that_is_never_closed_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(json_rows, "MAX_ROW", 1000)
    read = 0

    def endless():
        nonlocal read
        yield b'[{"a": ['
        while True:
            read += 100
            yield b"[" * 100

    with pytest.raises(Broken, match="row 1 is never closed, or longer than 1,000 bytes"):
        list(json_values(endless(), array=True))
    assert read < 2000


def test_much_white_space_between_elements_is_passed_over():
    stream = [b"[1,", *[b" " * 10] * 5000, b"2]"]
    assert [raw.content for raw in json_values(stream, array=True)] == [b"1", b"2"]


def test_blank_lines_are_no_rows_but_they_count_as_lines():
    assert [(raw.line, raw.content) for raw in json_lines([b"\n{}\r\n  \n[]"])] == [(2, b"{}\r"), (4, b"[]")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": 1', "invalid JSON at character 8: Expecting ',' delimiter"),
        (b'{"a": 1} {"b": 2}', "invalid JSON at character 10: Extra data"),
        (b"[1]", "a JSON array, not an object"),
        (b'"a"', "a JSON string, not an object"),
        (b"null", "a JSON null, not an object"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "key 'c' twice in one object"),
        (b'{"a": "\xff"}', "invalid UTF-8 at byte 8"),
        (b'{"a": "\x01"}', "invalid JSON at character 8: Invalid control character"),
        (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested deeper than 64 levels"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number of more than 4,300 digits"),
    ],
)
def test_what_is_not_strictly_one_object_says_why(text, reason):
    with pytest.raises(Unreadable, match=reason.replace("(", r"\(")):
        parse_object(text)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"a": "x\0y"}, "a: a NUL character"),
        ({"a": {"b": ["\0"]}}, "a: a NUL character"),
        ({"k\0": 1}, "a NUL character"),
        ({"a": "\ud83d"}, "a: a lone surrogate"),
        ({"\ud83d": "a"}, "a lone surrogate"),
        ({"a": "x" * 10_000_001}, "a: 10,000,001 bytes; at most 10,000,000 are read"),
        ({"a": ["é" * 5_000_001]}, "a: 10,000,002 bytes"),
    ],
)
def test_what_no_store_could_keep_is_refused(row, reason):
    with pytest.raises(Unreadable, match=reason):
        refuse_unstorable(row)


def test_nesting_is_refused_at_one_depth_whatever_the_depth_of_the_caller():
    def nested(depth):
        return json.loads('{"a": ' + "[" * depth + "]" * depth + "}")

    refuse_unstorable(nested(63))
    with pytest.raises(Unreadable, match="nested deeper than 64 levels"):
        refuse_unstorable(nested(64))


def test_a_row_at_the_limits_passes():
    refuse_unstorable({"a": "x" * 10_000_000, "b": "\U0001f600", "c": None, "d": 1.5, "é": ["\n\t"]})
