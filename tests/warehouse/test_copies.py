from warehouse.bucket import get, under
from warehouse.copies import fetch, fetch_folder, folders, upload, upload_folder

LARGE = bytes(range(256)) * 50_000  # 12.8 MB: goes in several pieces


def test_a_folder_goes_up_and_comes_down_and_copies_are_not_fetched_again(remote, store):
    folder = remote / "releases" / "r1"
    (folder / "text").mkdir(parents=True)
    (folder / "README.md").write_text("card")
    (folder / "text" / "train.parquet").write_bytes(LARGE)
    upload_folder(folder)
    for path in under(folder):
        path.unlink()
    assert folders(remote / "releases") == [folder]
    assert (fetch_folder(folder) / "text" / "train.parquet").read_bytes() == LARGE
    (folder / "README.md").write_text("ours")
    assert fetch(folder / "README.md") and fetch_folder(folder) == folder
    assert (folder / "README.md").read_text() == "ours"
    assert not fetch(folder / "none")


def test_local_folders_are_left_alone(tmp_path):
    (tmp_path / "releases" / "r1").mkdir(parents=True)
    upload_folder(tmp_path)
    assert fetch_folder(tmp_path) == tmp_path and folders(tmp_path / "releases") == [
        tmp_path / "releases" / "r1"
    ]
    assert not fetch(tmp_path / "none")


def test_one_file_goes_up(remote, tmp_path):
    path = remote / "reports" / "r1.html"
    path.parent.mkdir(parents=True)
    path.write_text("one")
    upload(path)
    path.write_text("two")
    upload(path)
    assert get(path).data == b"two"
    upload(tmp_path / "local")
