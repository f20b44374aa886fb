import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput, SeedloomError
from warehouse import files
from warehouse.files import make_folder, sha256_of, sync_folder, write_durably

OLD, NEW = b"old " * 1000, b"new " * 3000


def rewrite(path):
    write_durably(Path(path), NEW)


def test_a_file_holds_what_was_written_and_nothing_else_lies_there(tmp_path):
    write_durably(tmp_path / "a" / "b" / "file", NEW)
    assert (tmp_path / "a" / "b" / "file").read_bytes() == NEW
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["file"]


def test_a_writer_killed_at_any_operation_leaves_the_old_file_or_the_new_one(nursery, tmp_path):
    met = set()
    for n in range(1, 50):
        path = tmp_path / str(n) / "file"
        write_durably(path, OLD)
        code = nursery.run(rewrite, path, kill_at=n)
        assert path.read_bytes() in (OLD, NEW)
        met.add(path.read_bytes())
        if code == 0:
            break
        assert code == -9
    assert code == 0 and n > 4  # mkdir of nothing, write, fsync, replace, fsync of the folder
    assert met == {OLD, NEW}


def test_each_step_is_synced_before_the_next_one(monkeypatch, tmp_path):
    steps = []
    descriptors = {}
    real = {name: getattr(os, name) for name in ("open", "write", "fsync", "replace")}

    def opened(path, *args, **kwargs):
        handle = real["open"](path, *args, **kwargs)
        descriptors[handle] = Path(path).name
        return handle

    def note(name, what):
        def wrapped(*args, **kwargs):
            steps.append((name, what(*args)))
            return real[name](*args, **kwargs)

        return wrapped

    make_folder(tmp_path / "f")
    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "write", note("write", lambda handle, data: "draft"))
    monkeypatch.setattr(os, "fsync", note("fsync", lambda handle: descriptors[handle]))
    monkeypatch.setattr(os, "replace", note("replace", lambda source, target: Path(target).name))
    write_durably(tmp_path / "f" / "file", NEW)
    draft = steps[1][1]
    assert draft.startswith(files.TEMPORARY)
    assert steps == [("write", "draft"), ("fsync", draft), ("replace", "file"), ("fsync", "f")]


def test_a_short_write_goes_on_where_it_stopped(monkeypatch, tmp_path):
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data)[:7]))
    write_durably(tmp_path / "file", NEW)
    assert (tmp_path / "file").read_bytes() == NEW


@pytest.mark.parametrize("name", ["write", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_is_one_line_and_leaves_the_old_file(monkeypatch, tmp_path, name, code):
    write_durably(tmp_path / "file", OLD)

    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(SeedloomError) as caught:
        write_durably(tmp_path / "file", NEW)
    assert caught.value.code == 1
    assert os.strerror(code) in str(caught.value) and "\n" not in str(caught.value)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [OLD]


def test_an_interrupted_write_leaves_no_draft(monkeypatch, tmp_path):
    def interrupt(handle):
        raise KeyboardInterrupt

    make_folder(tmp_path / "f")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_durably(tmp_path / "f" / "file", NEW)
    assert list((tmp_path / "f").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_wrong_input(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BadInput, match="cannot create folder .*/file: File exists"):
        write_durably(tmp_path / "file" / "folder" / "x", NEW)
    with pytest.raises(BadInput, match="cannot (write|create folder) /proc/"):
        write_durably(Path("/proc/x"), NEW)
    with pytest.raises(BadInput, match="cannot sync folder"):
        sync_folder(tmp_path / "nowhere")


def test_a_full_disk_keeps_what_was_written_and_leaves_no_draft(tmp_path):
    """On a tmpfs of 1 MB in a mount namespace of its own."""
    script = f"""
import sys; sys.path[:0] = {sys.path!r}
from pathlib import Path
from schemas.errors import SeedloomError
from warehouse.files import write_durably
for number in range(100):
    try:
        write_durably(Path({str(tmp_path)!r}) / str(number), bytes(100_000))
    except SeedloomError as error:
        print(number, sorted(p.name for p in Path({str(tmp_path)!r}).iterdir()), error)
        break
"""
    mount = f"mount -t tmpfs -o size=1m tmpfs {tmp_path} && exec {sys.executable} -"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", mount], input=script, capture_output=True, text=True)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    number, rest = done.stdout.split(" ", 1)
    assert 5 <= int(number) <= 10
    assert rest.startswith(str(sorted(map(str, range(int(number))))))
    assert f"cannot write {tmp_path}/{number}: No space left on device" in rest


def test_a_folder_left_by_a_killed_process_is_synced_once(monkeypatch, tmp_path):
    make_folder(tmp_path)
    (tmp_path / "left").mkdir()
    synced = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    make_folder(tmp_path / "left")
    make_folder(tmp_path / "left")
    assert synced == [tmp_path]
    (tmp_path / "left").rmdir()
    make_folder(tmp_path / "left")
    assert (tmp_path / "left").is_dir() and synced == [tmp_path, tmp_path]


@given(data=st.binary(max_size=300))
def test_sha256_of_a_file_is_that_of_its_bytes(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "hashed"
    path.write_bytes(data)
    assert sha256_of(path) == hashlib.sha256(data).hexdigest()
