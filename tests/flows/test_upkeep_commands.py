"""The commands that keep a warehouse in order, as processes: what they print and how they end."""

import json
import subprocess
import sys

import pytest
from given import ask, row

from warehouse.parts import write_part
from warehouse.run import begin


def seedloom(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "flows", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def add(root, name):
    run = begin(root, "curate", "mine", name, {})
    line = row("reject", run_id=run.run_id, origin="f", line=1, reason="r", content="c")
    run.commit([write_part(root, run.run_id, "reject", line)])
    return run.run_id


def test_a_run_is_withdrawn_and_its_disk_space_freed(tmp_path):
    root = tmp_path / "w"
    first = add(root, "a")
    add(root, "b")
    code, out, err = seedloom("withdraw", first, "--root", root, "--json")
    assert code == 0 and "--yes" in err and json.loads(out)[-1]["what"] == "nothing was changed"
    code, out, err = seedloom("withdraw", first, "--yes", "--root", root, "--json")
    assert code == 0 and json.loads(out)[-1] == {"what": "withdrawn in version", "which": first, "n": 3}
    assert ask(root, "SELECT count(*) FROM reject") == [(1,)]
    code, out, err = seedloom("gc", "--keep", 1, "--grace", "0s", "--root", root, "--json")
    assert code == 0, err
    assert {each["kind"] for each in json.loads(out)} == {"view", "version", "part", "all"}
    assert not list((root / "data").rglob(f"run={first}")) and ask(root, "SELECT count(*) FROM run") == [(1,)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["withdraw", "nope"], "no run matches 'nope'"),
        (["gc"], "no warehouse"),
        (["gc", "--keep", "0"], "at least 1 version"),
        (["gc", "--grace", "soon"], "'soon' is no duration"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(tmp_path, arguments, said):
    code, out, err = seedloom(*arguments, "--root", tmp_path / "none")
    assert code == 2 and said in err and err.count("\n") == 1 and out == ""
