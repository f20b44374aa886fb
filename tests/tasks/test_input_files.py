from pathlib import Path

import pytest

from schemas.errors import BadInput
from tasks.input_files import content_digest, expand_inputs


@pytest.fixture
def tree(tmp_path):
    """Files in the working folder, which is tmp_path."""
    for name in (
        "d/b.jsonl",
        "d/a.csv.gz",
        "d/deep/c.parquet",
        "d/notes.md",
        "d/.hidden/x.json",
        "e[1].json",
        "z.md",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def test_a_folder_gives_its_data_files_sorted_and_as_the_user_named_it(tree):
    assert expand_inputs(["d"]) == [Path("d/a.csv.gz"), Path("d/b.jsonl"), Path("d/deep/c.parquet")]
    assert expand_inputs([str(tree / "d")])[0] == tree / "d/a.csv.gz"


def test_a_glob_gives_what_it_matches_whatever_it_is_called(tree):
    assert expand_inputs(["d/*"]) == [Path("d/a.csv.gz"), Path("d/b.jsonl"), Path("d/notes.md")]
    assert expand_inputs(["d/**/*.parquet"]) == [Path("d/deep/c.parquet")]


def test_a_file_is_taken_even_when_its_name_looks_like_a_glob(tree):
    assert expand_inputs(["e[1].json", "z.md"]) == [Path("e[1].json"), Path("z.md")]


def test_no_file_is_taken_twice_and_the_order_of_the_arguments_stays(tree):
    assert expand_inputs(["z.md", "d/b.jsonl", "d", str(tree / "z.md")]) == [
        Path("z.md"),
        Path("d/b.jsonl"),
        Path("d/a.csv.gz"),
        Path("d/deep/c.parquet"),
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "no input: name files"),
        (["d", "nope.json"], "no file 'nope.json': looked for a file, a folder and a glob in "),
        (["*.csv"], r"no file '\*.csv'"),
        (["empty"], "no data in folder 'empty': looked for .jsonl, .ndjson, .json, .csv"),
    ],
)
def test_what_finds_nothing_is_named_with_the_place_that_was_searched(tree, arguments, reason):
    (tree / "empty").mkdir()
    with pytest.raises(BadInput, match=reason):
        expand_inputs(arguments)


def test_the_digest_changes_with_a_byte_a_name_and_the_order_and_with_nothing_else(tree):
    one, two = Path("d/b.jsonl"), Path("z.md")
    before = content_digest([one, two])
    assert before == content_digest([one, two])
    assert len(before) == 64
    assert before != content_digest([two, one])
    one.write_bytes(b"d/b.jsonL")
    assert before != content_digest([one, two])


def test_the_digest_of_a_file_that_is_gone_names_it(tree):
    with pytest.raises(BadInput, match="cannot read gone.json: No such file"):
        content_digest([Path("gone.json")])
