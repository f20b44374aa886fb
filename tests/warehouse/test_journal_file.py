import re
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from schemas.errors import SeedloomError
from warehouse.journal import Entry, Journal
from warehouse.journal_file import VERSION, Mark, acknowledged, connect, prepare

KEYS = [f"k{n}" for n in range(60)]


def entry(key):
    return Entry(key, "run", key.encode() * 100, {})


def put_all(root, keys):
    with Journal(root) as journal:
        for done in [journal.put(entry(key)) for key in keys]:
            done.result()


def open_at(root, moment, key):
    """Open a journal at a moment of the clock, as the others do, and write into it."""
    root = Path(root)
    while time.time() < moment:
        pass
    put_all(root, [key])
    with Journal(root) as journal:
        assert set(journal.find([key])) == {key}


def come_and_go(root, n, prefix):
    for each in range(n):
        put_all(Path(root), [f"{prefix}{each}"])


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def cut(tmp_path):
    """A journal as a power cut leaves it, whose log then lost its tail; and how many replies are left."""
    with Journal(tmp_path / "whole") as journal:
        wal = Path(f"{journal.path}-wal")
        for key in KEYS:
            journal.put(entry(key)).result()
            if key == KEYS[40]:
                end = wal.stat().st_size
        folder = tmp_path / "cut" / "journal"
        folder.mkdir(parents=True)
        for path in (journal.path, acknowledged(journal.path)):
            (folder / path.name).write_bytes(path.read_bytes())
        (folder / wal.name).write_bytes(wal.read_bytes()[: end + 100])
    return tmp_path / "cut", 41


