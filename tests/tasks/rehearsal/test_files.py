import pytest

from tasks.rehearsal.files import Shelf


@pytest.fixture(params=["memory", "folder"])
def shelf(request, tmp_path):
    return Shelf(tmp_path / "state" if request.param == "folder" else None)


def test_what_was_put_is_there(shelf):
    record = shelf.put_file(b"\x00\xff", "a.jsonl", "batch", 5)
    assert (record["id"], record["bytes"], record["purpose"]) == ("file-00000001", 2, "batch")
    assert shelf.record(record["id"]) == record
    assert shelf.content(record["id"]) == b"\x00\xff"
    assert shelf.put_file(b"", "b", "batch", 5)["id"] == "file-00000002"
    assert shelf.names("file-") == [f"file-0000000{n}.json{kind}" for n in (1, 2) for kind in ("", "l")]


@pytest.mark.parametrize(
    "id", ["file-00000009", "../secret", "file-1/../../secret", "", "tmp-file", "file-1\x00"]
)
def test_what_was_not_put_is_not_there(shelf, id, tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "secret.jsonl").write_text("x")
    assert shelf.record(id) is None
    assert shelf.content(id) is None


def test_another_shelf_on_the_same_folder_has_it_too(tmp_path):
    record = Shelf(tmp_path).put_file(b"x", "a", "batch", 5)
    assert Shelf(tmp_path).record(record["id"]) == record
    assert Shelf().record(record["id"]) is None


def test_half_a_file_of_a_killed_server_is_none(tmp_path):
    (tmp_path / "tmp-file-00000001.jsonl").write_bytes(b"ha")
    assert Shelf(tmp_path).names("file-") == []
