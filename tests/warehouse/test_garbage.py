import os
import shutil
import time
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

import warehouse.segment_kernel  # noqa: F401  (so that no child must load the compiler)
from schemas.errors import BadInput, SeedloomError
from schemas.tables import tables
from warehouse import connect
from warehouse.files import write_durably
from warehouse.garbage import collect
from warehouse.index import ask
from warehouse.manifest import commit, locked, read_current, read_version
from warehouse.parts import polars_schema, read_part, write_part
from warehouse.run import begin
from warehouse.withdrawal import withdraw

FILL = {pl.String: "x", pl.Int64: 1, pl.Float64: 0.5, pl.Boolean: True, pl.List: [], pl.Array: [7] * 128}
LONG_AGO = time.time() - 10 * 86400


def rows(table, run_id, given):
    """Rows with a typed value in every column that may not be null."""
    nullable = {field.name: field.nullable for field in tables()[table].arrow()}
    schema = polars_schema(table)
    blank = {name: None if nullable[name] else FILL[kind.base_type()] for name, kind in schema.items()}
    return pl.DataFrame([{**blank, "run_id": run_id, **row} for row in given], schema=schema)


def made(root, name):
    """A run with samples, signatures and an exported release, not committed yet."""
    root = Path(root)
    run = begin(root, "curate", "test", name, {})
    path = f"releases/of-{name}"
    write_durably(root / path / "train.jsonl", b"{}\n" * 10)
    frames = {
        "sample": [{"sample_id": f"{name}{i}"} for i in range(3)],
        "signature": [{"sample_id": f"{name}{i}"} for i in range(3)],
        "release": [{"release_id": name, "path": path}],
    }
    made = ((table, rows(table, run.run_id, given)) for table, given in frames.items())
    return run, run.once("all", [], {}, lambda: dict(made))


def add(root, name):
    run, parts = made(root, name)
    run.commit(parts)
    return run.run_id


def age(root, *places):
    """Everything, or what lies in some places, was last touched long ago."""
    for place in places or [root]:
        for path in [place, *place.rglob("*")]:
            os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)


def files(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != "LOCK"}


def kinds(garbage):
    counts = {}
    for each in garbage:
        counts[each.kind] = counts.get(each.kind, 0) + 1
    return counts


def readable(root):
    """Every version whose manifest is there, read whole: every row of every part, and the mart."""
    for path in sorted((root / "snapshots").glob("[0-9]*.json")):
        manifest = read_version(root, int(path.stem))
        for parts in manifest.parts.values():
            for part in parts:
                assert read_part(root, part).height == part.rows
    with connect(root) as connection:
        assert connection.sql("SELECT count(*) FROM clean_sample").fetchall() == [
            (sum(part.rows for part in read_current(root).parts.get("sample", [])),)
        ]


def index(root):
    """An index over the signatures of the newest version."""

    def keys_of(part):
        return np.arange(part.rows, dtype=np.uint64)[None], np.arange(part.rows)

    parts = read_current(root).parts["signature"]
    return ask(
        root, "kind", parts, keys_of, lambda some: [part for each in some for part in each.parts if part]
    )


def test_what_a_kept_version_names_stays_and_the_rest_goes(tmp_path):
    first = add(tmp_path, "a")
    add(tmp_path, "b")
    index(tmp_path)
    whole = files(tmp_path)
    withdraw(tmp_path, first)
    age(tmp_path)
    garbage = collect(tmp_path, keep=1)
    assert kinds(garbage) == {"view": 2, "export": 1, "version": 2, "part": 4}
    left = files(tmp_path)
    assert not any(f"run={first}" in name for name in left) and not (tmp_path / "releases/of-a").exists()
    assert {name for name in whole if "run=" in name and first not in name} <= left
    assert "releases/of-b/train.jsonl" in left and not (tmp_path / "data/sample" / f"run={first}").exists()
    assert sum(each.bytes for each in garbage) > 0
    readable(tmp_path)
    with duckdb.connect(tmp_path / "warehouse.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM sample").fetchall() == [(3,)]
    with pytest.raises(BadInput, match="000000000001.json is gone: `seedloom gc` removed that version"):
        connect(tmp_path, 1)
    assert len(index(tmp_path)) == 1
    assert collect(tmp_path, keep=1) == []


