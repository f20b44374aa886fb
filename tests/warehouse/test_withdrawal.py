import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest

from schemas.errors import BadInput
from schemas.tables import tables
from warehouse import connect
from warehouse.manifest import commit, read_current, read_version
from warehouse.parts import polars_schema, read_part, write_part
from warehouse.run import Run, begin, is_committed
from warehouse.views import mart_files
from warehouse.withdrawal import find_run, run_of, withdraw

FILL = {pl.String: "{}", pl.Int64: 1, pl.Float64: 0.5, pl.Boolean: True, pl.List: [], pl.Array: [7] * 128}


def rows(table, run_id, given):
    """Rows with a typed value in every column that may not be null."""
    nullable = {field.name: field.nullable for field in tables()[table].arrow()}
    schema = polars_schema(table)
    blank = {name: None if nullable[name] else FILL[kind.base_type()] for name, kind in schema.items()}
    return pl.DataFrame([{**blank, "run_id": run_id, **row} for row in given], schema=schema)


def made(root, name, witness=None):
    """The parts of a run in every table but `run`; its second sample is dropped, for repeating `witness`."""
    run = begin(root, "curate", "test", name, {})
    ids = [{"sample_id": f"{name}{i}"} for i in range(3)]
    verdicts = [
        {"sample_id": f"{name}{i}", "filter": f, "keep": i != 1 or f == "quality", "witness_id": witness}
        for i in range(3)
        for f in ("quality", "minhash")
    ]
    frames = {table: rows(table, run.run_id, [{}]) for table in tables() if table != "run"}
    frames |= {table: rows(table, run.run_id, ids) for table in ("signature", "embedding")}
    frames["sample"] = rows(
        "sample", run.run_id, [{**each, "recipe": "r", "text": "a b c d"} for each in ids]
    )
    frames["verdict"] = rows("verdict", run.run_id, verdicts)
    frames["release"] = rows("release", run.run_id, [{"release_id": f"release {name}"}])
    frames["member"] = rows("member", run.run_id, [{"release_id": f"release {name}", **each} for each in ids])
    frames["call"] = rows("call", run.run_id, [{"request_id": name}])
    return run, [write_part(root, run.run_id, table, frame) for table, frame in frames.items()]


def add(root, name, witness=None):
    run, parts = made(root, name, witness)
    run.commit(parts)
    return run.run_id


def rejudge(root, name, drops, replaced):
    """A run that judges samples of earlier ones anew: it drops these."""
    run = begin(root, "rejudge", "test", name, {})
    ids = sorted(row for part in replaced for row in read_part(root, part)["sample_id"].unique())
    new = [{"sample_id": i, "filter": "minhash", "keep": i not in drops} for i in ids]
    new += [{"sample_id": i, "filter": "quality"} for i in ids]
    run.commit([write_part(root, run.run_id, "verdict", rows("verdict", run.run_id, new))], without=replaced)
    return run.run_id


def parts(root, version=None):
    """What a version holds."""
    manifest = read_current(root) if version is None else read_version(root, version)
    return {table: some for table, some in manifest.parts.items() if some}, manifest.runs, manifest.replaced


def seen(root, version=None):
    """Every table and mart as an analyst sees it."""
    with connect(root, version) as connection:
        names = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
        assert {mart.stem for mart in mart_files()} | set(tables()) == set(names)
        return {name: sorted(map(str, connection.sql(f'FROM "{name}"').fetchall())) for name in names}


def test_withdrawing_what_was_just_added_is_the_identity_on_parts_tables_and_marts(tmp_path):
    add(tmp_path, "a")
    add(tmp_path, "b", witness="a0")
    before, was = parts(tmp_path), seen(tmp_path)
    added = add(tmp_path, "c", witness="a0")
    assert seen(tmp_path) != was
    manifest = withdraw(tmp_path, added)
    assert parts(tmp_path) == before and seen(tmp_path) == was
    assert manifest == read_current(tmp_path) and (manifest.version, manifest.parent) == (4, 3)
    assert seen(tmp_path, 3) != was == seen(tmp_path, 2)  # what was stays readable


def test_a_run_between_others_is_taken_out_of_every_table(tmp_path):
    add(tmp_path, "a")
    middle = add(tmp_path, "b")
    last = add(tmp_path, "c", witness="b0")
    withdraw(tmp_path, middle)
    found, runs, _ = parts(tmp_path)
    assert middle not in {run_of(part) for some in found.values() for part in some} and middle not in runs
    for table, lines in seen(tmp_path).items():
        assert table != "sample" or len(lines) == 6
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "data", other / "data")
    commit(other, runs[0], [part for some in found.values() for part in some if run_of(part) == runs[0]])
    commit(other, last, [part for some in found.values() for part in some if run_of(part) == last])
    assert parts(other) == parts(tmp_path) and seen(other) == seen(tmp_path)


def test_the_file_for_guis_follows(tmp_path):
    add(tmp_path, "a")
    withdraw(tmp_path, add(tmp_path, "b"))
    with duckdb.connect(tmp_path / "warehouse.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM sample").fetchall() == [(3,)]


def test_a_withdrawn_run_can_be_made_again_with_the_same_edition(tmp_path):
    add(tmp_path, "a")
    run_id = add(tmp_path, "b")
    whole = seen(tmp_path)
    withdraw(tmp_path, run_id)
    assert not is_committed(tmp_path, run_id)
    run, again = made(tmp_path, "b")
    assert run.run_id == run_id and run.base_version == 3
    run.commit(again)
    for table in ("sample", "verdict", "signature", "release", "clean_sample", "funnel"):
        assert seen(tmp_path)[table] == whole[table]


