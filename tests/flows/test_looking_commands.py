"""The commands that only look, as processes: what they print and how they end."""

import json
import subprocess
import sys

import pytest
from given import row

from warehouse.run import begin


def seedloom(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "flows", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def test_recipes_are_listed_shown_and_checked(tmp_path):
    code, out, _ = seedloom("recipes", "--json")
    names = [row["recipe"] for row in json.loads(out)]
    assert code == 0 and {"alpaca", "tiny_stories", "trees"} <= set(names)
    code, out, _ = seedloom("recipes", "show", "tiny_stories", "--json")
    assert code == 0 and json.loads(out)[0]["name"] == "tiny_stories"
    wrong = tmp_path / "mine.toml"
    wrong.write_text('name = "mine"\ncolour = "red"\n')
    code, out, err = seedloom("recipes", "check", wrong, "--json")
    assert code == 2 and {row["place"] for row in json.loads(out)} >= {"colour", "title", "level"}
    assert "mistakes" in err and "Traceback" not in err


def test_a_preview_is_one_document(tmp_path):
    code, out, err = seedloom("preview", "tiny_stories", "-n", 2, "--json", "--root", tmp_path / "w")
    assert code == 0, err
    assert [step["level"] for step in json.loads(out)] == ["story", "story"]
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recipes", "show", "nope"], "no recipe 'nope'"),
        (["preview", "nope"], "no recipe 'nope'"),
        (["preview", "tiny_stories", "--set", "sampler"], "is no key=value"),
        (["preview", "evol_instruct", "--source", "nope.jsonl"], "no file 'nope.jsonl'"),
        (["explain", "x"], "no warehouse"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(tmp_path, arguments, said):
    code, out, err = seedloom(*arguments, "--root", tmp_path / "none")
    assert code == 2 and said in err and err.count("\n") == 1 and out == ""


def test_releases_are_a_table_in_a_terminal_and_whole_as_json(tmp_path):
    root = tmp_path / "w"
    run = begin(root, "corpus", "mine", "monday", {})
    release = row(
        "release", release_id="0123456789abcdef", run_id=run.run_id, name="mine", edition="monday", n_train=7,
        n_heldout=1, passed=True, gates=[], path="releases/x", files=[], row_digest="d",
    )  # fmt: skip
    run.commit(run.once("release", [], {}, lambda: {"release": release}))
    code, out, err = seedloom("releases", "--root", root)
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= 80 and "0123456789ab" in out and "monday" in out
    (whole,) = json.loads(seedloom("releases", "--root", root, "--json")[1])
    assert whole["release_id"] == "0123456789abcdef" and "failed_gates" in whole
