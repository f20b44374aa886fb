import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from schemas.place import folder_of, is_url, object_of, shown, work_folder

WORDS = st.from_regex(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,9}", fullmatch=True)
WORK = Path("/work-of-somebody")


@given(st.sampled_from(["s3", "gs"]), st.lists(WORDS, max_size=3), st.lists(WORDS, min_size=1, max_size=3))
def test_a_path_below_a_work_folder_says_which_object_it_stands_for(scheme, prefix, key):
    url = "/".join([f"{scheme}://my.bucket-1", *prefix])
    folder = folder_of(url, WORK)
    assert folder.parent == WORK / "remote"
    assert object_of(folder.joinpath(*key)) == (url, "/".join(key))
    assert shown(folder) == url and shown(folder.joinpath(*key)) == f"{url}/{'/'.join(key)}"


def test_a_slash_at_the_end_makes_no_other_root():
    assert folder_of("s3://bucket/a/", WORK) == folder_of("s3://bucket/a", WORK)


@pytest.mark.parametrize(
    "path", ["data", "/srv/s3+bucket", "s3+bucket/remote", "remote/s3", "remote/x+bucket"]
)
def test_a_folder_is_a_folder(path):
    assert object_of(Path(path) / "CURRENT") is None and shown(Path(path)) == path and not is_url(path)


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:SECRET@bucket/x", "s3:/bucket/x", "http://bucket/x", "s3://bucket/../x", "s3://bucket//x", "s3://b",
        "s3://bucket/x?token=SECRET", "s3://bucket/ä", "s3://bucket/a+b", "file:///x", "gs://", "s3://BUCKET/x",
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_bucket_is_refused_without_repeating_it(url):
    assert is_url(url)
    with pytest.raises(BadInput, match="s3://bucket/prefix or gs://bucket/prefix") as refused:
        folder_of(url, WORK)
    assert "SECRET" not in str(refused.value)


def test_a_prefix_that_no_folder_can_be_named_after_is_refused():
    with pytest.raises(BadInput, match="longer than 200"):
        folder_of(f"s3://bucket/{'x' * 200}", WORK)


def test_work_folders_lie_where_the_system_says(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/xdg")
    assert work_folder() == Path("/xdg/seedloom")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert work_folder() == Path(os.path.expanduser("~/.local/share/seedloom"))
