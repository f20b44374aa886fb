import json

import polars as pl
import pytest
from given import row

from schemas.llm import OFFLINE
from tasks.card import card, table


def make_card(run, model, **release):
    dropped = row("verdict", sample_id="s", run_id="r", filter="minhash", keep=False)
    metric = row(
        "metric",
        run_id="r",
        scope="run",
        scope_id="r",
        metric="vs2_unbiased",
        value=12.3456,
        n=9,
        version="1",
    )
    parts = run.once("facts", [], {}, lambda: {"verdict": dropped, "metric": metric})
    chosen = row("sample", sample_id="s", recipe="mine", model=model, licence="CC0-1.0", language="en")
    chosen = chosen.with_columns(split=pl.lit("train"))
    gates = [
        {"name": "size", "passed": True, "value": 1.0, "threshold": 1.0, "blocks": True, "rule": "at least"}
    ]
    return card(
        run,
        parts,
        chosen,
        {"release_id": "rel", "n_train": 1, "n_heldout": 0, "row_digest": "d", "gates": gates, **release},
    )


def test_it_states_counts_licence_model_drops_gates_and_metrics(run):
    text = make_card(run, "gpt-x")
    for fact in (
        "mine | gpt-x | CC0-1.0 | en | train | 1",
        "minhash | 1",
        "size | True",
        "vs2_unbiased | 12.35 | 9",
    ):
        assert fact in text


@pytest.mark.parametrize(("model", "honest"), [(OFFLINE, True), ("gpt-x", False)])
def test_it_says_when_a_template_generator_wrote_the_texts(run, model, honest):
    assert ("not by a language model" in make_card(run, model)) is honest


def test_it_holds_no_clock_and_no_path(run):
    assert str(run.root) not in make_card(run, "m")
    assert run.started_at[:10] not in make_card(run, "m")


@pytest.mark.parametrize(("tokens", "size"), [(None, "rows"), (500, "words")])
def test_the_card_of_a_control_says_by_what_it_is_as_large_and_whose_metrics_these_are(run, tokens, size):
    how = json.dumps({"select": "quota", "select_tokens": tokens, "rows": 1, "control_of": "other"})
    text = make_card(run, "m", selection=how)
    assert f"random control of release `other`: as many training {size} by chance" in text
    assert "are those of all that the run kept, not of the selection" in text


def test_a_cell_cannot_break_the_table():
    assert table(pl.DataFrame({"a": ["x|y\nz", None]})).splitlines()[2:] == ["| x\\|y z |", "|  |"]
    assert table(pl.DataFrame()) == "none"
