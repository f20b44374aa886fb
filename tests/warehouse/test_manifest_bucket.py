"""A warehouse in a bucket: several machines, each with a work folder of its own, write and read one root."""

import os
import signal
import threading

import polars as pl
import pytest

from schemas.errors import BadInput
from schemas.place import folder_of, shown
from schemas.settings import Settings
from warehouse import connect
from warehouse.bucket import delete, get, is_remote, put, under
from warehouse.manifest import commit, read_current, read_version
from warehouse.parts import (
    DamagedPart,
    fetch_parts,
    is_intact,
    polars_schema,
    read_part,
    verify_part,
    write_part,
)

CURRENT, SNAPSHOT = "CURRENT", "snapshots/"


def parts_of(root, run_id):
    """A run in two tables: three verdicts, one reject."""
    verdict = {"run_id": run_id, "filter": "exact", "keep": True}
    reject = {"run_id": run_id, "origin": "file", "line": 1, "reason": "r", "content": "c"}
    tables = {"verdict": [{**verdict, "sample_id": f"{run_id}-{i}"} for i in range(3)], "reject": [reject]}
    parts = []
    for table, rows in tables.items():
        schema = polars_schema(table)
        frame = pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)
        parts.append(write_part(root, run_id, table, frame))
    return parts


def publish(root, run_id):
    return commit(root, run_id, parts_of(root, run_id))


def on_a_machine(root, name):
    """The same root as another machine has it: nothing was copied there yet."""
    return folder_of(shown(root), root.parents[2] / name)


def published_elsewhere(environment, url, work, runs, dies_at=0, before=True):
    """In a process of its own; it dies right before or after its n-th put of a version or pointer."""
    os.environ.update(environment)
    import obstore

    real, left = obstore.put, dies_at

    def dying(store, key, *args, **kwargs):
        nonlocal left
        counts = key == CURRENT or key.startswith(SNAPSHOT)
        left -= counts
        last = counts and left == 0
        if last and before:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = real(store, key, *args, **kwargs)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    obstore.put = dying
    root = Settings(root=url, work=work).root
    for run_id in runs:
        publish(root, run_id)
        with open(f"{work}.acknowledged", "a") as file:
            file.write(f"{run_id}\n")


def facts(root):
    """What an analyst sees: run -> verdicts, and run -> rejects."""
    with connect(root) as connection:
        return [
            connection.sql(f"SELECT run_id, count(*) FROM {table} GROUP BY ALL ORDER BY ALL").fetchall()
            for table in ("verdict", "reject")
        ]


def whole(runs):
    return [[(run, 3) for run in sorted(runs)], [(run, 1) for run in sorted(runs)]]


def test_another_machine_sees_what_was_committed_and_adds_to_it(remote):
    assert read_current(remote).version == 0
    first = publish(remote, "first")
    there = on_a_machine(remote, "second-machine")
    assert is_remote(there) and not there.exists()
    assert read_current(there) == first and facts(there) == whole(["first"])
    assert publish(there, "second").version == 2
    assert facts(remote) == facts(shown(remote)) == whole(["first", "second"])
    assert read_version(there, 1) == first and read_version(there, 0).parts == {}
    with pytest.raises(BadInput, match=rf"no version 3 in {shown(remote)}; known: 0 \(empty\) to 2"):
        read_version(there, 3)


def test_a_run_is_committed_once(remote):
    publish(remote, "first")
    assert publish(on_a_machine(remote, "other"), "first").version == 1
    assert facts(remote) == whole(["first"])


def test_threads_on_several_machines_lose_no_run(remote):
    start = threading.Barrier(6)
    failed = []

    def writer(n):
        root = on_a_machine(remote, f"machine-{n}")
        start.wait()
        try:
            for k in range(4):
                publish(root, f"run-{n}-{k}")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=writer, args=(n,)) for n in range(6)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert not failed
    manifest = read_current(remote)
    assert manifest.version == 24 and len(set(manifest.runs)) == 24
    assert facts(remote) == whole(manifest.runs)
    assert [read_version(remote, n).parent for n in range(1, 25)] == list(range(24))


def test_processes_lose_no_run_though_one_is_killed_between_version_and_pointer(
    remote, store, nursery, tmp_path
):
    jobs = [
        (published_elsewhere, store.environment(), shown(remote), tmp_path / f"machine-{n}", runs, dies)
        for n, dies in enumerate((0, 0, 4))
        for runs in [[f"run-{n}-{k}" for k in range(5)]]
    ]
    nursery.start(*jobs)
    assert nursery.wait() == [0, 0, -signal.SIGKILL]
    publish(remote, "last")
    acknowledged = {run for file in tmp_path.glob("*.acknowledged") for run in file.read_text().split()}
    assert len(acknowledged) >= 10
    manifest = read_current(remote)
    assert acknowledged <= set(manifest.runs) and len(set(manifest.runs)) == manifest.version
    assert facts(remote) == whole(manifest.runs)