def test_a_dry_run_says_the_same_and_touches_nothing(tmp_path):
    first = add(tmp_path, "a")
    add(tmp_path, "b")
    withdraw(tmp_path, first)
    age(tmp_path)
    before = {path: (path.lstat().st_mtime, path.lstat().st_size) for path in tmp_path.rglob("*")}
    said = collect(tmp_path, keep=1, dry_run=True)
    after = {path: (path.lstat().st_mtime, path.lstat().st_size) for path in tmp_path.rglob("*")}
    assert {path for path in before if path not in after} == set() and all(
        after[path] == before[path] for path in before if path.is_file() and path.name != "LOCK"
    )
    assert [each.path for each in said] == [each.path for each in collect(tmp_path, keep=1)] != []


def test_as_many_versions_stay_as_were_asked_for(tmp_path):
    for name in "abcd":
        add(tmp_path, name)
    for _ in range(3):
        withdraw(tmp_path, read_current(tmp_path).runs[-1])
    age(tmp_path)
    collect(tmp_path, keep=3)
    assert sorted(path.stem[-1] for path in (tmp_path / "snapshots").iterdir()) == ["5", "6", "7"]
    assert read_version(tmp_path, 5).runs[2:] != [] and len(list((tmp_path / "data/sample").iterdir())) == 3
    readable(tmp_path)


def test_within_the_grace_nothing_goes_that_somebody_may_still_read(tmp_path):
    for name in "abc":
        withdraw(tmp_path, add(tmp_path, name)) if name != "c" else add(tmp_path, name)
    before = files(tmp_path)
    assert collect(tmp_path, keep=1) == [] and files(tmp_path) == before
    age(tmp_path)
    os.utime(tmp_path / "snapshots" / "000000000005.json")  # superseded version 4 a moment ago
    collect(tmp_path, keep=1)
    assert sorted(path.stem[-1] for path in (tmp_path / "snapshots").iterdir()) == ["4", "5"]
    readable(tmp_path)


def test_what_an_unfinished_run_was_begun_on_and_has_made_stays(tmp_path):
    first = add(tmp_path, "a")
    run, parts = made(tmp_path, "b")
    withdraw(tmp_path, first)
    add(tmp_path, "c")
    age(tmp_path)
    os.utime(run.folder / "run.json")  # not abandoned yet
    collect(tmp_path, keep=1)
    assert run.earlier("SELECT count(*) AS n FROM sample")["n"].to_list() == [3]
    assert run.once("all", [], {}, lambda: pytest.fail("it was made")) == parts
    run.commit(parts)
    readable(tmp_path)
    age(tmp_path)
    collect(tmp_path, keep=1)
    assert (tmp_path / "releases/of-b").exists() and not (tmp_path / "releases/of-a").exists()
    readable(tmp_path)


def test_a_run_that_is_held_is_never_abandoned_however_old(tmp_path):
    run, parts = made(tmp_path, "a")
    add(tmp_path, "b")
    with locked(run.folder / "LOCK"):
        age(tmp_path)
        assert collect(tmp_path, keep=1, grace_s=0) == []
    age(tmp_path)
    assert kinds(collect(tmp_path, keep=1)) == {"run": 1, "part": 3}
    assert not run.folder.exists() and not list((tmp_path / "runs").iterdir())
    again, parts = made(tmp_path, "a")
    again.commit(parts)
    readable(tmp_path)


def test_resuming_an_old_run_makes_it_young(tmp_path):
    run, _ = made(tmp_path, "a")
    add(tmp_path, "b")
    age(tmp_path)
    begin(tmp_path, "curate", "test", "a", {})
    assert collect(tmp_path, keep=1) == [] and run.folder.exists()


def test_a_part_that_was_just_written_stays_though_nobody_names_it(tmp_path):
    add(tmp_path, "a")
    age(tmp_path)
    part = write_part(tmp_path, "lost", "call", rows("call", "lost", [{}]))
    assert collect(tmp_path, keep=1) == []
    age(tmp_path)
    assert [each.path for each in collect(tmp_path, keep=1)] == [tmp_path / part.path]


def test_drafts_of_killed_writers_go_and_what_is_not_ours_stays(tmp_path):
    add(tmp_path, "a")
    drafts = [
        tmp_path / p for p in (".tmp-1", "snapshots/.tmp-2.json", "data/sample/run=x/.tmp-3", "runs/.tmp-4/x")
    ]
    strange = [
        tmp_path / p for p in ("notes.txt", "data/sample/mine.csv", "releases/of-nobody/file", "journal/x")
    ]
    for path in [*drafts, *strange]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert collect(tmp_path, keep=1) == []
    age(tmp_path)
    assert kinds(collect(tmp_path, keep=1)) == {"draft": 4}
    assert not any(path.exists() for path in drafts) and all(path.exists() for path in strange)


