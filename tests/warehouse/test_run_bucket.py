"""A run on a warehouse in a bucket: what one machine finished, another finds."""

import polars as pl
import pytest
from given import row

from schemas.place import folder_of, shown
from warehouse import connect
from warehouse.bucket import get, size_of, under
from warehouse.run import begin, is_committed

ASKED = ("curate", "mine", "first", {"a": 1})


def elsewhere(root):
    return folder_of(shown(root), root.parents[2] / "elsewhere")


def verdicts(run, n=3):
    return pl.concat(
        [row("verdict", sample_id=f"s{i}", run_id=run.run_id, filter="exact", keep=True) for i in range(n)]
    )


def never():
    pytest.fail("this was made before")


def test_a_stage_that_was_finished_is_found_by_another_machine(remote):
    run = begin(remote, *ASKED)
    parts = run.once("exact", [], {"t": 1}, lambda: {"verdict": verdicts(run)})
    there = begin(elsewhere(remote), *ASKED)
    assert there.model_dump(exclude={"root"}) == run.model_dump(exclude={"root"}) and there.root != run.root
    assert there.once("exact", [], {"t": 1}, never) == parts
    there.commit(parts)
    assert is_committed(remote, run.run_id) and not under(run.folder)
    with connect(remote) as connection:
        assert connection.sql("SELECT count(*) FROM verdict").fetchall() == [(3,)]


def test_of_two_machines_that_begin_at_once_one_finds_what_the_other_began(remote, monkeypatch):
    first = begin(remote, *ASKED)
    note = elsewhere(remote) / "runs" / first.run_id / "run.json"
    looks = iter([False, True])  # the first look comes too early
    from warehouse import run as module

    real = module.fetch
    monkeypatch.setattr(module, "fetch", lambda path: path == note and next(looks) and real(path))
    monkeypatch.setattr(module, "_now", lambda: "later")
    assert begin(elsewhere(remote), *ASKED).started_at == first.started_at != "later"


def test_files_of_a_release_are_there_before_its_row(remote):
    run = begin(remote, *ASKED)
    folder = run.root / "releases" / "r1"
    seen = []

    def make():
        (folder / "text").mkdir(parents=True)
        (folder / "text" / "train.parquet").write_bytes(b"rows")
        facts = {"name": "n", "edition": "e", "n_train": 1, "n_heldout": 0, "passed": True, "row_digest": "d"}
        frame = row(
            "release", release_id="r1", run_id=run.run_id, path="releases/r1", gates=[], files=[], **facts
        )
        seen.append(size_of(folder / "text" / "train.parquet"))
        return {"release": frame}

    run.once("release", [], {}, make)
    assert seen == [None] and get(folder / "text" / "train.parquet").data == b"rows"


def test_parts_that_are_forgotten_are_gone_from_the_bucket(remote):
    run = begin(remote, *ASKED)
    (part,) = run.once("exact", [], {}, lambda: {"verdict": verdicts(run)})
    run.forget([part])
    assert size_of(remote / part.path) is None and not (remote / part.path).exists()
    assert run.once("exact", [], {}, lambda: {"verdict": verdicts(run)}) == [part]


def test_a_worker_that_gets_the_run_alone_knows_its_bucket(remote):
    import pickle

    run = pickle.loads(pickle.dumps(begin(remote, *ASKED)))
    (part,) = run.once("exact", [], {}, lambda: {"verdict": verdicts(run)})
    assert shown(run.root) == shown(remote) and size_of(remote / part.path) == part.bytes
    assert run.earlier("SELECT count(*) AS n FROM verdict").item() == 0
    assert run.read(part).height == 3
