import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks.table_rows as table_rows
from tasks.raw_rows import Broken, Raw
from tasks.table_rows import csv_rows, parquet_rows

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)


@given(st.lists(st.tuples(CELL, CELL), max_size=6), st.sampled_from(",;\t|"), st.integers(1, 30))
def test_csv_gives_back_what_was_written(rows, mark, size):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=mark, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b"), *rows])
    data = file.getvalue().encode()
    found = list(csv_rows((data[i : i + size] for i in range(0, len(data), size)), mark))
    assert [(raw.content["a"], raw.content["b"]) for raw in found] == rows
    assert [raw.line for raw in found] == list(range(1, len(rows) + 1))


def test_a_bad_csv_row_is_one_row_and_the_next_is_read():
    data = b'a,b\n1,2\n"x\ny",3\n\n4\n5,6,7\n"q"z,5\n\xff,8\n9,10'
    rows = list(csv_rows([data], ","))
    assert [raw.problem for raw in rows] == [
        None,
        None,
        "1 fields; the header has 2",
        "3 fields; the header has 2",
        "invalid CSV: ',' expected after '\"'",
        "invalid UTF-8",
        None,
    ]
    assert rows[1] == Raw(2, {"a": "x\ny", "b": "3"})
    assert rows[4].content == b'"q"z,5\n'
    assert rows[6] == Raw(7, {"a": "9", "b": "10"})


def test_a_quote_that_is_never_closed_says_how_much_was_lost():
    rows = csv_rows([b'a,b\n1,2\n3,"oops\n4,5\n6,7\n'], ",")
    assert next(rows).line == 1
    with pytest.raises(
        Broken, match=r"row 2 opens a quote that is not closed; 3 line\(s\) from it were not read"
    ):
        next(rows)


def test_a_cell_far_over_the_default_limit_of_the_csv_module_is_read():
    assert len(next(csv_rows([b"a,b\n1," + b"x" * 500_000], ",")).content["b"]) == 500_000


def test_a_byte_order_mark_and_blank_lines_before_the_header_are_passed_over():
    assert next(csv_rows(["\ufeff\n\na , b\n1,2".encode()], ",")) == Raw(1, {"a": "1", "b": "2"})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a,a\n1,2", r"columns of one name: \['a'\]"),
        (b"a,\xff\n1,2", "header cannot be read: invalid UTF-8"),
    ],
)
def test_a_header_that_cannot_be_used_is_the_files_problem(data, reason):
    with pytest.raises(Broken, match=reason):
        list(csv_rows([data], ","))


def test_parquet_rows_are_numbered_over_all_row_groups(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"id": range(1000), "turns": [[{"role": "user", "content": "hi"}]] * 1000})
    pq.write_table(table, path, row_group_size=300)
    rows = list(parquet_rows(path))
    assert [raw.line for raw in rows] == list(range(1, 1001))
    assert rows[999].content == {"id": 999, "turns": [{"role": "user", "content": "hi"}]}


def test_one_parquet_cell_that_is_not_utf8_costs_one_row(tmp_path):
    cells = pa.array([b"good", b"\xff\xfe", b"fine"])
    text = pa.StringArray.from_buffers(3, cells.buffers()[1], cells.buffers()[2])
    pq.write_table(pa.table({"text": text}), tmp_path / "a.parquet")
    assert [raw.problem for raw in parquet_rows(tmp_path / "a.parquet")] == [None, "invalid UTF-8", None]


def test_damaged_parquet_is_one_reason(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"row {i}" for i in range(5000)]}), path)
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:-4], b"PAR1", whole[:-8] + b"\xff" * 4 + b"PAR1"):
        path.write_bytes(data)
        with pytest.raises(Broken, match="not readable as Parquet after row 0"):
            list(parquet_rows(path))


def test_rows_that_unpack_to_far_more_than_the_footer_says_are_not_turned_into_objects(tmp_path, monkeypatch):
    monkeypatch.setattr(table_rows, "MAX_BATCH", 1_000_000)
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"text": pa.array(["x" * 100_000] * 200)}), path)
    assert path.stat().st_size < 200_000
    with pytest.raises(Broken, match="64 rows of it take 6,4.* bytes; at most 1,000,000 are read"):
        list(parquet_rows(path))


def test_two_parquet_columns_of_one_name_are_refused(tmp_path):
    pq.write_table(
        pa.Table.from_arrays([pa.array(["a"])] * 2, names=["text", "text"]), tmp_path / "a.parquet"
    )
    with pytest.raises(Broken, match=r"columns of one name: \['text'\]"):
        list(parquet_rows(tmp_path / "a.parquet"))


def test_a_flipped_bit_is_found_where_the_file_has_checksums(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"row {i}" for i in range(500)]}), path, compression="none",
                   use_dictionary=False, write_page_checksum=True)  # fmt: skip
    data = bytearray(path.read_bytes())
    data[data.index(b"row 250")] ^= 1
    path.write_bytes(data)
    with pytest.raises(Broken, match="not readable as Parquet"):
        list(parquet_rows(path))