def test_parts_that_a_withdrawal_would_bring_back_stay(tmp_path):
    add(tmp_path, "a")
    before = read_current(tmp_path)
    judge = begin(tmp_path, "rejudge", "test", "now", {})
    judge.commit(
        [write_part(tmp_path, judge.run_id, "call", rows("call", "j", [{}]))], without=before.parts["sample"]
    )
    age(tmp_path)
    collect(tmp_path, keep=1)
    withdraw(tmp_path, judge.run_id)
    assert read_current(tmp_path).parts == before.parts
    readable(tmp_path)


def test_a_segment_goes_when_most_of_it_is_gone(tmp_path):
    runs = [add(tmp_path, name) for name in "abcd"]
    index(tmp_path)
    (segment,) = (tmp_path / "index").rglob("*.segment")
    for run_id in runs[:2]:
        withdraw(tmp_path, run_id)
    age(tmp_path)
    assert "segment" not in kinds(collect(tmp_path, keep=1))
    withdraw(tmp_path, runs[2])
    age(tmp_path)
    assert kinds(collect(tmp_path, keep=1))["segment"] == 1 and not segment.exists()
    assert len(index(tmp_path)) == 1


@pytest.mark.parametrize(("keep", "grace_s"), [(0, 1), (-1, 1), (1, -1)])
def test_wrong_numbers_and_places_are_refused(tmp_path, keep, grace_s):
    add(tmp_path / "w", "a")
    with pytest.raises(BadInput, match="at least 1 version, at least 0 s"):
        collect(tmp_path / "w", keep, grace_s)
    with pytest.raises(BadInput, match="no warehouse at .*elsewhere"):
        collect(tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def collect_slowly_dying(root, n):
    """For children: dies right before the n-th removal or rename."""
    import signal

    left = n

    def wrap(place, name):
        real = getattr(place, name)

        def wrapped(*args, **kwargs):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        setattr(place, name, wrapped)

    for name in ("unlink", "rmdir", "replace", "fsync"):
        wrap(os, name)
    collect(Path(root), keep=1)


def test_a_collection_killed_at_any_removal_leaves_a_readable_warehouse_and_is_finished_later(
    nursery, memory
):
    base = memory / "base"
    first = add(base, "a")
    add(base, "b")
    index(base)
    withdraw(base, first)
    abandoned = made(base, "abandoned")[0].run_id
    whole = files(base / "runs" / abandoned)
    age(base)
    expected = memory / "expected"
    shutil.copytree(base, expected, symlinks=True)
    collect(expected, keep=1)
    code = None
    for n in range(1, 100):
        root = memory / str(n)
        shutil.copytree(base, root, symlinks=True)
        code = nursery.run(collect_slowly_dying, root, n)
        readable(root)
        assert files(root / "runs" / abandoned) in (set(), whole)  # half of it must never be resumed
        again, _ = made(root, "abandoned")
        assert again.base_version == 3
        shutil.rmtree(again.folder)
        shutil.rmtree(root / "releases/of-abandoned")
        age(root)
        collect(root, keep=1)
        assert files(root) == files(expected) - {"releases/of-abandoned/train.jsonl"}
        shutil.rmtree(root)
        if code == 0:
            break
    assert code == 0 and n > 15


def add_and_collect(root, n):
    """For children: runs come and go, and garbage is collected all the time."""
    root = Path(root)
    for number in range(n):
        run, parts = made(root, f"run{number}")
        commit(root, run.run_id, parts)
        shutil.rmtree(run.folder)
        if number > 2:
            withdraw(root, read_current(root).runs[0])
        collect(root, keep=3, grace_s=0)


def test_a_slow_reader_of_a_kept_version_never_errs(nursery, memory):
    for name in "ab":
        add(memory, name)
    nursery.start((add_and_collect, memory, 12))
    reads = 0
    while nursery.busy() or not reads:
        version = read_current(memory).version
        try:
            with connect(memory, version) as connection:
                then = connection.sql("SELECT count(*) FROM sample").fetchall()
                while read_current(memory).version < version + 2 and nursery.busy():
                    assert connection.sql("SELECT count(*) FROM sample").fetchall() == then
                    reads += 1
        except (duckdb.Error, BadInput, SeedloomError):
            assert read_current(memory).version > version + 2  # we were too slow for three versions
    assert nursery.wait() == [0] and reads > 5
    readable(memory)
