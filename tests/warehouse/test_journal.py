import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.errors import BadInput, SeedloomError
from schemas.spent import Spent
from warehouse.journal import GROUP, Batch, Entry, Journal
from warehouse.journal_file import connect


def entry(key, run_id="run"):
    """An entry whose content follows from its key, so that a wrong row is seen."""
    draw = random.Random(str(key))
    return Entry(
        str(key),
        run_id,
        draw.randbytes(draw.randrange(300, 900)),
        {"latency_s": draw.random(), "attempts": 1},
    )


def right(found):
    return all(got == entry(key, got.run_id) for key, got in found.items())


def put_all(journal, keys, run_id="run"):
    for done in [journal.put(entry(key, run_id)) for key in keys]:
        done.result()


def put_forever(root, start, log):
    """64 in flight; a key is written to the log after its future is done."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with Journal(Path(root)) as journal:
        for first in range(start, start + 100_000, 64):
            for key, done in [(key, journal.put(entry(key))) for key in range(first, first + 64)]:
                done.result()
                os.write(handle, f"{key}\n".encode())


def cost(key):
    """What a call cost follows from its key as well."""
    return Spent(1, key % 97, key % 1009)


def spend_forever(root, start, log):
    """64 in flight, in two scopes; calls that bring no reply are between them."""
    with Journal(Path(root)) as journal:
        for first in range(start, start + 100_000, 64):
            pending = [journal.put(entry(key), cost(key), ("run", "day")) for key in range(first, first + 64)]
            pending.append(journal.charge(Spent(1), ("failures",)))
            for done in pending:
                done.result()
            Path(log).write_text(str(first + 64))


def spend_some(root, start, stop, scope):
    with Journal(Path(root)) as journal:
        for key in range(start, stop):
            journal.put(entry(key), cost(key), (scope, "day")).result()


def put_some(root, start, stop, run_id):
    with Journal(Path(root)) as journal:
        put_all(journal, range(start, stop), run_id)


def test_what_was_put_is_found_as_it_was(tmp_path):
    entries = [
        Entry("a", "run", b"", {}),
        Entry("b", "run", bytes(range(256)) * 1000, {"text": "ü ☃ \ud83d\n", "n": 1, "none": None}),
        entry("c"),
    ]
    with Journal(tmp_path) as journal:
        assert journal.find("abc") == {}
        for done in [journal.put(e) for e in entries]:
            done.result()
        assert journal.find(["a", "b", "c", "other"]) == {e.key: e for e in entries}
    with Journal(tmp_path) as journal:
        assert journal.find(e.key for e in entries) == {e.key: e for e in entries}


def test_the_request_comes_back_byte_for_byte(tmp_path):
    asked = ["ü ☃".encode(), bytes(range(256)) * 500, b""]
    entries = [entry(n)._replace(asked=body) for n, body in enumerate(asked)]
    with Journal(tmp_path) as journal:
        for each in entries:
            journal.put(each).result()
    with Journal(tmp_path) as journal:
        found = journal.find("012")
    assert [found[each.key].asked for each in entries] == asked
    assert found == {each.key: each for each in entries}


def test_what_was_spent_is_summed_by_scope(tmp_path):
    with Journal(tmp_path) as journal:
        assert journal.spent("run") == Spent()
        pending = [journal.put(entry(key), cost(key), ("run", "day")) for key in range(300)]
        pending += [journal.put(entry(key), cost(key), ("other", "day")) for key in range(300, 400)]
        pending += [journal.put(entry("free")), journal.charge(Spent(1, 10**9, 10**15), ("other",))]
        for done in pending:
            done.result()
        of_run, of_other = (
            Spent(*map(sum, zip(*map(cost, range(*some)), strict=True))) for some in ((300,), (300, 400))
        )
        assert journal.spent("run") == of_run
        assert journal.spent("other") == of_other.plus(Spent(1, 10**9, 10**15))
        assert journal.spent("day") == of_run.plus(of_other)
        assert journal.spent("nothing") == Spent()
    with Journal(tmp_path) as journal:
        assert journal.spent("day") == of_run.plus(of_other), "it is on disk"


def test_an_attempt_without_a_reply_is_charged_and_leaves_no_entry(tmp_path):
    with Journal(tmp_path) as journal:
        journal.charge(Spent(1, 2, 3), ("run", "day")).result()
        journal.charge(Spent(1, 2, 3), ("day",)).result()
        assert (journal.spent("run"), journal.spent("day")) == (Spent(1, 2, 3), Spent(2, 4, 6))
    rows = sqlite3.connect(journal.path)
    assert rows.execute("SELECT count(*) FROM reply").fetchone() == (0,)
    rows.close()
    with pytest.raises(SeedloomError, match="is not open"):
        journal.charge(Spent(1), ("run",))


def test_after_ten_kills_what_was_spent_is_the_sum_over_the_replies_that_are_there(nursery, memory):
    draw = random.Random(11)
    log = memory / "told"
    for kill in range(10):
        log.write_text("0")
        (pid,) = nursery.start((spend_forever, memory, kill * 100_000, log))
        while int(log.read_text() or 0) < kill * 100_000 + draw.randrange(64, 2000):
            assert nursery.busy()
        os.kill(pid, signal.SIGKILL)
        assert nursery.wait() == [-9]
        with Journal(memory) as journal:
            rows = sqlite3.connect(journal.path)
            keys = [int(key) for (key,) in rows.execute("SELECT key FROM reply")]
            rows.close()
            there = Spent(*map(sum, zip(*map(cost, keys), strict=True)))
            assert journal.spent("run") == journal.spent("day") == there
            assert journal.spent("failures").tokens == 0 < journal.spent("failures").requests
    assert len(keys) > 640


def test_what_several_processes_spend_at_once_is_summed(nursery, tmp_path):
    nursery.start(*((spend_some, tmp_path, 100 * who, 100 * who + 100, f"run{who}") for who in range(3)))
    assert nursery.wait() == [0, 0, 0]
    with Journal(tmp_path) as journal:
        of_runs = [journal.spent(f"run{who}") for who in range(3)]
        assert of_runs == [
            Spent(*map(sum, zip(*map(cost, range(100 * who, 100 * who + 100)), strict=True)))
            for who in range(3)
        ]
        assert journal.spent("day") == Spent(*map(sum, zip(*of_runs, strict=True)))


def test_the_newest_note_of_a_batch_stands_and_each_run_sees_its_own_at_an_endpoint(tmp_path):
    batches = [
        Batch("b2", "run", "http://a/v1", "open", {"file": "f", "keys": ["ü", "k2"]}),
        Batch("b1", "run", "http://a/v1", "open", {}),
        Batch("b3", "run", "http://b/v1", "open", {}),
        Batch("b4", "other", "http://a/v1", "open", {}),
    ]
    with Journal(tmp_path) as journal:
        assert journal.batches("run", "http://a/v1") == []
        for done in [journal.note(batch) for batch in batches]:
            done.result()
        collected = batches[0]._replace(state="collected", facts={"n": 2})
        journal.note(collected).result()
        assert journal.batches("run", "http://a/v1") == [batches[1], collected]
    with Journal(tmp_path) as journal:
        assert journal.batches("run", "http://a/v1") == [batches[1], collected]
        assert journal.batches("run", "http://b/v1") == [batches[2]]
        assert journal.batches("other", "http://a/v1") == [batches[3]]


def test_notes_of_one_commit_keep_their_order(tmp_path):
    with Journal(tmp_path) as journal:
        for n in range(500):
            done = journal.note(Batch("b", "run", "e", f"state {n}", {}))
        done.result()
        assert [batch.state for batch in journal.batches("run", "e")] == ["state 499"]


def test_thousands_of_keys_are_found_and_groups_may_be_larger_than_one_commit(tmp_path):
    keys = [str(key) for key in range(3 * GROUP + 7)]
    with Journal(tmp_path) as journal:
        put_all(journal, keys)
        found = journal.find([*keys, *(f"no {n}" for n in range(5000))])
    assert set(found) == set(keys) and right(found)


def test_the_first_answer_to_a_question_stays(tmp_path):
    with Journal(tmp_path) as journal:
        journal.put(entry("k", "first")).result()
        journal.put(Entry("k", "second", b"another answer", {})).result()
        assert journal.find(["k"]) == {"k": entry("k", "first")}


def test_leaving_waits_for_everything_that_was_put(tmp_path):
    with Journal(tmp_path) as journal:
        pending = [journal.put(entry(key)) for key in range(1000)]
    assert all(done.done() and done.exception() is None for done in pending)
    with Journal(tmp_path) as journal:
        assert len(journal.find(map(str, range(1000)))) == 1000


def test_every_commit_is_synced_before_it_is_acknowledged(tmp_path):
    with Journal(tmp_path) as journal:
        connection = connect(journal.path)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()


def test_what_was_acknowledged_survives_twenty_kills(nursery, memory):
    draw = random.Random(7)
    log = memory / "acknowledged"
    log.touch()
    for kill in range(20):
        size = log.stat().st_size
        (pid,) = nursery.start((put_forever, memory, kill * 100_000, log))
        while log.stat().st_size < size + draw.randrange(1, 3000):
            assert nursery.busy()
        os.kill(pid, signal.SIGKILL)
        assert nursery.wait() == [-9]
        acknowledged = log.read_text().split()
        with Journal(memory) as journal:
            found = journal.find(acknowledged)
        assert set(found) == set(acknowledged) and right(found)
    assert len(acknowledged) > 200


def filled(folder):
    """A journal as a power cut leaves it: its file, its WAL, and up to where in the WAL each key was safe."""
    safe = {}
    with Journal(folder) as journal:
        wal = Path(f"{journal.path}-wal")
        for key in map(str, range(120)):
            journal.put(entry(key)).result()
            safe[key] = wal.stat().st_size
        return journal.path.read_bytes(), wal.read_bytes(), safe


def test_a_damaged_tail_loses_only_what_lies_behind_the_damage(tmp_path):
    database, wal, safe = filled(tmp_path / "whole")
    draw = random.Random(1)
    for trial in range(45):
        cut = draw.randrange(len(wal))
        tail = (b"", bytes(len(wal) - cut), draw.randbytes(len(wal) - cut))[trial % 3]
        folder = tmp_path / "cut" / "journal"
        folder.mkdir(parents=True)
        (folder / "calls.sqlite").write_bytes(database)
        (folder / "calls.sqlite-wal").write_bytes(wal[:cut] + tail)
        with Journal(tmp_path / "cut") as journal:
            found = journal.find(safe)
            assert right(found)
            assert {key for key, end in safe.items() if end <= cut} <= set(found)
            put_all(journal, ["new"])
            assert (
                right(journal.find(["new", *found])) and len(journal.find(["new", *found])) == len(found) + 1
            )
        shutil.rmtree(tmp_path / "cut")


def test_a_flipped_bit_gives_a_named_error_or_right_rows_never_wrong_ones(tmp_path):
    put_some(tmp_path, 0, 150, "run")
    path = tmp_path / "journal" / "calls.sqlite"
    whole = path.read_bytes()
    draw = random.Random(2)
    errors = 0
    for _ in range(60):
        broken = bytearray(whole)
        broken[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(broken)
        for rest in ("-wal", "-shm"):
            Path(f"{path}{rest}").unlink(missing_ok=True)
        try:
            with Journal(tmp_path) as journal:
                assert right(journal.find(map(str, range(150))))
        except SeedloomError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            errors += 1
    assert errors > 30


@pytest.mark.parametrize("column", ["raw", "facts", "run_id", "crc", "asked"])
def test_a_damaged_row_is_one_clear_line(tmp_path, column):
    put_some(tmp_path, 0, 3, "run")
    path = tmp_path / "journal" / "calls.sqlite"
    value = {"raw": b"x", "facts": "{}", "run_id": "other", "crc": 1, "asked": b"x"}[column]
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE reply SET {column} = ? WHERE key = '1'", [value])
    connection.close()
    with Journal(tmp_path) as journal:
        assert set(journal.find("02")) == {"0", "2"}
        with pytest.raises(
            SeedloomError, match=f"{path}: reply 1 is damaged; restore the file from a backup"
        ):
            journal.find("012")


def test_a_file_that_is_no_journal_is_one_clear_line(tmp_path):
    path = tmp_path / "journal" / "calls.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"these are my notes, not a database\n" * 100)
    with pytest.raises(SeedloomError, match=f"{path}: file is not a database"), Journal(tmp_path):
        pass
    assert path.read_bytes().startswith(b"these are my notes")
    path.unlink()
    path.mkdir()
    with pytest.raises(SeedloomError, match="unable to open database file"), Journal(tmp_path):
        pass
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BadInput, match="cannot create folder"):
        Journal(tmp_path / "file")


def test_after_a_failure_nothing_is_written_and_every_caller_is_told(tmp_path):
    with Journal(tmp_path) as journal:
        put_all(journal, "ab")
        with sqlite3.connect(journal.path) as other:
            other.execute("ALTER TABLE reply RENAME TO hidden")
        says = (
            "no such table: reply; what was acknowledged before is safe: mend this and run the same command"
        )
        with pytest.raises(SeedloomError, match=says):
            journal.put(entry("c")).result()
        with other:
            other.execute("ALTER TABLE hidden RENAME TO reply")
        other.close()
        with pytest.raises(SeedloomError, match=says):
            journal.put(entry("d")).result()
    with Journal(tmp_path) as journal:
        assert set(journal.find("abcd")) == {"a", "b"}
        put_all(journal, "cd")
        assert set(journal.find("abcd")) == set("abcd")


def test_an_entry_that_cannot_be_stored_is_refused_at_the_door(tmp_path):
    with Journal(tmp_path) as journal:
        with pytest.raises(TypeError):
            journal.put(Entry("a", "run", b"", {"when": object()}))
        with pytest.raises(UnicodeEncodeError):
            journal.put(Entry("\ud83d", "run", b"", {}))
        put_all(journal, "b")
        assert set(journal.find("ab")) == {"b"}


def test_a_journal_that_is_not_open_refuses_at_once(tmp_path):
    journal = Journal(tmp_path)
    with pytest.raises(SeedloomError, match="is not open"):
        journal.put(entry("a"))
    with journal:
        put_all(journal, "a")
    with pytest.raises(SeedloomError, match="is not open"):
        journal.put(entry("b"))


def test_a_reply_whose_asker_gave_up_is_kept_and_the_others_go_on(tmp_path):
    async def ask(journal):
        gone = [asyncio.ensure_future(asyncio.wrap_future(journal.put(entry(key)))) for key in range(50)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        async with asyncio.timeout(30):
            await asyncio.gather(*(asyncio.wrap_future(journal.put(entry(key))) for key in range(50, 100)))

    with Journal(tmp_path) as journal:
        asyncio.run(ask(journal))
    with Journal(tmp_path) as journal:
        assert len(journal.find(map(str, range(100)))) == 100


def test_several_processes_write_the_same_new_journal_at_once(nursery, tmp_path):
    for trial in range(3):
        root = tmp_path / str(trial)
        nursery.start(*((put_some, root, 100 * who, 100 * who + 300, f"run{who}") for who in range(4)))
        assert nursery.wait() == [0, 0, 0, 0]
        with Journal(root) as journal:
            found = journal.find(map(str, range(600)))
        assert len(found) == 600 and right(found)
        assert {e.run_id for e in found.values()} <= {f"run{who}" for who in range(4)}


def test_a_writer_waits_for_another_one(tmp_path):
    with Journal(tmp_path) as journal:
        other = sqlite3.connect(journal.path)
        other.execute("BEGIN IMMEDIATE")
        waiting = journal.put(entry("a"))
        time.sleep(0.3)
        assert not waiting.done()
        other.rollback()
        other.close()
        waiting.result()
        assert set(journal.find("a")) == {"a"}


def test_on_a_full_disk_the_caller_is_told_and_what_was_acknowledged_is_safe(tmp_path):
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
    assert "calls.sqlite: database or disk is full; what was acknowledged before is safe" in done.stdout


def fill_disk(root):
    (root / "ballast").write_bytes(bytes(300_000))
    acknowledged = []
    with Journal(root) as journal:
        try:
            for key in range(5000):
                journal.put(entry(key)).result()
                acknowledged.append(str(key))
        except SeedloomError as error:
            sys.stdout.write(str(error))
    assert 20 < len(acknowledged) < 5000
    (root / "ballast").unlink()
    with Journal(root) as journal:
        found = journal.find(acknowledged)
        assert set(found) == set(acknowledged) and right(found)
        put_all(journal, [len(acknowledged)])
