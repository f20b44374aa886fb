"""`seedloom rejudge` as a process on a small warehouse."""

import json
import subprocess
import sys

import pytest
from given import ask, row

from flows.console import Common
from flows.rejudging import show_rejudging
from schemas.errors import BadInput
from tasks.exact import exact
from tasks.minhash import minhash
from tasks.pool import lineage
from tasks.signature import signatures
from warehouse.manifest import read_current
from warehouse.run import begin

TEXTS = [
    "a b c d e f g h i j k l m n o p",
    "a b c d e f g h i j k l m n o x",
    "quite another text",
]  # J = 13/15


def seedloom(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "flows", *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stdout, " ".join(done.stderr.split())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A curated run of three texts, one of which is a near-duplicate."""
    root = tmp_path_factory.mktemp("rejudging") / "w"
    among = lineage("", "warehouse")
    run = begin(root, "curate", "mine", "e", {"curation": {"against": "warehouse"}, "shingle": 3})
    fixed = {"run_id": run.run_id, "recipe": "mine", "level": "row", "final": True, "slots": "{}", "language": "en", "origin": "f"}  # fmt: skip

    def made():
        rows = [row("sample", sample_id=f"s{i}", root_id=f"s{i}", ordinal=i, text=text, **fixed) for i, text in enumerate(TEXTS)]  # fmt: skip # noqa: E501
        return {"sample": row("sample", **rows[0].to_dicts()[0]).vstack(rows[1]).vstack(rows[2])}

    samples = run.once("intake", [], {}, made)
    signed = signatures.fn(run, samples, 3)
    verdicts = exact.fn(run, samples, [], signed, among)
    run.commit([*samples, *signed, *verdicts, *minhash.fn(run, samples, verdicts, signed, 0.7, 3, among)])
    return root


def files(root):
    kept = ("data", "runs", "snapshots")
    return {str(path) for path in root.rglob("*") if path.relative_to(root).parts[0] in kept}


def test_a_dry_run_tells_and_writes_nothing(root):
    before = files(root), read_current(root)
    code, out, err = seedloom("rejudge", "--threshold", 0.9, "--dry-run", "--root", root, "--json")
    assert code == 0, err
    (told,) = json.loads(out)
    assert {name: told[name] for name in ("recipe", "threshold_before", "threshold", "kept_before", "kept_after", "newly_dropped", "newly_kept", "without_embedding", "version")} == {
        "recipe": "mine", "threshold_before": 0.7, "threshold": 0.9, "kept_before": 2, "kept_after": 3,
        "newly_dropped": 0, "newly_kept": 1, "without_embedding": 1, "version": None,
    }  # fmt: skip # noqa: E501
    assert "nothing was written" in err and (files(root), read_current(root)) == before


def test_a_rejudging_is_one_new_version_and_says_what_it_does_not_change(root):
    version = read_current(root).version
    code, out, err = seedloom("rejudge", "--threshold", 0.9, "--root", root)
    assert code == 0, err
    assert "0.7 > 0.9" in out and "2 > 3" in out and max(map(len, out.splitlines())) <= 80
    assert f"version {version + 1} holds the new verdicts" in err
    assert "releases stay as they were frozen" in err and "neither semantic nor leak" in err
    assert "--against run --threshold 0.9 --shingle 3`" in err, "at 0.7 that curate would undo the rejudging"
    assert ask(root, "SELECT keep, threshold FROM verdict WHERE sample_id = 's1' AND filter = 'minhash'") == [
        (True, 0.9)
    ]
    counted, made = (
        ask(root, f"SELECT DISTINCT run_id FROM {name}") for name in ("neighbour_score", "sample")
    )
    assert counted == made, "scores count for the run that made the samples"
    code, _, err = seedloom("rejudge", "--root", root)
    assert code == 0 and "nothing changes" in err and read_current(root).version == version + 1


@pytest.mark.parametrize(
    ("threshold", "run", "said"),
    [
        (0.0, "", "must be above 0 and at most 1"),
        (float("nan"), "", "must be above 0 and at most 1"),
        (0.5, "nope", "no run matches 'nope'"),
    ],
)
def test_wrong_input_is_refused(root, threshold, run, said):
    with pytest.raises(BadInput, match=said):
        show_rejudging(Common(root=str(root)), threshold, run, False)


def test_a_threshold_above_1_is_exit_code_2(root):
    code, out, err = seedloom("rejudge", "--threshold", 1.5, "--root", root)
    assert code == 2 and "--threshold is 1.5; it must be above 0 and at most 1" in err and out == ""


def test_a_warehouse_without_verdicts_is_said(tmp_path):
    with pytest.raises(BadInput, match="holds nothing that the filter minhash judged"):
        show_rejudging(Common(root=str(tmp_path / "none")), 0.5, "", False)
