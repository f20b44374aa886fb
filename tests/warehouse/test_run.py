import json
import shutil
import threading
from pathlib import Path

import duckdb
import polars as pl
import pytest

from schemas.errors import BadInput, SeedloomError
from warehouse.manifest import read_current
from warehouse.parts import BadRows, DamagedPart, polars_schema
from warehouse.run import Run, begin, is_committed, run_id_of


def verdicts(run, ids, score=0.5):
    schema = polars_schema("verdict")
    blank = {**dict.fromkeys(schema), "run_id": run.run_id, "filter": "exact", "keep": True, "score": score}
    return pl.DataFrame([{**blank, "sample_id": i} for i in ids], schema=schema)


def rejects(run, lines):
    blank = {"run_id": run.run_id, "origin": "f", "reason": "r", "content": "c"}
    return pl.DataFrame([{**blank, "line": n} for n in lines], schema=polars_schema("reject"))


def small_run(root, edition="first", score=0.5):
    """A whole run of two stages, the second on what the first made; returns the ids that were made anew."""
    run = begin(Path(root), "corpus", "test", edition, {"count": 3})
    made = []

    def first():
        made.append("first")
        return {"verdict": verdicts(run, "abcd", score)}

    def second():
        made.append("second")
        return {"reject": rejects(run, range(run.read(parts[0]).height))}

    parts = run.once("first", [], {"score": score}, first)
    parts += run.once("second", parts, {}, second)
    run.commit(parts)
    return made


def content(root):
    """Everything visible, but for the moments of its making."""
    manifest = read_current(Path(root))
    parts = {table: parts for table, parts in manifest.parts.items() if table != "run"}
    return manifest.runs, parts, [part.rows for part in manifest.parts.get("run", [])]


def test_a_run_killed_at_any_operation_is_resumed_to_the_same_rows(nursery, memory):
    whole = memory / "whole"
    small_run(whole, "before")
    shutil.copytree(whole, memory / "base")
    old = content(whole)
    small_run(whole)
    for n in range(1, 200):
        root = memory / "killed"
        shutil.copytree(memory / "base", root, symlinks=True)
        code = nursery.run(small_run, root, kill_at=n)
        met = content(root)
        assert met in (old, content(whole))
        assert met == old or duckdb_runs(root) in (1, 2)
        small_run(root)
        assert content(root) == content(whole)
        if code == 0:
            break
        assert code == -9
        shutil.rmtree(root)
    assert code == 0 and n > 50
    assert duckdb_runs(root) == 2


def duckdb_runs(root):
    with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute("SELECT count(*) FROM run").fetchall()[0][0]


def test_a_stage_is_made_once_and_found_by_another_process(nursery, tmp_path):
    assert nursery.run(make_first_stage, tmp_path) == 0
    run = begin(tmp_path, "corpus", "test", "first", {"count": 3})
    parts = run.once("first", [], {}, lambda: pytest.fail("made again"))
    assert [run.read(part)["sample_id"].to_list() for part in parts] == [["a", "b"]]


def make_first_stage(root):
    run = begin(Path(root), "corpus", "test", "first", {"count": 3})
    run.once("first", [], {}, lambda: {"verdict": verdicts(run, "ab")})


def test_other_inputs_or_settings_or_another_stage_are_made_anew(run):
    asked = []

    def made(label, stage="s", inputs=(), settings=None):
        def make():
            asked.append(label)
            return {"verdict": verdicts(run, [label])}

        return run.once(stage, list(inputs), settings or {}, make)

    (a,) = made("a")
    (b,) = made("b", stage="t")
    made("c", settings={"x": 1})
    made("d", settings={"x": 1.0})
    made("e", inputs=[a])
    made("f", inputs=[a, b])
    made("g", inputs=[b])
    again = [made("a"), made("b", stage="t"), made("c", settings={"x": 1}), made("f", inputs=[a, b])]
    assert asked == list("abcdefg")
    assert again[0] == [a] and again[1] == [b]