def test_a_new_journal_has_the_version_and_is_for_what_comes(tmp_path):
    path = tmp_path / "calls.sqlite"
    connection = prepare(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {name for (name,) in tables} == {"reply", "spent", "batch"}
    connection.close()
    prepare(path).close()


@pytest.mark.parametrize("version", [0, VERSION - 1, VERSION + 1])
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_journal_of_another_version_is_refused_in_one_line_and_left_as_it_is(tmp_path, version, mode):
    path = tmp_path / "journal" / "calls.sqlite"
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA journal_mode={mode}")
    other.execute("CREATE TABLE reply (key TEXT, raw BLOB)")
    other.execute(f"PRAGMA user_version = {version}")
    other.execute("INSERT INTO reply VALUES ('a', 'paid for')")
    other.commit()
    before = files_of(path.parent)
    says = (
        f"journal {path} is of version {version}, this seedloom reads version {VERSION}: .*move {path.parent}"
    )
    with pytest.raises(SeedloomError, match=says) as found, Journal(tmp_path):
        pass
    assert "\n" not in str(found.value)
    after = files_of(path.parent)
    assert {name: after[name] for name in before if "-shm" not in name} == {
        name: data for name, data in before.items() if "-shm" not in name
    }
    assert not acknowledged(path).exists()
    assert other.execute("SELECT raw FROM reply").fetchall() == [("paid for",)]
    other.close()


def test_the_log_of_a_journal_of_another_version_is_not_merged_into_it(tmp_path):
    """As a crash leaves it: nobody has it open."""
    path = tmp_path / "made" / "calls.sqlite"
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("PRAGMA journal_mode=wal")
    other.execute(f"PRAGMA user_version = {VERSION - 1}")
    other.execute("CREATE TABLE reply (key TEXT, raw BLOB)")
    other.commit()
    crashed = tmp_path / "journal" / "calls.sqlite"
    crashed.parent.mkdir()
    for rest in ("", "-wal"):
        Path(f"{crashed}{rest}").write_bytes(Path(f"{path}{rest}").read_bytes())
    other.close()
    before = files_of(crashed.parent)
    assert before["calls.sqlite-wal"]
    with pytest.raises(SeedloomError, match=f"is of version {VERSION - 1}"), Journal(tmp_path):
        pass
    after = files_of(crashed.parent)
    assert {name: after.get(name) for name in before} == before


def test_a_file_that_is_no_sqlite_is_refused_in_one_line_and_left_as_it_is(tmp_path):
    path = tmp_path / "calls.sqlite"
    path.write_bytes(b"these are my notes\n" * 300)
    with pytest.raises(SeedloomError, match=f"journal {path}: file is not a database") as found:
        prepare(path)
    assert "\n" not in str(found.value)
    assert files_of(tmp_path) == {"calls.sqlite": b"these are my notes\n" * 300}


def test_a_tail_that_was_cut_below_the_acknowledged_mark_is_refused_with_both_numbers(cut):
    root, left = cut
    path = root / "journal" / "calls.sqlite"
    wal = Path(f"{path}-wal")
    before = wal.read_bytes()
    for _ in range(2):
        with pytest.raises(SeedloomError) as found, Journal(root):
            pass
        assert f"holds {left} of {len(KEYS)} acknowledged replies: the last {len(KEYS) - left}," in str(
            found.value
        )
        assert str(path) in str(found.value) and "\n" not in str(found.value)
        assert wal.read_bytes() == before, "somebody may want to mend it"
    told = re.search(r"remove (\S+) to go on", str(found.value)).group(1)
    assert told == str(acknowledged(path))
    Path(told).unlink()
    with Journal(root) as journal:
        assert set(journal.find(KEYS)) == set(KEYS[:left])
        journal.put(entry(KEYS[left])).result()
    assert int(acknowledged(path).read_bytes()) == left + 1
    put_all(root, ["it goes on"])


def test_a_cut_tail_of_what_nobody_was_told_is_no_loss(cut):
    root, left = cut
    acknowledged(root / "journal" / "calls.sqlite").write_bytes(b"%020d\n" % left)
    with Journal(root) as journal:
        assert set(journal.find(KEYS)) == set(KEYS[:left])


def test_a_mark_without_its_journal_is_a_loss(tmp_path):
    put_all(tmp_path, KEYS)
    (tmp_path / "journal" / "calls.sqlite").unlink()
    with (
        pytest.raises(SeedloomError, match=f"holds 0 of {len(KEYS)} acknowledged replies"),
        Journal(tmp_path),
    ):
        pass
    assert not (tmp_path / "journal" / "calls.sqlite").exists()


def test_an_empty_file_under_a_mark_is_a_loss(tmp_path):
    put_all(tmp_path, KEYS)
    (tmp_path / "journal" / "calls.sqlite").write_bytes(b"")
    with (
        pytest.raises(SeedloomError, match=f"holds 0 of {len(KEYS)} acknowledged replies"),
        Journal(tmp_path),
    ):
        pass


def test_a_mark_one_ahead_is_a_loss_of_one(tmp_path):
    put_all(tmp_path, KEYS)
    acknowledged(tmp_path / "journal" / "calls.sqlite").write_bytes(b"%020d\n" % (len(KEYS) + 1))
    says = f"holds {len(KEYS)} of {len(KEYS) + 1} acknowledged replies: the last 1,"
    with pytest.raises(SeedloomError, match=says), Journal(tmp_path):
        pass


@pytest.mark.parametrize("mark", [None, b"", b"\0" * 21, b"no number", b"x" * 1000, b"%020d\n" % 3])
def test_a_mark_that_says_nothing_or_less_stops_nobody_and_is_mended(tmp_path, mark):
    put_all(tmp_path, KEYS)
    file = acknowledged(tmp_path / "journal" / "calls.sqlite")
    file.unlink()
    if mark is not None:
        file.write_bytes(mark)
    with Journal(tmp_path) as journal:
        assert set(journal.find(KEYS)) == set(KEYS)
        journal.put(entry("new")).result()
        assert int(file.read_bytes()) == len(KEYS) + 1


def test_the_mark_is_never_ahead_of_what_is_durable_and_never_behind_what_was_told(tmp_path):
    with Journal(tmp_path) as journal:
        for n, key in enumerate(KEYS, 1):
            journal.put(entry(key)).result()
            assert int(acknowledged(journal.path).read_bytes()) == n


def test_a_mark_is_for_its_owner_only_and_no_link_is_followed(tmp_path):
    path = tmp_path / "calls.sqlite"
    mark = Mark(path)
    mark.set(7)
    assert acknowledged(path).read_bytes() == b"%020d\n" % 7
    assert acknowledged(path).stat().st_mode & 0o777 == 0o600
    mark.close()
    acknowledged(path).unlink()
    (tmp_path / "victim").write_text("precious")
    acknowledged(path).symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        Mark(path)
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_connection_waits_for_others_and_keeps_a_log(tmp_path):
    connection = connect(tmp_path / "calls.sqlite")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA busy_timeout").fetchone()[0] >= 10_000
    connection.close()


def test_processes_that_open_a_new_journal_at_the_same_moment_all_succeed(nursery, tmp_path):
    for trial in range(6):
        root, moment = tmp_path / str(trial), time.time() + 0.05
        nursery.start(*((open_at, root, moment, f"k{who}") for who in range(3)))
        assert nursery.wait() == [0, 0, 0]
        with Journal(root) as journal:
            assert set(journal.find(["k0", "k1", "k2"])) == {"k0", "k1", "k2"}


def test_a_journal_may_be_opened_while_others_come_and_go(nursery, memory):
    nursery.start(*((come_and_go, memory, 25, f"{who}-") for who in range(3)))
    assert nursery.wait() == [0, 0, 0]
    with Journal(memory) as journal:
        assert len(journal.find(f"{who}-{n}" for who in range(3) for n in range(25))) == 75


def test_who_comes_while_another_makes_the_journal_waits_for_it(tmp_path):
    path = tmp_path / "calls.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # SQLite refuses to turn the file to WAL at once, without waiting
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    prepare(path).close()
    other.close()
