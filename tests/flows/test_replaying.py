import json
import subprocess
import sys
from pathlib import Path

import pytest
from replaying import written

from flows.__main__ import app
from flows.console import Common
from flows.replaying import show_replay, show_stages
from schemas.errors import BadInput, SeedloomError

RIGHT = [
    {"instruction": "List some birds.", "most_similar": {"Write a poem about the sea.": 0.0}},
    {
        "instruction": "Sing about the sea today.",
        "most_similar": {"Write a poem about the sea.": 6 / 11, "List some birds.": 0.0},
        "avg_similarity_score": 3 / 11,
    },
]
WRONG = [RIGHT[0], {**RIGHT[1], "avg_similarity_score": 0.3}]


@pytest.fixture
def seeds(tmp_path):
    return {"seeds": [written(tmp_path / "seeds.jsonl", [{"instruction": "Write a poem about the sea."}])]}


def document(capsys):
    return json.loads(capsys.readouterr().out)


def test_a_run_that_is_reproduced_is_one_document_with_counts_and_decisions(tmp_path, seeds, capsys):
    path = written(tmp_path / "pool.jsonl", RIGHT)
    show_replay(Common(as_json=True), "rouge", [path], seeds)
    said = document(capsys)
    assert (said["stage"], said["files"], said["differences"], said["unreadable"]) == (
        "rouge",
        [path],
        [],
        [],
    )
    assert said["counts"]["rows kept"] == 2 and said["counts"]["differs: mean similarity"] == 0
    assert [each["differs"] for each in said["decisions"]] == [[], []]
    assert said["decisions"][1]["witness"] == "Write a poem about the sea."


def test_what_is_not_reproduced_is_said_first_and_then_the_command_fails_with_the_count(
    tmp_path, seeds, capsys
):
    path = written(tmp_path / "pool.jsonl", [*WRONG, "{"])
    with pytest.raises(SeedloomError, match="^1 of 2 rows are not reproduced as published") as failed:
        show_replay(Common(as_json=True), "rouge", [path], seeds)
    assert failed.value.code == 1
    said = document(capsys)
    (difference,) = said["differences"]
    assert (difference["row"], difference["what"], difference["published"]) == (
        "pool.jsonl:2",
        "mean similarity",
        0.3,
    )
    assert difference["replayed"] == pytest.approx(3 / 11)
    assert [(each["line"], each["reason"][:12]) for each in said["unreadable"]] == [(3, "invalid JSON")]


def test_tables_show_counts_differences_and_unreadable_rows(tmp_path, seeds, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SeedloomError):
        show_replay(Common(), "rouge", [written(tmp_path / "pool.jsonl", [*WRONG, "{"])], seeds)
    said = capsys.readouterr().out
    assert "replay rouge" in said and "not as published" in said and "unreadable" in said
    assert "pool.jsonl" in said and "mean similarity" in said


def test_of_many_differences_the_first_are_shown_and_the_rest_counted(tmp_path, capsys):
    rows = [{"instruction": f"Draw {n}"} for n in range(25)]
    with pytest.raises(SeedloomError, match="25 of 25"):
        show_replay(Common(), "filters", [written(tmp_path / "rows.jsonl", rows)])
    said = capsys.readouterr()
    assert "5 more; all of them with --json" in said.err and "25" in said.out


def test_decisions_are_written_one_a_row(tmp_path):
    out = tmp_path / "made" / "decisions.jsonl"
    rows = [{"instruction": "Nenne drei Brötchen, bitte."}, {"instruction": "Too short", "keep": False}]
    show_replay(Common(), "filters", [written(tmp_path / "rows.jsonl", rows)], out=out)
    first, second = map(json.loads, out.read_text("utf-8").splitlines())
    assert (first["line"], first["keep"], first["reason"], first["score"], first["witness"]) == (
        1,
        True,
        None,
        None,
        None,
    )
    assert (second["keep"], second["reason"], second["differs"]) == (
        False,
        "2 words; tasks have 4 to 150",
        [],
    )
    assert "Brötchen" in out.read_text("utf-8")


def test_the_file_of_decisions_may_not_be_a_file_that_is_replayed(tmp_path):
    path = written(tmp_path / "rows.jsonl", RIGHT)
    with pytest.raises(BadInput, match="is one of the files that are replayed"):
        show_replay(Common(), "rouge", [path], out=tmp_path / "." / "rows.jsonl")
    assert json.loads(Path(path).read_text("utf-8").splitlines()[0]) == RIGHT[0]


def test_options_are_given_as_toml_or_as_plain_words(tmp_path, seeds):
    path = written(tmp_path / "pool.jsonl", RIGHT)
    with pytest.raises(SeedloomError, match="1 of 2"):
        show_replay(Common(), "rouge", [path], seeds, ["threshold=0.5", "split=unicode"])
    with pytest.raises(BadInput, match="change 'threshold' is no option=value"):
        show_replay(Common(), "rouge", [path], seeds, ["threshold"])
    with pytest.raises(BadInput, match="option split"):
        show_replay(Common(), "rouge", [path], seeds, ["split=letters"])


def test_files_beside_that_a_stage_does_not_know_are_refused(tmp_path, seeds):
    with pytest.raises(BadInput, match="replay flag: no option 'seeds'"):
        show_replay(Common(), "flag", [written(tmp_path / "rows.jsonl", RIGHT)], seeds)


def test_the_stages_are_listed_with_their_rows_and_options(capsys):
    show_stages(Common(as_json=True))
    listed = {row["stage"]: row for row in document(capsys)}
    assert "threshold=0.7" in listed["rouge"]["options"] and "instruction" in listed["rouge"]["rows"]
    assert len(listed) == 10


def test_without_a_stage_the_command_lists_them(capsys):
    app("replay --json", exit_on_error=False, result_action="return_value")
    assert {row["stage"] for row in document(capsys)} >= {"rouge", "trees"}


def test_the_command_ends_with_its_exit_code_and_writes_nothing(tmp_path, seeds):
    path = written(tmp_path / "pool.jsonl", WRONG)
    told = ["replay", "rouge", path, "--seeds", *seeds["seeds"], "--root", "w"]
    before = {each.name for each in tmp_path.iterdir()}
    done = subprocess.run(
        [sys.executable, "-m", "flows", *told], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr == "seedloom: 1 of 2 rows are not reproduced as published\n"
    assert {each.name for each in tmp_path.iterdir()} == before
