import gzip
import json
import tempfile
from collections import Counter
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tasks.intake as stage
from schemas.errors import BadInput
from tasks.intake import frames, intake
from tasks.records import Bad, Record, read
from warehouse.parts import conform

NAMES = ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt", "a.parquet", "a.jsonl.gz", "a.json.gz", "a"]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)


def lines_of(*rows):
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()


def written(name, data):
    Path(name).write_bytes(data)
    return Path(name)


def all_frames(paths, **settings):
    pairs = list(frames(paths, "run1", "mine", "CC0-1.0", **settings))
    return pl.concat([sample for sample, _ in pairs]), pl.concat([reject for _, reject in pairs])


@settings(deadline=None)
@given(st.sampled_from(NAMES), st.binary(max_size=300), st.booleans())
def test_rows_read_are_samples_and_rejects_for_any_bytes(name, data, packed):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(gzip.compress(data) if packed else data)
        found = list(read([path]))
        sample, reject = all_frames([path])
    assert found
    assert sample.height == sum(isinstance(row, Record) for row in found)
    assert reject.height == sum(isinstance(row, Bad) for row in found)
    assert conform("sample", sample).height + conform("reject", reject).height == len(found)
    lines = [row.line for row in found]
    assert len(set(lines)) == len(lines)
    assert 0 not in lines[:-1]
    assert all(len(row.content) <= 500 and "\0" not in row.content for row in found if isinstance(row, Bad))


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT | st.integers(), TEXT, TEXT), min_size=1, max_size=8), st.integers(1, 9))
def test_ids_and_texts_are_untouched_and_the_batch_size_changes_nothing(rows, batch):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(lines_of(*({"id": i, "instruction": f"Q{q}", "output": a} for i, q, a in rows)))
        sample, reject = all_frames([path], batch=batch)
        whole, _ = all_frames([path])
    assert reject.is_empty()
    assert sample["origin_id"].to_list() == [str(i) for i, _, _ in rows]
    assert sample["instruction"].to_list() == [f"Q{q}" for _, q, _ in rows]
    assert sample["output"].to_list() == [a for _, _, a in rows]
    assert sample["ordinal"].to_list() == list(range(1, len(rows) + 1))
    assert sample.equals(whole)


def test_a_row_becomes_a_sample_with_its_place_and_its_own_words():
    row = {
        "id": 7,
        "instruction": "Add.",
        "input": "1, 2",
        "output": "3",
        "lang": "en",
        "model": "gpt-4",
        "n": 1,
    }
    sample, reject = all_frames([written("a.json", json.dumps([row]).encode())])
    assert reject.is_empty()
    found = sample.row(0, named=True)
    assert found.pop("sample_id") == found.pop("root_id")
    assert found == {
        "parent_id": None,
        "run_id": "run1",
        "recipe": "mine",
        "level": "row",
        "final": True,
        "ordinal": 1,
        "text": "Add.\n\n1, 2\n\n3",
        "messages": [{"role": "user", "content": "Add.\n\n1, 2"}, {"role": "assistant", "content": "3"}],
        "instruction": "Add.",
        "input": "1, 2",
        "output": "3",
        "rejected": None,
        "slots": '{"extra":{"n":1}}',
        "language": "en",
        "origin": "a.json",
        "origin_id": "7",
        "model": "gpt-4",
        "licence": "CC0-1.0",
        "request_id": None,
    }


def test_a_sample_id_names_run_place_and_content_and_nothing_else():
    first = written("a.jsonl", lines_of({"text": "x"}, {"text": "x"}))
    other = written("b.jsonl", lines_of({"text": "x"}, {"text": "y"}))
    ids = all_frames([first, other])[0]["sample_id"].to_list()
    assert len(set(ids)) == 4
    assert all_frames([other])[0]["sample_id"].to_list() == ids[2:]
    assert next(frames([first], "run2", "mine"))[0]["sample_id"][0] not in ids


BAD_ROWS = {
    '{"text": "cut': "invalid JSON at character 10: Unterminated string starting at",
    "[1]": "a JSON array, not an object",
    '{"title": "x"}': "unknown shape: fields title; known: messages",
    '{"text": " "}': "empty text",
    '{"text": 5}': "text is a JSON number, not a string",
    '{"text": "\\ud83d"}': "text: a lone surrogate",
    '{"text": "a\\u0000b"}': "text: a NUL character",
    '{"text": NaN}': "invalid JSON: NaN is no number",
    '{"text": "a", "x": ' + "[" * 70 + "]" * 70 + "}": "x: nested deeper than 64 levels",
    '{"text": ' + "[" * 9999 + "]" * 9999 + "}": "nested deeper than 64 levels",
    '{"text": "a", "n": ' + "1" * 5000 + "}": "invalid JSON: a number of more than 4,300 digits",
    '{"text": "a", "text": "b"}': "key 'text' twice in one object",
}