def test_an_empty_frame_makes_no_part_and_is_remembered_as_empty(run):
    calls = []
    for _ in range(2):
        parts = run.once("s", [], {}, lambda: calls.append(1) or {"verdict": verdicts(run, "")})
        assert parts == []
    assert calls == [1]


def test_a_stage_that_fails_or_breaks_the_contract_is_not_remembered(run):
    with pytest.raises(ZeroDivisionError):
        run.once("s", [], {}, lambda: 1 / 0)
    with pytest.raises(BadRows, match="share a key"):
        run.once("s", [], {}, lambda: {"verdict": verdicts(run, "aa")})
    assert len(run.once("s", [], {}, lambda: {"verdict": verdicts(run, "ab")})) == 1


def test_a_damaged_or_lost_part_of_an_unfinished_run_is_made_anew(run):
    def once():
        return run.once("s", [], {}, lambda: {"verdict": verdicts(run, "ab")})

    (part,) = once()
    path = run.root / part.path
    data = path.read_bytes()
    for spoil in (path.unlink, lambda: path.write_bytes(data[:-1]), lambda: path.write_bytes(b"")):
        spoil()
        assert once() == [part] and path.read_bytes() == data
    (ledger,) = (run.folder / "stages").iterdir()
    for content in (b"", b"{", b'[{"table": 1}]'):
        ledger.write_bytes(content)
        assert once() == [part]


def test_a_kill_inside_a_stage_leaves_nothing_visible(nursery, tmp_path):
    assert nursery.run(die_in_stage, tmp_path) == -9
    assert read_current(tmp_path).runs == []
    run = begin(tmp_path, "corpus", "test", "first", {})
    assert len(run.once("s", [], {}, lambda: {"verdict": verdicts(run, "a")})) == 1


def die_in_stage(root):
    import os
    import signal

    run = begin(Path(root), "corpus", "test", "first", {})
    run.once("s", [], {}, lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_a_begun_run_keeps_its_version_though_others_commit_meanwhile(tmp_path):
    small_run(tmp_path, "one")
    begun = begin(tmp_path, "corpus", "test", "two", {"count": 3})
    small_run(tmp_path, "three")
    found = begin(tmp_path, "corpus", "test", "two", {"count": 3})
    assert found == begun and found.base_version == 1
    assert begin(tmp_path, "corpus", "test", "four", {"count": 3}).base_version == 2


def test_a_run_sees_only_the_version_on_which_it_began(tmp_path):
    small_run(tmp_path, "one")
    run = begin(tmp_path, "corpus", "test", "two", {})
    count = "SELECT count(*) AS n, count(DISTINCT run_id) AS runs FROM verdict"
    assert run.earlier(count).row(0) == (4, 1)
    run.once("s", [], {}, lambda: {"verdict": verdicts(run, "xyz")})
    small_run(tmp_path, "three")
    assert run.earlier(count).row(0) == (4, 1)
    assert run.earlier("SELECT * FROM clean_sample").height == 0
    assert begin(tmp_path, "corpus", "test", "four", {}).earlier(count).row(0) == (8, 2)


def test_the_first_run_of_a_warehouse_finds_typed_empty_tables(run):
    assert run.earlier("SELECT * FROM verdict").height == 0
    assert run.earlier("SELECT * FROM verdict").schema == polars_schema("verdict")


def test_two_that_begin_the_same_run_at_once_get_the_same_one(tmp_path, monkeypatch):
    moments = iter(range(100))
    monkeypatch.setattr("warehouse.run._now", lambda: f"moment {next(moments)}")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(begin(tmp_path, "corpus", "n", "e", {})))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len({run.started_at for run in found}) == 1


