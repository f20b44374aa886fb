import hashlib
import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SeedloomError
from schemas.partition import Partition
from schemas.tables import tables
from warehouse.files import TEMPORARY
from warehouse.parts import (
    BadRows,
    DamagedPart,
    conform,
    is_intact,
    polars_schema,
    read_part,
    refuse_keys_repeated_across,
    verify_part,
    write_part,
)

FILL = {
    pl.Binary: b"x",
    pl.String: "x",
    pl.Int64: 1,
    pl.Float64: 0.5,
    pl.Boolean: True,
    pl.List: [],
    pl.Array: [7] * 128,
}


def rows(table, *given):
    """Rows with a typed value in every column that was not given and may not be null."""
    nullable = {field.name: field.nullable for field in tables()[table].arrow()}
    schema = polars_schema(table)
    blank = {name: None if nullable[name] else FILL[kind.base_type()] for name, kind in schema.items()}
    return pl.DataFrame([{**blank, **row} for row in given], schema=schema)


def verdicts(*ids, run_id="r"):
    return rows("verdict", *({"sample_id": i, "run_id": run_id, "filter": "exact"} for i in ids))


@pytest.mark.parametrize("table", sorted(tables()))
def test_rows_of_every_table_come_back_as_they_went(tmp_path, table):
    frame = rows(table, {key: "k" for key in tables()[table].key if polars_schema(table)[key] == pl.String})
    part = write_part(tmp_path, "r", table, frame)
    back = read_part(tmp_path, part)
    assert back.equals(frame) and back.schema == polars_schema(table)
    assert (part.table, part.rows, part.bytes) == (table, 1, (tmp_path / part.path).stat().st_size)
    assert part.path == f"data/{table}/run=r/part-{part.sha256[:32]}.parquet"


@given(order=st.permutations(range(12)), cut=st.integers(1, 11))
def test_the_same_rows_in_any_order_and_chunking_make_the_same_file(tmp_path_factory, order, cut):
    root = tmp_path_factory.getbasetemp() / "same"
    expected = write_part(root, "r", "verdict", verdicts(*(f"s{i:02}" for i in range(12))))
    shuffled = verdicts(*(f"s{i:02}" for i in order))
    assert (
        write_part(root, "r", "verdict", pl.concat([shuffled[:cut], shuffled[cut:]], rechunk=False))
        == expected
    )


def test_columns_in_any_order_are_put_in_the_declared_one(tmp_path):
    frame = verdicts("b", "a").select(sorted(polars_schema("verdict"), reverse=True))
    assert conform("verdict", frame).columns == list(polars_schema("verdict"))
    assert conform("verdict", frame)["sample_id"].to_list() == ["a", "b"]


def test_a_part_that_is_there_is_not_written_again_unless_it_is_damaged(tmp_path):
    part = write_part(tmp_path, "r", "verdict", verdicts("a"))
    path = tmp_path / part.path
    before = path.stat().st_ino
    assert write_part(tmp_path, "r", "verdict", verdicts("a")) == part
    assert path.stat().st_ino == before
    path.write_bytes(path.read_bytes()[:-1])
    assert not is_intact(tmp_path, part)
    write_part(tmp_path, "r", "verdict", verdicts("a"))
    assert is_intact(tmp_path, part)
    assert not [p for p in path.parent.iterdir() if p.name.startswith(TEMPORARY)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda f: f.drop("keep"),
            r"table verdict: columns \['keep'\] are missing or unknown; it has \['sample_id'",
        ),
        (lambda f: f.with_columns(extra=1), r"columns \['extra'\] are missing or unknown"),
        (lambda f: f.with_columns(keep=pl.lit("yes")), "column keep is String, not Boolean"),
        (lambda f: f.with_columns(keep=pl.lit(1)), "column keep is Int32, not Boolean"),
        (lambda f: f.with_columns(score=pl.lit("0.5")), "column score is String, not Float64"),
        (lambda f: f.with_columns(sample_id=pl.lit(3)), "column sample_id is Int32, not String"),
        (
            lambda f: f.with_columns(keep=pl.lit(None)),
            "table verdict: keep is null in row .*'sample_id': 'a'",
        ),
        (lambda f: pl.concat([f, f]), "4 rows share a key, for one .*'sample_id': 'a', 'filter': 'exact'"),
        (lambda f: f.clear(), "a part holds at least one row"),
    ],
)
def test_rows_that_break_the_contract_are_refused_by_name_and_nothing_is_written(tmp_path, change, says):
    with pytest.raises(BadRows, match=says):
        write_part(tmp_path, "r", "verdict", change(verdicts("a", "b")))
    assert not (tmp_path / "data").exists()


