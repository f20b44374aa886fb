import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from schemas.errors import BadInput, SeedloomError
from schemas.partition import Partition
from warehouse.manifest import Manifest, commit, locked, read_current, read_version, refuse_newer
from warehouse.parts import BadRows, DamagedPart, polars_schema, read_part, verify_part, write_part


def parts_of(root, run_id, shards=2):
    """A run in two tables: each shard holds three verdicts and one reject."""
    parts = []
    for shard in range(shards):
        ids = [f"{run_id}-{shard}-{i}" for i in range(3)]
        verdict = {"run_id": run_id, "filter": "exact", "keep": True}
        reject = {"run_id": run_id, "origin": "file", "line": shard, "reason": "r", "content": "c"}
        for table, rows in (("verdict", [{**verdict, "sample_id": i} for i in ids]), ("reject", [reject])):
            schema = polars_schema(table)
            frame = pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)
            parts.append(write_part(root, run_id, table, frame))
    return parts


def publish(root, run_id):
    root = Path(root)
    return commit(root, run_id, parts_of(root, run_id, shards=1))


def publish_many(root, who, dies):
    """Twelve runs; `dies` kills the process inside the lock of the third, at its commit point."""
    real = os.replace

    def replace(source, target):
        if dies and number == 2 and target.name == "CURRENT":
            os.kill(os.getpid(), signal.SIGKILL)
        return real(source, target)

    os.replace = replace
    for number in range(12):
        publish(root, f"run-{who}-{number}")
        time.sleep(0.02)
    os.replace = real


def rows_by_run(root, manifest):
    """Run -> (verdicts, rejects) of one version, every part read."""
    counts = {}
    for place, table in enumerate(("verdict", "reject")):
        for part in manifest.parts.get(table, []):
            frame = read_part(root, part)
            assert frame.height == part.rows
            run = counts.setdefault(frame["run_id"][0], [0, 0])
            run[place] += frame.height
    return counts


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_run_killed_at_any_operation_is_visible_whole_or_not_at_all(nursery, memory, earlier):
    base = memory / "base"
    base.mkdir()
    for number in range(earlier):
        publish(base, f"before{number}")
    old = read_current(base)
    expected = memory / "expected"
    shutil.copytree(base, expected)
    whole = publish(expected, "new")
    seen = set()
    for n in range(1, 100):
        root = memory / str(n)
        shutil.copytree(base, root)
        code = nursery.run(publish, root, "new", kill_at=n)
        met = read_current(root)
        assert met in (old, whole)
        assert rows_by_run(root, met) == {run: [3, 1] for run in met.runs}
        seen.add(met.version)
        again = publish(root, "new")
        assert again == whole == read_current(root)
        assert read_version(root, old.version) == old
        if code == 0:
            break
        assert code == -9
        shutil.rmtree(root)
    assert code == 0 and n > 25
    assert seen == {old.version, whole.version}


def test_publishers_lose_nothing_and_readers_never_meet_half_a_run(nursery, memory):
    nursery.start(*((publish_many, memory, who, who == 0) for who in range(4)))
    reads, last = 0, Manifest()
    while nursery.busy() or reads == 0:
        now = read_current(memory)
        assert now.version >= last.version and now.runs[: len(last.runs)] == last.runs
        assert rows_by_run(memory, now) == {run: [3, 1] for run in now.runs}
        reads, last = reads + 1, now
    assert nursery.wait() == [-9, 0, 0, 0]
    before = read_current(memory)
    assert sorted(before.runs) == sorted(f"run-{w}-{n}" for w in range(4) for n in range(12) if w or n < 2)
    publish_many(memory, 0, False)
    now = read_current(memory)
    assert now.runs[:38] == before.runs and now.version == 48
    assert sorted(now.runs) == sorted(f"run-{w}-{n}" for w in range(4) for n in range(12))
    assert rows_by_run(memory, now) == {run: [3, 1] for run in now.runs}
    assert reads > 3


def test_a_version_holds_exactly_what_was_committed_up_to_it(tmp_path):
    assert read_current(tmp_path) == Manifest() == read_version(tmp_path, 0)
    versions = [publish(tmp_path, f"run{number}") for number in range(3)]
    assert [v.version for v in versions] == [1, 2, 3] and [v.parent for v in versions] == [0, 1, 2]
    assert read_current(tmp_path) == versions[2]
    for number, version in enumerate(versions):
        assert read_version(tmp_path, number + 1) == version
        assert list(rows_by_run(tmp_path, version)) == [f"run{i}" for i in range(number + 1)]


