"""The commands that only look, as processes: what they print and how they end."""

import json
import subprocess
import sys

import pytest


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