def test_a_run_that_was_begun_on_it_still_sees_it_and_can_be_committed(tmp_path):
    first = add(tmp_path, "a")
    run, new = made(tmp_path, "b")
    withdraw(tmp_path, first)
    assert run.earlier("SELECT count(*) AS n FROM sample")["n"].to_list() == [3]
    assert begin(tmp_path, "curate", "test", "b", {}).base_version == 1  # also when it is resumed
    run.commit(new)
    assert read_current(tmp_path).runs == [run.run_id]


def test_an_unknown_run_is_refused_with_those_that_are_known(tmp_path):
    ids = [add(tmp_path, name) for name in "ab"]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    with pytest.raises(BadInput, match=f"no run matches 'nope' in .*; known: .*{ids[0]}.*{ids[1]}"):
        withdraw(tmp_path, "nope")
    with pytest.raises(BadInput, match="no run matches ''"):
        withdraw(tmp_path, "")
    withdraw(tmp_path, ids[0])
    with pytest.raises(BadInput, match="no run matches"):
        withdraw(tmp_path, ids[0])
    assert {path: path.read_bytes() for path in before if path.exists()}.items() <= before.items() | {
        (tmp_path / "CURRENT", (tmp_path / "CURRENT").read_bytes())
    }


def test_a_run_is_found_by_how_it_begins_when_that_is_one(tmp_path):
    ids = [f"{n % 3}{n:03d}" for n in range(12)]
    for run_id in ids:
        commit(tmp_path, run_id, [write_part(tmp_path, run_id, "call", rows("call", run_id, [{}]))])
    assert find_run(tmp_path, "1001") == "1001"
    assert find_run(tmp_path, "101") == "1010"
    with pytest.raises(BadInput, match="4 runs match '0' in .*; the newest 10 of 12: .'2002'"):
        find_run(tmp_path, "0")


def test_withdrawing_a_rejudgement_brings_the_old_verdicts_back(tmp_path):
    for name in "ab":
        add(tmp_path, name)
    before, was = parts(tmp_path), seen(tmp_path)
    judge = rejudge(tmp_path, "one", ["a0", "b0"], read_current(tmp_path).parts["verdict"])
    assert len(seen(tmp_path)["clean_sample"]) == 4 and seen(tmp_path)["clean_sample"] != was["clean_sample"]
    withdraw(tmp_path, judge)
    assert parts(tmp_path) == before and seen(tmp_path) == was


def test_a_rejudged_run_takes_what_was_said_of_it_along(tmp_path):
    first = add(tmp_path, "a")
    add(tmp_path, "b")
    judge = rejudge(tmp_path, "one", ["a0", "b0"], read_current(tmp_path).parts["verdict"])
    withdraw(tmp_path, first)
    with connect(tmp_path) as connection:
        assert connection.sql("SELECT DISTINCT sample_id FROM verdict ORDER BY ALL").fetchall() == [
            ("b0",), ("b1",), ("b2",)
        ]  # fmt: skip
        assert connection.sql("SELECT sample_id FROM clean_sample ORDER BY ALL").fetchall() == [
            ("b1",),
            ("b2",),
        ]
    add(tmp_path, "a")  # made again, it meets no verdict of the past
    withdraw(tmp_path, judge)
    alone = tmp_path / "alone"
    for name in "ba":
        add(alone, name)
    for table in ("clean_sample", "verdict"):
        assert seen(tmp_path)[table] == seen(alone)[table]


def test_one_rejudgement_on_another_is_withdrawn_first(tmp_path):
    add(tmp_path, "a")
    states, judges = [parts(tmp_path)], []
    for name, drops in (("one", ["a0"]), ("two", ["a2"])):
        judges.append(rejudge(tmp_path, name, drops, read_current(tmp_path).parts["verdict"]))
        states.append(parts(tmp_path))
    with pytest.raises(BadInput, match=f"run {judges[1]} put parts in the place of those of {judges[0]}"):
        withdraw(tmp_path, judges[0])
    for judge, state in zip(judges[::-1], states[-2::-1], strict=True):
        withdraw(tmp_path, judge)
        assert parts(tmp_path) == state


def test_a_part_that_is_gone_cannot_be_replaced(tmp_path):
    first = add(tmp_path, "a")
    old = read_current(tmp_path).parts["verdict"]
    withdraw(tmp_path, first)
    before = read_current(tmp_path)
    with pytest.raises(BadInput, match="is not in version 2 any more: it was withdrawn or replaced"):
        rejudge(tmp_path, "one", [], old)
    assert read_current(tmp_path) == before


def withdraw_first(root):
    """For children."""
    withdraw(Path(root), read_current(Path(root)).runs[0])


def test_a_withdrawal_killed_at_any_operation_is_done_or_not(nursery, memory):
    base = memory / "base"
    for name in "ab":
        run, some = made(base, name)
        commit(base, run.run_id, some)
    old = read_current(base)
    seen_versions, code = set(), None
    for n in range(1, 100):
        root = memory / str(n)
        shutil.copytree(base, root)
        code = nursery.run(withdraw_first, root, kill_at=n)
        now = read_current(root)
        assert now == old or now.runs == old.runs[1:]
        seen_versions.add(now.version)
        if now == old:
            withdraw(root, old.runs[0])
        assert read_current(root).runs == old.runs[1:] and read_version(root, 2) == old
        shutil.rmtree(root)
        if code == 0:
            break
    assert code == 0 and seen_versions == {2, 3}


def test_a_run_object_survives_the_trip_to_a_worker(tmp_path):
    run, some = made(tmp_path, "a")
    Run.model_validate_json(run.model_dump_json()).commit(some, without=[])
    assert read_current(tmp_path).replaced == {run.run_id: []}
