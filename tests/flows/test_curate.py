"""Somebody else's data, for real: a Prefect server, files on disk, public data."""

import json

import pytest
from given import ask

from flows.curate import curate
from schemas.errors import BadInput
from schemas.settings import Curation

pytestmark = pytest.mark.filterwarnings("ignore")  # of Prefect's and torch's own code
SMALL = Curation(min_train=1, heldout=0.2)
COLOURS = ["red", "green", "blue", "white", "black", "brown", "pink", "grey"]


def story(i):
    colour, other = COLOURS[i % 8], COLOURS[i // 8 % 8]
    return f"The {colour} bird number {i} flew over the {other} house and sang of its {colour} friends."


def write_jsonl(path, rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return str(path)


def test_rows_keep_their_ids_and_what_was_dropped_says_why(root, tmp_path):
    rows = [{"id": f"mine-{i}", "text": story(i)} for i in range(30)]
    copies = [{"id": "exact", "text": story(3).upper()}, {"id": "near", "text": story(4) + " Then it slept."}]
    broken = ["{not json", json.dumps([1]), json.dumps({"colour": "red"})]
    release_id = curate(
        [write_jsonl(tmp_path / "mine.jsonl", [*rows, *copies, *broken])], "mine", "CC0-1.0", 3, "e", SMALL
    )
    dropped = """SELECT sample.origin_id, verdict.filter, witness.origin_id FROM verdict
                 JOIN sample USING (sample_id) JOIN sample AS witness ON witness.sample_id =
                 verdict.witness_id
                 WHERE NOT keep ORDER BY ALL"""
    assert ask(root, dropped) == [("exact", "exact", "mine-3"), ("near", "minhash", "mine-4")]
    assert [line for (line,) in ask(root, "SELECT line FROM reject ORDER BY line")] == [33, 34, 35]
    assert ask(root, "SELECT count(*), count(DISTINCT origin_id) FROM sample") == [(32, 32)]
    assert ask(root, "SELECT n_train + n_heldout, passed FROM release") == [(30, True)]
    card = (root / "releases" / release_id / "README.md").read_text()
    assert "CC0-1.0" in card


def test_a_new_edition_of_the_same_file_repeats_what_is_there_and_one_that_stands_alone_does_not(
    root, tmp_path
):
    file = write_jsonl(tmp_path / "mine.jsonl", [{"text": story(i)} for i in range(12)])
    curate([file], "mine", edition="one", curation=SMALL)
    curate([file], "mine", edition="two", curation=SMALL)
    alone = SMALL.model_copy(update={"against": "run"})
    curate([file], "mine", edition="three", curation=alone)
    query = """SELECT run.edition, count(*) FILTER (NOT keep) FROM verdict JOIN run USING (run_id)
               WHERE verdict.filter = 'exact' GROUP BY ALL ORDER BY ALL"""
    assert ask(root, query) == [("one", 0), ("three", 0), ("two", 12)]
    assert {n for (n,) in ask(root, "SELECT n_train + n_heldout FROM release")} == {12}


def test_changed_content_is_another_run_and_the_same_is_not(root, tmp_path):
    file = tmp_path / "mine.jsonl"
    write_jsonl(file, [{"text": story(i)} for i in range(8)])
    first = curate([str(file)], "mine", edition="e", curation=SMALL)
    assert curate([str(file)], "mine", edition="e", curation=SMALL) == first
    write_jsonl(file, [{"text": story(i)} for i in range(9)])
    assert curate([str(file)], "mine", edition="e", curation=SMALL) != first


def test_public_conversations_go_through_whole(root, public_data):
    file = public_data("oasst/en_100_tree.jsonl")
    curate([str(file)], "oasst", "Apache-2.0", edition="e", curation=SMALL)
    ((made, rejected),) = ask(root, "SELECT (SELECT count(*) FROM sample), (SELECT count(*) FROM reject)")
    assert made + rejected == 100


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("table.parquet", b"this is text"),
        ("rows.jsonl", b"\x00\xff\x00binary"),
        ("empty.jsonl", b""),
        ("cut.json", b'[{"text": '),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_one_line_and_leaves_the_warehouse_untouched(
    root, tmp_path, name, content
):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=name) as error:
        curate([str(tmp_path / name)], "mine", edition="e", curation=SMALL)
    assert "\n" not in str(error.value)
    assert not (root / "CURRENT").exists()