def test_the_id_of_a_run_is_its_question(tmp_path):
    asked = ("corpus", "name", "edition", {"a": 1, "b": 2})
    assert run_id_of(*asked) == run_id_of("corpus", "name", "edition", {"b": 2, "a": 1})
    others = [("curate", *asked[1:]), (*asked[:2], "other", asked[3]), (*asked[:3], {"a": 1})]
    assert len({run_id_of(*other) for other in [asked, *others]}) == 4
    assert begin(tmp_path, *asked).run_id == run_id_of(*asked)


def test_a_committed_run_is_whole_described_and_leaves_no_folder(tmp_path):
    small_run(tmp_path)
    run_id = run_id_of("corpus", "test", "first", {"count": 3})
    assert is_committed(tmp_path, run_id) and not is_committed(tmp_path, "other")
    assert list((tmp_path / "runs").iterdir()) == []
    manifest = read_current(tmp_path)
    (part,) = manifest.parts["run"]
    row = pl.read_parquet(tmp_path / part.path).row(0, named=True)
    assert json.loads(row["parameters"]) == {"count": 3}
    facts = {key: row[key] for key in ("run_id", "flow", "name", "edition", "base_version")}
    assert facts == {
        "run_id": run_id,
        "flow": "corpus",
        "name": "test",
        "edition": "first",
        "base_version": 0,
    }
    assert row["started_at"] <= row["finished_at"] and row["software"].startswith("seedloom ")


def test_a_run_travels_as_json(run):
    assert Run.model_validate_json(run.model_dump_json()) == run


def test_committing_again_changes_nothing(run):
    parts = run.once("s", [], {}, lambda: {"verdict": verdicts(run, "a")})
    first = run.commit(parts)
    assert run.commit(parts) == first == read_current(run.root)


def test_a_key_shared_by_two_stages_stops_the_commit(run):
    parts = run.once("s", [], {}, lambda: {"verdict": verdicts(run, "ab")})
    parts += run.once("t", [], {}, lambda: {"verdict": verdicts(run, "b", score=0.1)})
    with pytest.raises(BadRows, match="verdict: 2 parts of one run share a key"):
        run.commit(parts)
    assert not is_committed(run.root, run.run_id) and run.folder.exists()


def test_a_part_damaged_after_its_stage_stops_the_commit_in_one_line(run):
    (part,) = run.once("s", [], {}, lambda: {"verdict": verdicts(run, "ab")})
    (run.root / part.path).write_bytes(b"")
    with pytest.raises(DamagedPart, match=part.path):
        run.commit([part])
    assert not is_committed(run.root, run.run_id)


def test_a_file_for_guis_that_cannot_be_written_does_not_fail_the_run(run, caplog):
    (run.root / "views").write_bytes(b"in the way")
    run.commit(run.once("s", [], {}, lambda: {"verdict": verdicts(run, "ab")}))
    assert is_committed(run.root, run.run_id)
    assert "views" in caplog.text and "will be renewed by the next run" in caplog.text


def test_a_damaged_note_of_a_run_names_what_to_remove(run):
    (run.folder / "run.json").write_bytes(b"{")
    with pytest.raises(BadInput, match=f"run.json is damaged: remove .*{run.run_id} to begin that run anew"):
        begin(run.root, "corpus", "test", "first", {})


def test_a_root_that_is_a_file_is_wrong_input(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SeedloomError, match="cannot create folder .*file: File exists"):
        begin(tmp_path / "file", "corpus", "test", "first", {})


def test_a_stage_may_make_many_parts_of_a_table_and_holds_one_frame_at_a_time(run):
    written = []

    def frames():
        for names in ("ab", "", "c"):
            written.append(len(list((run.root / "data").rglob("*.parquet"))))
            yield verdicts(run, names)

    parts = run.once("s", [], {}, lambda: {"verdict": frames()})
    assert [run.read(part)["sample_id"].to_list() for part in parts] == [["a", "b"], ["c"]]
    assert written == [0, 1, 1]
    assert run.once("s", [], {}, lambda: pytest.fail("made again")) == parts
