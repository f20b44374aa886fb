import json
import os
import time

import polars as pl
import pytest
from given import row

from flows.console import Common
from flows.upkeep import effects, seconds, show_garbage, show_withdrawal
from schemas.errors import BadInput
from warehouse.manifest import read_current
from warehouse.parts import write_part
from warehouse.run import begin


def sample(run, sample_id, parent_id=None):
    return row(
        "sample", sample_id=sample_id, parent_id=parent_id, root_id=sample_id, run_id=run.run_id, recipe="r",
        level="story", final=True, ordinal=0, text="t", slots="{}", language="en", origin="generated",
    )  # fmt: skip


def release(run, name):
    return row(
        "release", release_id=name, run_id=run.run_id, name="mine", edition="e", n_train=2, n_heldout=1,
        passed=True, gates=[], path="releases/x", files=[], row_digest="d",
    )  # fmt: skip


def checkpoint(run, name, release_id):
    return row(
        "checkpoint", checkpoint_id=name, run_id=run.run_id, release_id=release_id, base_model="tiny",
        method="full", settings="{}", path="models/x", n_parameters=1, n_trainable=1, steps=1, train_loss=0.5,
        sha256="s",
    )  # fmt: skip


def add(root, name, **frames):
    """A committed run; the frames are functions of the run."""
    run = begin(root, "curate", "mine", name, {})
    parts = [write_part(root, run.run_id, table, pl.concat(make(run))) for table, make in frames.items()]
    run.commit(parts)
    return run.run_id


@pytest.fixture
def old(tmp_path):
    """A warehouse in which much depends on the first run; its id."""
    root = tmp_path / "w"
    first = add(
        root, "a", sample=lambda r: [sample(r, "a0"), sample(r, "a1")], release=lambda r: [release(r, "ra")]
    )

    def dropped(run):
        one = dict(run_id=run.run_id, keep=False, witness_id="a0")
        return [
            row("verdict", sample_id=name, filter=f, **one)
            for name, f in (("b0", "exact"), ("b0", "minhash"), ("b1", "minhash"))
        ]

    def members(run):
        return [
            row("member", release_id="rb", sample_id=i, run_id=run.run_id, split="train")
            for i in ("a0", "b2")
        ]

    add(
        root, "b", sample=lambda r: [sample(r, f"b{i}", "a1" if i == 3 else None) for i in range(4)],
        verdict=dropped, member=members, release=lambda r: [release(r, "rb")],
        checkpoint=lambda r: [checkpoint(r, "cb", "ra"), checkpoint(r, "other", "rb")],
    )  # fmt: skip
    return root, first


def test_the_effects_of_a_withdrawal_name_what_depends_on_the_run(old):
    root, first = old
    later = read_current(root).runs[1]
    begun = begin(root, "curate", "mine", "c", {}).run_id
    assert [tuple(effect.values()) for effect in effects(root, first)] == [
        ("samples of the run", "mine a", 2),
        ("release of the run", "ra", 3),
        ("checkpoint of a later run, trained on its release", "cb", 1),
        ("release of a later run with its samples", "rb", 1),
        ("samples of others dropped for repeating its samples", later, 2),
        ("samples of others grown from its samples", later, 1),
        ("unfinished run that was begun on it", begun, 1),
    ]
    assert [effect["n"] for effect in effects(root, later)] == [4, 3, 1]


def test_nothing_is_withdrawn_before_somebody_says_yes(old, capsys):
    root, first = old
    common = Common(root=str(root), as_json=True)
    show_withdrawal(common, first[:12], yes=False)
    said = capsys.readouterr()
    assert json.loads(said.out)[-1] == {"what": "nothing was changed", "which": first, "n": None}
    assert "add --yes" in said.err and read_current(root).version == 2
    show_withdrawal(common, first[:12], yes=True)
    said = capsys.readouterr()
    assert json.loads(said.out)[-1] == {"what": "withdrawn in version", "which": first, "n": 3}
    assert "seedloom rejudge" in said.err and "semantic dropped stays dropped" in said.err
    assert first not in read_current(root).runs


def test_garbage_is_counted_by_kind(old, capsys):
    root, first = old
    common = Common(root=str(root), as_json=True)
    show_withdrawal(common, first, yes=True)
    for path in root.rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2, follow_symlinks=False)
    capsys.readouterr()
    show_garbage(common, 1, "1h", dry_run=True)
    said = capsys.readouterr()
    counted = json.loads(said.out)
    assert {each["kind"]: each["n"] for each in counted} == {"view": 2, "version": 2, "part": 3, "all": 7}
    assert counted[-1]["bytes"] == sum(each["bytes"] for each in counted[:-1]) and "dry run" in said.err
    show_garbage(common, 1, "1h", dry_run=False)
    assert json.loads(capsys.readouterr().out) == counted
    show_garbage(common, 1, "1h", dry_run=False)
    assert json.loads(capsys.readouterr().out) == [{"kind": "all", "n": 0, "bytes": 0}]


def test_durations_have_a_unit():
    assert [seconds(text) for text in ("90s", "1.5m", "24h", "7d", "0s")] == [90, 90, 86400, 604800, 0]
    for text in ("", "1", "h", "-1h", "1w", "1h2m", "1H"):
        with pytest.raises(BadInput, match="is no duration; write 90s, 30m, 24h or 7d"):
            seconds(text)