@pytest.mark.parametrize("before", [True, False])
def test_killed_at_any_put_the_old_version_is_read_and_the_next_commit_is_fine(
    store, nursery, tmp_path, before
):
    seen = set()
    for n in range(1, 9):
        root = Settings(root=f"s3://bucket/{before}-{n}").root
        job = (
            published_elsewhere,
            store.environment(),
            shown(root),
            tmp_path / str(n),
            ["old", "new"],
            n,
            before,
        )
        code = nursery.run(*job)
        left = read_current(root).runs
        assert left in ([], ["old"], ["old", "new"]) and facts_or_none(root) == (
            whole(left) if left else None
        )
        seen.add(tuple(left))
        publish(root, "other")
        assert facts(root)[0][-1] == ("other", 3)
        publish(root, "new")  # done again, as it is when a run was killed
        publish(root, "old")
        assert facts(root) == whole(["old", "new", "other"])
        assert len(read_current(root).runs) == 3
        if code == 0:
            break
    assert code == 0 and n == 6 and seen == {(), ("old",), ("old", "new")}


def facts_or_none(root):
    try:
        return facts(root)
    except BadInput:
        return None


def test_whoever_finds_a_version_that_was_not_published_publishes_it(remote, monkeypatch):
    publish(remote, "first")
    with monkeypatch.context() as broken:
        broken.setattr("warehouse.succession.swap", lambda *args: os.kill)  # says it is done, and did nothing
        publish(remote, "decided")
    assert read_current(remote).runs == ["first"]
    assert publish(on_a_machine(remote, "other"), "third").runs == ["first", "decided", "third"]
    assert publish(remote, "decided").version == 3


def test_a_commit_whose_answers_are_lost_is_done_once(store):
    root = Settings(root="s3://bucket/lost").root
    publish(root, "first")
    store.faults = ["lost", "lost"]
    assert publish(root, "second").version == 2
    assert facts(root) == whole(["first", "second"])


def test_a_store_that_ignores_conditions_is_refused_before_anything_is_lost(store):
    root = Settings(root="s3://bucket/careless").root
    store.keeps_conditions = False
    with pytest.raises(BadInput, match="s3://bucket/careless: the store ignores conditions on puts"):
        publish(root, "first")
    assert not under(root / "snapshots")


def test_a_lost_pointer_is_no_empty_warehouse(remote):
    publish(remote, "first")
    delete([remote / CURRENT])
    for ask in (lambda: read_current(remote), lambda: connect(remote), lambda: publish(remote, "second")):
        with pytest.raises(BadInput, match=f"{shown(remote)}/CURRENT is gone, though there are versions"):
            ask()


def test_a_manifest_that_is_gone_or_altered_is_refused(remote):
    publish(remote, "first")
    there = on_a_machine(remote, "other")
    path = there / "snapshots" / "000000000001.json"
    put(path, get(path).data.replace(b"first", b"worse"))
    with pytest.raises(BadInput, match=r"000000000001.json differs from the SHA-256 in CURRENT"):
        read_current(there)
    delete([path])
    with pytest.raises(BadInput, match=f"{shown(remote)}/snapshots/000000000001.json is gone"):
        read_current(there)


def test_a_part_that_is_gone_or_altered_is_found_out(remote):
    part, other = parts_of(remote, "first")
    there = on_a_machine(remote, "other")
    assert is_intact(there, part) and is_intact(there, other)
    (there / part.path).write_bytes(b"damaged copy")
    assert is_intact(there, part) and read_part(there, part).height == 3
    put(there / part.path, (remote / part.path).read_bytes()[:-1] + b"x")
    third = on_a_machine(remote, "third")
    for ask in (
        lambda: read_part(third, part),
        lambda: verify_part(third, part),
        lambda: fetch_parts(third, [part]),
    ):
        with pytest.raises(DamagedPart, match=f"part {part.path} of {shown(remote)} is missing or differs"):
            ask()
    delete([there / part.path])
    assert not is_intact(remote, part), "the copy is there, the object is not"
    assert parts_of(remote, "first")[0] == part and is_intact(third, part)


def test_no_warehouse_is_one_line(remote):
    with pytest.raises(BadInput, match=f"no warehouse at {shown(remote)}; make one with"):
        connect(shown(remote))