def test_a_number_is_never_rounded_cut_or_parsed_silently():
    for value, says in (
        (1.5, "n is Float64, not Int64"),
        ("12", "n is String, not Int64"),
        (True, "n is Boolean"),
    ):
        with pytest.raises(BadRows, match=says):
            conform("metric", rows("metric", {}).with_columns(n=pl.lit(value)))
    short = rows("signature", {}).with_columns(minhash=pl.lit([1, 2], dtype=pl.List(pl.UInt32)))
    with pytest.raises(BadRows, match="signature"):
        conform("signature", short)
    negative = rows("signature", {}).with_columns(minhash=pl.lit([-1] * 128, dtype=pl.List(pl.Int64)))
    with pytest.raises(BadRows, match="signature"):
        conform("signature", negative)


def test_casts_that_keep_every_value_are_made():
    metric = conform("metric", rows("metric", {}).with_columns(n=pl.lit(3, pl.Int32), value=pl.lit(2)))
    assert metric.select("n", "value").row(0) == (3, 2.0)
    frame = rows("embedding", {}).with_columns(vector=pl.lit([0.6, 0.8], dtype=pl.List(pl.Float64)))
    assert conform("embedding", frame).schema == polars_schema("embedding")
    empty = rows("sample", {}).with_columns(messages=pl.lit([], dtype=pl.List(pl.Null)))
    assert conform("sample", empty)["messages"].to_list() == [[]]
    turns = pl.Series("messages", [[{"content": "hi", "role": "user"}]])
    with pytest.raises(BadRows, match="messages"):
        conform("sample", rows("sample", {}).with_columns(turns))


def test_one_flipped_bit_is_found(tmp_path):
    part = write_part(tmp_path, "r", "verdict", verdicts(*map(str, range(500))))
    path = tmp_path / part.path
    whole = path.read_bytes()
    draw = random.Random(0)
    for _ in range(20):
        broken = bytearray(whole)
        broken[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(broken)
        with pytest.raises(DamagedPart, match=f"{part.path} .*is missing or differs from its SHA-256"):
            verify_part(tmp_path, part)
    path.write_bytes(whole)
    verify_part(tmp_path, part)


def test_a_part_that_cannot_be_read_is_one_line_that_names_it(tmp_path):
    part = write_part(tmp_path, "r", "verdict", verdicts("a"))
    path = tmp_path / part.path
    for content in (path.read_bytes()[:100], b"", b"no parquet at all"):
        path.write_bytes(content)
        with pytest.raises(SeedloomError, match=part.path) as caught:
            read_part(tmp_path, part)
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(DamagedPart, match=part.path):
        read_part(tmp_path, part)
    with pytest.raises(DamagedPart, match=part.path):
        verify_part(tmp_path, part)


def test_a_key_repeated_across_two_parts_of_a_run_is_refused(tmp_path):
    parts = [write_part(tmp_path, "r", "verdict", verdicts(*ids)) for ids in ("abc", "de", "fbg")]
    refuse_keys_repeated_across(tmp_path, parts[:2])
    refuse_keys_repeated_across(tmp_path, [parts[0], parts[0]])
    with pytest.raises(BadRows, match="verdict: 3 parts of one run share a key, for one .*'sample_id': 'b'"):
        refuse_keys_repeated_across(tmp_path, parts)
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_two_shards_may_have_asked_the_identical_question(tmp_path):
    calls = [rows("call", {"request_id": "q", "level": level}) for level in ("one", "two")]
    refuse_keys_repeated_across(tmp_path, [write_part(tmp_path, "r", "call", frame) for frame in calls])


@pytest.mark.parametrize("table", sorted(set(tables()) - {"call"}))
def test_every_table_but_call_is_checked_across_parts(tmp_path, table):
    other = next(
        name for name in polars_schema(table) if name not in tables()[table].key and name != "run_id"
    )
    kind = polars_schema(table)[other]
    changed = {pl.String: "y", pl.Int64: 2, pl.Float64: 0.7, pl.Boolean: False}[kind.base_type()]
    frames = [rows(table, {}), rows(table, {other: changed})]
    with pytest.raises(BadRows, match=f"table {table}: 2 parts"):
        refuse_keys_repeated_across(tmp_path, [write_part(tmp_path, "r", table, frame) for frame in frames])


def test_a_folder_with_odd_characters_is_no_pattern(tmp_path):
    root = tmp_path / 'it\'s [a] *? "place"'
    parts = [write_part(root, "r", "verdict", verdicts(i)) for i in "ab"]
    assert [read_part(root, part)["sample_id"].to_list() for part in parts] == [["a"], ["b"]]
    refuse_keys_repeated_across(root, parts)


def test_a_part_has_at_least_one_row():
    with pytest.raises(ValueError, match="rows"):
        Partition(table="verdict", path="p", rows=0, bytes=1, sha256=hashlib.sha256().hexdigest())