def test_a_run_that_is_there_is_not_added_again_even_when_asked_with_other_parts(tmp_path):
    first = publish(tmp_path, "run")
    assert commit(tmp_path, "run", parts_of(tmp_path, "run", shards=3)) == first
    assert commit(tmp_path, "run", []) == first == read_current(tmp_path)


def test_a_part_named_twice_is_listed_once(tmp_path):
    parts = parts_of(tmp_path, "run")
    manifest = commit(tmp_path, "run", [*parts, *parts])
    assert sum(map(len, manifest.parts.values())) == len(parts)


def test_the_order_of_the_parts_does_not_matter(tmp_path):
    parts = parts_of(tmp_path, "run")
    shutil.copytree(tmp_path / "data", tmp_path / "other" / "data")
    assert commit(tmp_path, "run", parts) == commit(tmp_path / "other", "run", parts[::-1])


def test_tables_that_this_program_does_not_know_are_kept(tmp_path):
    publish(tmp_path, "run")
    strange = Partition(table="later", path="data/later/p", rows=1, bytes=1, sha256="0")
    manifest = read_current(tmp_path)
    newer = manifest.model_copy(update={"parts": {**manifest.parts, "later": [strange]}})
    repoint(tmp_path, newer.model_dump_json().encode(), 1)
    assert publish(tmp_path, "next").parts["later"] == [strange]


def repoint(root, data, version):
    import hashlib

    (root / "snapshots" / f"{version:012d}.json").write_bytes(data)
    pointer = {"format": 1, "version": version, "sha256": hashlib.sha256(data).hexdigest()}
    (root / "CURRENT").write_text(json.dumps(pointer))


def refused(error, root, says, *arguments):
    """Reading and committing are refused in one line, and no file changes."""
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    parts = parts_of(root.parent / "elsewhere", "new")
    shutil.copytree(root.parent / "elsewhere" / "data", root / "data", dirs_exist_ok=True)
    for act in (lambda: read_current(root), lambda: commit(root, "new", parts)):
        with pytest.raises(error, match=says) as caught:
            act()
        assert "\n" not in str(caught.value)
    assert {p: p.read_bytes() for p in before} == before


def test_a_warehouse_of_a_newer_program_is_refused(tmp_path):
    root = tmp_path / "w"
    publish(root, "run")
    (root / "CURRENT").write_text('{"format": 2, "pointer": "of another form"}')
    refused(
        BadInput, root, "has format 2, written by a newer seedloom; this one reads formats up to 1: upgrade"
    )
    refuse_newer(root, {"format": 1})
    refuse_newer(root, {})


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\x00", b"null", b"[]", b"{}", b'{"format": 1, "ver', b'{"format": "x", "version": 1}'],
)
def test_a_damaged_pointer_is_refused(tmp_path, content):
    root = tmp_path / "w"
    publish(root, "run")
    (root / "CURRENT").write_bytes(content)
    refused(BadInput, root, "CURRENT is no pointer to a version: restore it from a backup")


def test_a_lost_pointer_is_not_taken_for_an_empty_warehouse(tmp_path):
    root = tmp_path / "w"
    publish(root, "run")
    (root / "CURRENT").unlink()
    refused(BadInput, root, "CURRENT is gone, though there are versions: restore it from a backup")


def test_a_damaged_or_lost_manifest_is_refused(tmp_path):
    root = tmp_path / "w"
    publish(root, "run")
    publish(root, "second")
    newest, oldest = (root / "snapshots" / f"{n:012d}.json" for n in (2, 1))
    data = newest.read_bytes()
    newest.write_bytes(data.replace(b'"rows":3', b'"rows":4', 1))
    refused(
        BadInput, root, "000000000002.json differs from the SHA-256 in .*CURRENT: restore it from a backup"
    )
    newest.unlink()
    refused(BadInput, root, "000000000002.json is gone: restore it from a backup")
    oldest.write_bytes(b"{")
    with pytest.raises(BadInput, match="000000000001.json is no manifest, or it is damaged"):
        read_version(root, 1)


@pytest.mark.parametrize("version", [-1, 2, 99])
def test_an_unknown_version_names_the_known_ones(tmp_path, version):
    publish(tmp_path, "run")
    with pytest.raises(BadInput, match=rf"no version {version} in .*; known: 0 \(empty\) to 1"):
        read_version(tmp_path, version)


