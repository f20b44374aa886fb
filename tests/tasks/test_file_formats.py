import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.file_formats import delimiter, file_format, named_format, raw_rows
from tasks.input_files import expand_inputs
from tasks.raw_rows import Broken
from tasks.records import Bad, read

ROW = b'{"text": "a"}'
PRETTY = b'{\n "text": "a"\n}\n{\n "text": "b"\n}\n'


def contents(path, data):
    path.write_bytes(data)
    return [(raw.line, raw.problem) for raw in raw_rows(path)]


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.jsonl", ROW + b"\n" + ROW, "jsonl"),
        ("a.jsonl", b"oops\n" + ROW, "jsonl"),
        ("a.jsonl", b"[1, 2]\n" + ROW, "jsonl"),
        ("a.jsonl", b"[\n" + ROW + b",\n" + ROW + b"]", "array"),
        ("a.jsonl", b"[" + ROW + b"]", "array"),
        ("a.ndjson.gz", ROW, "jsonl"),
        ("a.json", b"\xef\xbb\xbf \n[" + ROW + b"]", "array"),
        ("a.json", ROW + b"\n" + ROW, "jsonl"),
        ("a.json", b"{oops}\n" + ROW, "jsonl"),
        ("a.json", PRETTY, "values"),
        ("a.JSON", b"[]", "array"),
        ("a", b"[" + ROW + b"]", "array"),
        ("a", ROW, "jsonl"),
        ("a", b"id;instruction;output\n", "csv"),
        ("a.csv", b"anything, at all\n", "csv"),
        ("a.tsv", b"text\n", "csv"),
        ("a.parquet", b"PAR1....", "parquet"),
        ("a", b"PAR1....", "parquet"),
        ("a.txt", b"Once upon a time", "text"),
        ("a.txt.gz", b"{not json}", "text"),
    ],
)
def test_the_format_is_told_by_content_and_name(name, data, found):
    assert file_format(Path(name), data) == found


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.parquet", b"id,text\n1,a", "is named .parquet but is not Parquet; it begins with 'id,text"),
        ("a.json", b"Hello there", "is named .json but holds no JSON; it begins with 'Hello there'"),
        ("a.jsonl", b"Hello\nthere\n", "is named .jsonl but holds no JSON"),
        ("a.jsonl", b"PAR1....", "is named .jsonl but holds Parquet"),
        ("a.parquet.gz", b"PAR1....", "is named .gz but holds Parquet"),
        ("a.csv", ROW, "is named .csv but holds JSON"),
        ("a.csv", bytes(range(256)) * 4, "holds binary data"),
        ("a.json", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0", "holds binary data"),
        ("a.txt", "Es war einmal".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (
            "a.md",
            b"# Title",
            "has no known format; known: .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .txt",
        ),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_one_reason(name, data, reason):
    with pytest.raises(Broken) as caught:
        file_format(Path(name), data)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    ("header", "mark"),
    [
        (b"instruction,input,output\n", ","),
        (b"instruction;input, or context;output\n", ";"),
        (b"instruction\toutput\n", "\t"),
        (b'"prompt"|"completion"\n', "|"),
        (b"text\n", ","),
        (b"a;b\n", ";"),
    ],
)
def test_the_delimiter_is_the_one_that_makes_known_columns(header, mark):
    assert delimiter(header) == mark


def test_names_promise_formats_with_and_without_gz():
    assert named_format(Path("d/a.jsonl.gz")) == "jsonl"
    assert named_format(Path("d/a.v2.CSV")) == "csv"
    assert named_format(Path("d.json/a.gz")) is None
    assert named_format(Path("a")) is None


def test_a_file_without_rows_has_one_reason(tmp_path):
    for name, data, reason in [
        ("a.json", b"", "is empty"),
        ("a.json", b"[]", "holds no rows"),
        ("a.jsonl", b"\n \n", "holds no rows"),
        ("a.csv", b"text\n", "holds no rows"),
        ("a.txt", b" \n<|endoftext|>\n", "holds no rows"),
        ("a.jsonl.gz", gzip.compress(b""), "is empty"),
    ]:
        assert contents(tmp_path / name, data) == [(0, reason)]


def test_rows_before_the_break_are_read_and_the_break_is_line_0(tmp_path):
    whole = json.dumps([{"text": str(i)} for i in range(3)]).encode()
    assert contents(tmp_path / "a.json", whole[:-2]) == [(1, None), (2, None), (0, "is cut off in row 3")]
    packed = gzip.compress(b"\n".join([ROW] * 5))
    assert contents(tmp_path / "b.jsonl.gz", packed[:-3])[-1] == (0, "its gzip stream is cut off")
    assert contents(tmp_path / "c.csv", b'text\na\n"b') == [
        (1, None),
        (0, "row 2 opens a quote that is not closed; 1 line(s) from it were not read"),
    ]


def test_a_missing_file_is_line_0(tmp_path):
    assert [(raw.line, raw.problem) for raw in raw_rows(tmp_path / "gone.json")] == [
        (0, "cannot be read: No such file or directory")
    ]


def test_every_format_gives_the_same_rows(tmp_path):
    rows = [{"instruction": f"Say “{i}”;\nplease, now", "output": f"{i}\t|"} for i in range(5)]
    as_csv = "instruction,output\n" + "".join('"{instruction}","{output}"\n'.format(**row) for row in rows)
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps(rows), encoding="utf-8")
    (tmp_path / "c.json").write_text("\n".join(json.dumps(row, indent=1) for row in rows), encoding="utf-8")
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(as_csv.encode("utf-8-sig")))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "e.parquet")
    for path in sorted(tmp_path.glob("?.*")):
        found = [raw.content for raw in raw_rows(path)]
        assert [json.loads(row) if isinstance(row, bytes) else row for row in found] == rows, path


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("self_instruct/seed_tasks.jsonl", 175),
        ("self_instruct/user_oriented_instructions.jsonl", 252),
        ("tinystories/valid_first_10k_lines.txt", 1728),
        ("fairytaleqa/data-by-train-split/section-stories", 4095),
        ("fairytaleqa/data-by-train-split/questions", 10580),
        ("fables/aesop4children.json", 146),
        ("fables/grimm", 223),
        ("oasst/en_100_tree.jsonl", 100),
        ("hh_rlhf/harmless-base_test.jsonl.gz", 2312),
        ("gsm8k/train.jsonl", 7473),
        ("gsm8k/test.jsonl", 1319),
        ("ifeval/input_data.jsonl", 541),
        ("mt_bench/question.jsonl", 80),
        ("gpteacher", 1923 + 7673 + 4709),
    ],
)
def test_public_data_sets_are_read_to_the_last_row(public_data, name, rows):
    found = list(read(expand_inputs([str(public_data(name))])))
    assert [row for row in found if isinstance(row, Bad)] == []
    assert len(found) == rows


def test_the_whole_of_alpaca_is_read(public_data):
    found = list(read([public_data("alpaca/alpaca_data.json")]))
    assert [row.line for row in found] == list(range(1, 52_003))
    assert sum(row.content.output == "" for row in found) == 28
    assert found[0].content.text.startswith("Give three tips for staying healthy.\n\n1.Eat a balanced")


def test_a_public_table_without_texts_is_refused_row_by_row(public_data):
    found = list(read([public_data("fairytaleqa/story_meta.csv")]))
    assert len(found) == 278
    assert {row.reason.split(";")[0] for row in found} == {
        "unknown shape: fields filename, origin, split, sections, words, questions"
    }
