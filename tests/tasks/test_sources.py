import json

import pytest
from growing import asked_run

from schemas.errors import BadInput
from tasks import sources
from tasks.sources import source


@pytest.fixture
def files(tmp_path):
    def write(*lines):
        path = tmp_path / "mine.jsonl"
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
        return [str(path)]

    return write


def rows(run, parts, table):
    return [row for part in parts if part.table == table for row in run.read(part).to_dicts()]


def test_rows_become_the_first_level_with_their_own_ids_and_nothing_is_released_of_them(tmp_path, files):
    run = asked_run(tmp_path / "w", "evol_instruct")
    path = files(
        {"id": "x7", "instruction": "Name a bird.", "input": ""}, {"instruction": "Sing.", "input": ""}
    )
    parts = source.fn(run, "evol_instruct", 5, path)
    samples = rows(run, parts, "sample")
    assert {row["text"] for row in samples} == {"Name a bird.", "Sing."}
    assert {row["origin_id"] for row in samples} == {"x7", "2"}
    assert sorted(row["ordinal"] for row in samples) == [0, 1]
    assert not any(row["final"] for row in samples)
    assert all(row["root_id"] == row["sample_id"] and row["licence"] is None for row in samples)


def test_a_row_that_cannot_be_read_is_kept_as_a_reject(tmp_path, files):
    run = asked_run(tmp_path / "w", "evol_instruct")
    parts = source.fn(run, "evol_instruct", 5, files({"instruction": "Sing."}, "{broken", {"colour": "red"}))
    assert [row["line"] for row in rows(run, parts, "reject")] == [2, 3]
    assert len(rows(run, parts, "sample")) == 1


def test_nothing_readable_is_an_error_that_names_the_file(tmp_path, files):
    run = asked_run(tmp_path / "w", "evol_instruct")
    with pytest.raises(BadInput, match="no row of .*mine.jsonl can be read; the first: "):
        source.fn(run, "evol_instruct", 5, files("{broken"))


def test_without_files_a_recipe_reads_its_own_and_says_their_licence(tmp_path):
    run = asked_run(tmp_path / "w", "evol_instruct")
    samples = rows(run, source.fn(run, "evol_instruct", 7, []), "sample")
    assert len(samples) == 7
    assert {row["origin"] for row in samples} == {"tasks/seeds/self_instruct.jsonl"}
    assert {row["licence"] for row in samples} == {"CC0-1.0"}


def test_the_same_edition_draws_the_same_rows_and_another_one_others(tmp_path):
    def texts(edition):
        run = asked_run(tmp_path / edition, "evol_instruct", edition=edition)
        return [row["text"] for row in rows(run, source.fn(run, "evol_instruct", 10, []), "sample")]

    assert texts("a") == texts("a") != texts("b")


def test_rows_come_in_batches_and_a_resumed_source_reads_on(tmp_path, files, monkeypatch):
    monkeypatch.setattr(sources, "BATCH", 3)
    path = files(*({"instruction": f"Name bird {i}."} if i != 4 else "{broken" for i in range(8)))
    run = asked_run(tmp_path / "w", "evol_instruct")
    parts = source.fn(run, "evol_instruct", 100, path)
    assert [part.rows for part in parts if part.table == "sample"] == [3, 2, 2]
    ordinals = [row["ordinal"] for row in rows(run, parts, "sample")]
    assert sorted(ordinals) == list(range(7))
    run.forget(parts[1:])
    assert source.fn(run, "evol_instruct", 100, path) == parts