def test_what_a_killed_commit_left_is_no_version(nursery, memory):
    publish(memory, "run")
    for n in range(1, 100):
        nursery.run(publish, memory, "new", kill_at=n)
        if (memory / "snapshots" / "000000000002.json").exists():
            break
    assert read_current(memory).version == 1
    with pytest.raises(BadInput, match="no version 2"):
        read_version(memory, 2)
    assert publish(memory, "another").runs == ["run", "another"]
    assert publish(memory, "new").runs == ["run", "another", "new"]


def test_a_missing_or_altered_part_stops_the_commit(tmp_path):
    publish(tmp_path, "run")
    parts = parts_of(tmp_path, "new")
    path = tmp_path / parts[0].path
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"x")
    with pytest.raises(DamagedPart, match=parts[0].path):
        commit(tmp_path, "new", parts)
    path.unlink()
    with pytest.raises(DamagedPart, match=parts[0].path):
        commit(tmp_path, "new", parts)
    assert read_current(tmp_path).runs == ["run"]
    path.write_bytes(data)
    assert commit(tmp_path, "new", parts).runs == ["run", "new"]


def test_a_key_that_two_parts_share_stops_the_commit(tmp_path):
    first = parts_of(tmp_path, "run", shards=1)[0]
    frame = read_part(tmp_path, first).with_columns(score=pl.lit(0.5))
    second = write_part(tmp_path, "run", "verdict", frame.head(1))
    with pytest.raises(BadRows, match="verdict: 2 parts of one run share a key, for one .*'run-0-0'"):
        commit(tmp_path, "run", [first, second])
    assert read_current(tmp_path) == Manifest()


def test_a_part_of_an_unknown_table_stops_the_commit(tmp_path):
    part = parts_of(tmp_path, "run")[0].model_copy(update={"table": "nonsense"})
    with pytest.raises(BadRows, match="no table 'nonsense'; known: .*'verdict'"):
        commit(tmp_path, "run", [part])


def test_a_warehouse_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "file", tmp_path / "file" / "w", Path("/proc/w")):
        with pytest.raises(BadInput, match="cannot (create folder|write) .*(file|w)"):
            commit(root, "run", [])
    (tmp_path / "w" / "WRITER.lock").mkdir(parents=True)
    with pytest.raises(BadInput, match="cannot write .*WRITER.lock: Is a directory"):
        commit(tmp_path / "w", "run", [])
    (tmp_path / "w" / "CURRENT").mkdir()
    with pytest.raises(BadInput, match="cannot read .*CURRENT: Is a directory"):
        read_current(tmp_path / "w")


def test_a_full_disk_stops_the_commit_and_freed_space_lets_it_go_on(tmp_path):
    """On a tmpfs of 1 MB in a mount namespace of its own."""
    script = f"""
import sys; sys.path[:0] = {sys.path!r}
import importlib.util
spec = importlib.util.spec_from_file_location("jobs", {__file__!r})
jobs = importlib.util.module_from_spec(spec); spec.loader.exec_module(jobs)
jobs.fill_disk(jobs.Path({str(tmp_path)!r}))
"""
    mount = f"mount -t tmpfs -o size=1m tmpfs {tmp_path} && exec {sys.executable} -"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", mount], input=script, capture_output=True, text=True)
    if done.stderr.startswith(("mount", "unshare")):
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "No space left on device" in done.stdout


def fill_disk(root):
    publish(root, "first")
    parts = parts_of(root, "second")
    ballast = root / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
    try:
        commit(root, "second", parts)
    except SeedloomError as error:
        sys.stdout.write(str(error))
    assert read_current(root).runs == ["first"]
    assert not list(root.rglob(".tmp-*"))
    ballast.unlink()
    assert commit(root, "second", parts).runs == ["first", "second"]
    for part in parts:
        verify_part(root, part)


def hold(path):
    with locked(Path(path)):
        Path(f"{path}.held").touch()
        signal.pause()


def test_a_lock_excludes_others_and_dies_with_its_process(nursery, tmp_path):
    path = tmp_path / "folder" / "LOCK"
    (pid,) = nursery.start((hold, path))
    while not Path(f"{path}.held").exists():
        assert nursery.busy()
    with (
        pytest.raises(SeedloomError, match="folder is being written by another process"),
        locked(path, wait=False),
    ):
        pass
    os.kill(pid, signal.SIGKILL)
    assert nursery.wait() == [-9]
    with locked(path, wait=False), pytest.raises(SeedloomError), locked(path, wait=False):
        pass
    with locked(path, wait=False):
        pass
