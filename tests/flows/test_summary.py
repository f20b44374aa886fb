import polars as pl
import pytest
from given import row

from flows.summary import summary
from warehouse.run import begin


def commit(root, price, selection=None):
    """Three final samples, one of them dropped by two filters; two calls, one of them replayed."""
    run = begin(root, "corpus", "mine", "e", {})
    fixed = {
        "run_id": run.run_id,
        "recipe": "mine",
        "level": "row",
        "final": True,
        "slots": "{}",
        "language": "en",
    }
    samples = pl.concat(
        row("sample", sample_id=f"s{i}", root_id=f"s{i}", ordinal=i, text=f"t{i}", origin="o", **fixed)
        for i in range(3)
    )
    verdicts = pl.concat(
        row("verdict", sample_id="s0", run_id=run.run_id, filter=name, keep=False)
        for name in ("exact", "quality")
    )
    asked = {
        "run_id": run.run_id,
        "recipe": "mine",
        "level": "row",
        "provider": "p",
        "model": "m",
        "messages": "[]",
    }
    asked |= {"sampling": "{}", "reply": "x", "latency_s": 0.1, "attempts": 1, "n_prompt_tokens": 10}
    calls = pl.concat(
        row("call", request_id=f"q{i}", n_completion_tokens=5, cost_usd=price, replayed=bool(i), **asked)
        for i in range(2)
    )
    release = row(
        "release", release_id="rel", run_id=run.run_id, name="mine", edition="e", model="m", n_train=1, n_heldout=1,
        passed=True, gates=[], path="releases/rel", files=[], row_digest="d",
        selection=selection,
    )  # fmt: skip
    metric = row("metric", run_id=run.run_id, scope="run", scope_id=run.run_id, metric="vs2_unbiased", value=12.345, n=2, low=11.0, high=13.0, version="1")  # fmt: skip
    tables = {"sample": samples, "verdict": verdicts, "call": calls, "release": release, "metric": metric}
    run.commit(run.once("all", [], {}, lambda: tables))


def facts(root):
    return {row["what"]: row["value"] for row in summary(root, "rel")}


def test_it_counts_each_dropped_sample_once(tmp_path):
    commit(tmp_path / "w", 0.5)
    assert facts(tmp_path / "w")["samples of mine"].startswith("3 made, 2 kept; dropped: ")
    assert facts(tmp_path / "w")["vs2_unbiased"] == "12.35 (11 to 13)"
    assert facts(tmp_path / "w")["release"] == str(tmp_path / "w" / "releases/rel")


@pytest.mark.parametrize(
    ("price", "said"),
    [
        (0.5, "0.5000 USD; 1 calls, 15 tokens"),
        (None, "unknown: set the prices of the model; 1 calls, 15 tokens"),
    ],
)
def test_cost_counts_what_was_paid_and_is_unknown_when_a_price_is(tmp_path, price, said):
    commit(tmp_path / "w", price)
    assert facts(tmp_path / "w")["cost"] == said


def test_without_a_checkpoint_nothing_is_said_of_losses(tmp_path):
    commit(tmp_path / "w", None)
    assert "held-out loss before / after" not in facts(tmp_path / "w")
    assert "checkpoint" not in facts(tmp_path / "w")


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (
            '{"select": "quota", "rows": 3, "candidates": 9, "control": "c0"}',
            ("selected", "quota, 3 of 9 rows; random control c0"),
        ),
        ('{"select": "quota", "rows": 3, "candidates": 9, "control_of": "r0"}', ("random control of", "r0")),
    ],
)
def test_a_selection_names_its_control_and_a_control_its_selection(tmp_path, selection, said):
    commit(tmp_path / "w", None, selection)
    assert said in facts(tmp_path / "w").items()


def test_without_a_selection_nothing_is_said_of_one(tmp_path):
    commit(tmp_path / "w", None)
    assert not {"selected", "random control of"} & set(facts(tmp_path / "w"))
