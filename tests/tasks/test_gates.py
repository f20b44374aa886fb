import polars as pl
import pytest

from schemas.settings import Curation
from tasks.gates import WATCHED, judge_gates
from warehouse.parts import polars_schema


def chosen(sides, texts=None, roots=None):
    n = len(sides)
    return pl.DataFrame(
        {
            "split": sides,
            "text": texts or [f"text {i}" for i in range(n)],
            "root_id": roots or [f"r{i}" for i in range(n)],
        }
    )


def gates(run, frame, metrics=None, **curation):
    rows = [
        dict.fromkeys(polars_schema("metric"))
        | {
            "run_id": "r",
            "scope": "run",
            "scope_id": "r",
            "metric": name,
            "value": value,
            "n": 1,
            "version": "1",
        }
        for name, value in (metrics or {}).items()
    ]
    measured = pl.DataFrame(rows, schema=polars_schema("metric"))
    parts = run.once("metrics", [], {"m": metrics}, lambda: {"metric": measured})
    return {gate.name: gate for gate in judge_gates(run, parts, frame, Curation(min_train=2, **curation))}


GOOD = ["train", "train", "heldout"]


def test_a_sound_corpus_passes_what_blocks(run):
    assert [(gate.blocks, gate.passed) for gate in gates(run, chosen(GOOD)).values()] == [(True, True)] * 4


@pytest.mark.parametrize(
    ("frame", "gate", "value"),
    [
        (chosen(["train", "heldout"]), "size", 1),
        (chosen(["train", "train"]), "heldout", 0),
        (chosen(GOOD, roots=["a", "b", "a"]), "split", 1),
        (chosen(GOOD, texts=["same", "other", "same"]), "exact", 1),
    ],
)
def test_each_blocking_gate_fails_alone(run, frame, gate, value):
    judged = gates(run, frame)
    assert (judged[gate].passed, judged[gate].value) == (False, value)
    assert all(other.passed for name, other in judged.items() if name != gate)


@pytest.mark.parametrize(
    ("name", "good", "bad"), [(n, 1.0 if w[1] else 0.0, 0.0 if w[1] else 1.0) for n, w in WATCHED.items()]
)
def test_what_is_watched_is_judged_and_blocks_nothing(run, name, good, bad):
    assert gates(run, chosen(GOOD), {name: good})[name].passed
    failed = gates(run, chosen(GOOD), {name: bad})[name]
    assert (failed.passed, failed.blocks) == (False, False)


def test_what_cannot_be_known_does_not_pass(run):
    assert gates(run, chosen(GOOD), {"rouge_nn_share": None})["rouge_nn_share"].passed is None


def test_every_metric_that_is_watched_is_measured():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()
    assert [name for name in WATCHED if f"`{name}`" not in page] == []
