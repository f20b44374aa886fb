import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks.raw_rows as raw_rows
from tasks.raw_rows import SEPARATOR, Broken, Raw, chunks, documents, lines


def cut(data, size):
    return (data[i : i + size] for i in range(0, len(data), size))


@given(st.lists(st.binary(max_size=20).filter(lambda b: b"\n" not in b)), st.integers(1, 7))
def test_lines_do_not_depend_on_how_the_bytes_were_cut(parts, size):
    data = b"\n".join(parts)
    rows = list(lines(cut(data, size)))
    expected = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert [raw.content for raw in rows] == expected
    assert [raw.line for raw in rows] == list(range(1, len(rows) + 1))


@given(st.lists(st.binary(max_size=20).filter(lambda b: b"<" not in b)), st.integers(1, 20))
def test_documents_do_not_depend_on_how_the_bytes_were_cut(parts, size):
    whole = [(raw.content, raw.problem) for raw in documents([SEPARATOR.join(parts)])]
    assert [(raw.content, raw.problem) for raw in documents(cut(SEPARATOR.join(parts), size))] == whole
    assert len(whole) == sum(bool(part.removeprefix(b"\xef\xbb\xbf" if not i else b"").strip())
                             for i, part in enumerate(parts))  # fmt: skip


def test_a_line_over_the_limit_keeps_its_beginning_and_the_lines_around_it_are_whole(monkeypatch):
    monkeypatch.setattr(raw_rows, "MAX_ROW", 20)
    monkeypatch.setattr(raw_rows, "HEAD", 5)
    long = b"0123456789" * 9
    for size in (1, 7, 1000):
        rows = list(lines(cut(b"a\n" + long + b"\nb\n" + long, size)))
        assert [raw.content[:5] for raw in rows] == [b"a", b"01234", b"b", b"01234"]
        assert [bool(raw.problem) for raw in rows] == [False, True, False, True]
        assert all(len(raw.content) <= 20 for raw in rows)


def test_gzip_is_known_by_its_content_and_not_by_its_name(tmp_path):
    path = tmp_path / "data.txt"
    path.write_bytes(gzip.compress(b"one") + gzip.compress(b" two"))
    assert b"".join(chunks(path)) == b"one two"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.gz", b"plain text", "not gzip"),
        ("a.gz", gzip.compress(b"hello" * 1000)[:-12], "cut off"),
        ("a.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\xff" * 50, "damaged"),
        ("a.gz", gzip.compress(b"hello")[:-8] + b"\0" * 8, "damaged"),
    ],
)
def test_damaged_gzip_is_one_reason(tmp_path, name, data, reason):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(Broken, match=reason):
        list(chunks(path))


def test_a_gzip_bomb_is_stopped_early(tmp_path, monkeypatch):
    monkeypatch.setattr(raw_rows, "RATIO_FLOOR", 1_000_000)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 50_000_000))
    read = 0
    with pytest.raises(Broken, match="gzip bomb"):
        for chunk in chunks(path):
            read += len(chunk)
    assert read < 20_000_000


def test_a_missing_file_is_one_reason(tmp_path):
    with pytest.raises(Broken, match="cannot be read: No such file"):
        list(chunks(tmp_path / "gone.jsonl"))


def test_a_text_file_without_separator_is_one_document():
    assert list(documents([b"\xef\xbb\xbfOnce upon\n\na time \n"])) == [
        Raw(1, {"text": "Once upon\n\na time"})
    ]


def test_a_document_that_is_not_utf8_is_named_and_the_next_is_read():
    first, second = documents([b"ab\xffc<|endoftext|>d"])
    assert first.problem == "invalid UTF-8 at byte 3"
    assert second == Raw(2, {"text": "d"})
