import json

import polars as pl

from tasks.mixed_sets import MixedSet, documents_of, rows_of, sets_of
from tasks.records import Bad

ALPACA = {"id": "u1", "instruction": "Add", "input": "1, 2", "output": "3"}


def released(folder, *forms, splits=("train", "heldout")):
    for form in forms:
        (folder / form).mkdir(parents=True)
        for split in splits:
            turns = [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": split}]]
            pl.DataFrame({"sample_id": ["s"], "messages": turns}).write_parquet(
                folder / form / f"{split}.parquet"
            )
    return sorted(folder.rglob("*.parquet"))


def test_a_file_is_a_set_by_its_name_and_two_of_one_name_also_by_their_folder(tmp_path):
    paths = [tmp_path / name for name in ("a/rows.jsonl.gz", "b/rows.jsonl", "b/other.csv")]
    assert [each.name for each in sets_of(paths)] == ["a/rows.jsonl.gz", "b/rows.jsonl", "other"]


def test_only_what_tells_the_format_is_taken_off_a_name(tmp_path):
    names = ("like-0.8.json", "like-0.9.JSONL.GZ", "noted.v2", "plain")
    assert [each.name for each in sets_of([tmp_path / name for name in names])] == [
        "like-0.8", "like-0.9", "noted.v2", "plain"
    ]  # fmt: skip


def test_a_release_is_one_set_by_its_id_with_its_training_rows(tmp_path):
    paths = released(tmp_path / "4f1c", "messages", "alpaca", "text")
    assert sets_of([*paths, tmp_path / "train.jsonl"]) == [
        MixedSet("4f1c", tmp_path / "4f1c" / "messages" / "train.parquet"),
        MixedSet("train", tmp_path / "train.jsonl"),
    ]


def test_two_releases_are_two_sets(tmp_path):
    paths = released(tmp_path / "one", "text") + released(tmp_path / "two", "messages")
    assert [each.name for each in sets_of(paths)] == ["one", "two"]


def test_a_row_says_what_the_intake_understood(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(ALPACA) + "\n" + json.dumps({"text": "A tale."}) + "\n{}\n")
    pair, text, bad = rows_of(MixedSet("mine", path))
    assert (pair.origin_id, pair.line, pair.text) == ("u1", 1, "Add\n\n1, 2\n\n3")
    assert pair.fields["messages"][-1] == {"role": "assistant", "content": "3"}
    assert (pair.fields["instruction"], pair.fields["input"], pair.fields["output"]) == ("Add", "1, 2", "3")
    assert pair.fields["set"] == "mine" and pair.fields["pretraining"] is False
    assert text.fields["messages"] is None and text.text == "A tale."
    assert isinstance(bad, Bad)


def test_a_release_reads_as_conversations(tmp_path):
    paths = released(tmp_path / "4f1c", "messages")
    (row,) = rows_of(sets_of(paths)[0])
    assert row.fields["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "train"},
    ]


def test_pre_training_text_is_text_whatever_else_a_row_says(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(ALPACA) + "\nno json\n")
    row, bad = documents_of(MixedSet("web", path))
    assert row.fields == {"set": "web", "pretraining": True} and isinstance(bad, Bad)