def test_every_kind_of_bad_row_is_rejected_with_its_line_and_its_reason():
    good = '{"text": "good"}'
    sample, reject = all_frames(
        [written("a.jsonl", lines_of(good, *BAD_ROWS, "", good) + b'\n{"text": "\xff\0"}')]
    )
    last = len(BAD_ROWS) + 3  # one good row before, a blank line and a good row after them
    assert sample["ordinal"].to_list() == [1, last]
    assert reject["line"].to_list() == [*range(2, len(BAD_ROWS) + 2), last + 1]
    assert reject["content"].to_list()[:-1] == [text[:500] for text in BAD_ROWS]
    for reason, expected in zip(
        reject["reason"], [*BAD_ROWS.values(), "invalid UTF-8 at byte 11"], strict=True
    ):
        assert reason.startswith(expected)
    assert reject["content"][-1] == '{"text": "\N{REPLACEMENT CHARACTER}\N{SYMBOL FOR NULL}"}'


def test_a_field_over_the_limit_is_rejected_and_its_reject_is_short():
    sample, reject = all_frames([written("a.jsonl", lines_of({"text": "x" * 10_000_001}, {"text": "fine"}))])
    assert sample["text"].to_list() == ["fine"]
    assert reject["reason"][0] == "text: 10,000,001 bytes; at most 10,000,000 are read"
    assert len(reject["content"][0]) == 500


def test_one_file_may_mix_shapes():
    rows = [
        {"text": "a"},
        {"prompt": "b", "completion": "c"},
        {"messages": [{"role": "user", "content": "d"}]},
    ]
    sample, reject = all_frames([written("a.jsonl", lines_of(*rows))])
    assert sample["text"].to_list() == ["a", "b\n\nc", "d"]
    assert reject.is_empty()


def test_a_batch_of_long_rows_ends_early_and_loses_nothing(monkeypatch):
    monkeypatch.setattr(stage, "BATCH_BYTES", 1000)
    rows = [{"messages": [{"role": "user", "content": f"{i}" + "x" * 300}]} for i in range(10)]
    pq.write_table(pa.Table.from_pylist(rows), "b.parquet")
    for path in (written("a.jsonl", lines_of(*rows)), Path("b.parquet")):
        sizes = [sample.height for sample, _ in frames([path], "r", "mine")]
        assert sum(sizes) == 10
        assert max(sizes) <= 4


def test_a_file_that_is_not_what_it_says_costs_one_reject_beside_a_good_one():
    good = written("good.jsonl", lines_of({"text": "a"}))
    sample, reject = all_frames(
        [written("bad.parquet", b"id,text\n1,a"), good, written("cut.json", b'[{"text": "b"},')]
    )
    assert sample["text"].to_list() == ["a", "b"]
    assert reject.select("origin", "line").rows() == [("bad.parquet", 0), ("cut.json", 0)]


def test_the_stage_writes_parts_whose_rows_are_the_rows_of_the_files(run):
    written("a.jsonl", lines_of({"text": "a"}, "oops", {"text": "b"}))
    parts = intake.fn(run, ["*.jsonl"], "mine", None)
    assert Counter({part.table: part.rows for part in parts}) == {"sample": 2, "reject": 1}
    assert run.read(parts[0])["run_id"].to_list() == [run.run_id] * 2


def test_a_killed_intake_reads_on_after_its_last_batch_and_ends_with_the_same_parts(run, monkeypatch):
    written("a.jsonl", lines_of(*({"text": f"row {i}"} if i % 3 else "oops" for i in range(1, 12))))
    monkeypatch.setattr(stage, "BATCH", 2)
    parsed = []
    understood = stage.understood

    def counting(origin, raw):
        if raw.line == 7 and len(parsed) == 6:
            raise KeyboardInterrupt
        parsed.append(raw.line)
        return understood(origin, raw)

    monkeypatch.setattr(stage, "understood", counting)
    with pytest.raises(KeyboardInterrupt):
        intake.fn(run, ["a.jsonl"], "mine", None)
    parsed.clear()
    resumed = intake.fn(run, ["a.jsonl"], "mine", None)
    assert parsed == [7, 8, 9, 10, 11]
    parsed.clear()
    assert intake.fn(run, ["a.jsonl"], "mine", None) == resumed
    assert parsed == []
    sample = pl.concat([run.read(part) for part in resumed if part.table == "sample"])
    reject = pl.concat([run.read(part) for part in resumed if part.table == "reject"])
    assert sorted([*sample["ordinal"], *reject["line"]]) == list(range(1, 12))


def test_a_changed_file_is_read_anew(run):
    path = written("a.jsonl", lines_of({"text": "old"}))
    intake.fn(run, ["a.jsonl"], "mine", None)
    path.write_bytes(lines_of({"text": "new"}))
    (part,) = intake.fn(run, ["a.jsonl"], "mine", None)
    assert run.read(part)["text"].to_list() == ["new"]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.parquet", b"text\nhello", "the first: a.parquet is named .parquet but is not Parquet"),
        ("a.json", b"", r"no row of a.json can be read \(1 refused\); the first: a.json is empty"),
        (
            "a.jsonl",
            b'{"x": 1}\n{"x": 2}',
            r"\(2 refused\); the first: a.jsonl, row 1, unknown shape: fields x;",
        ),
        ("a.json", b'[{"text": "cut', "a.json is cut off in row 1"),
        ("a.csv", bytes(range(256)), "a.csv holds binary data"),
    ],
)
def test_an_input_of_which_nothing_can_be_read_is_one_clear_line(run, name, data, reason):
    written(name, data)
    with pytest.raises(BadInput, match=reason) as caught:
        intake.fn(run, [name], "mine", None)
    assert "\n" not in str(caught.value)
