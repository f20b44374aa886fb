import json
import logging

import polars as pl
import pytest
from given import row
from growing import asked_run

from schemas.settings import Settings
from tasks.bootstrap import bootstrap
from tasks.estimate import account, compared, forecast, taken, told, units_of
from tasks.expand import Shard, expand
from tasks.recipe import load_recipe
from tasks.rouge import rouge
from tasks.sources import source
from warehouse.files import write_durably
from warehouse.parts import write_part

SAID = {"quantity": "requests", "value": 100.0, "low": 90.0, "high": 110.0, "n": 4}


def call(i, level="story", cost=0.5, reply="text", tokens=10):
    facts = {"run_id": "r", "recipe": "tiny_stories", "level": level, "provider": "p", "model": "m"}
    facts |= {"messages": "[]", "sampling": "{}", "attempts": 1, "replayed": False, "latency_s": 2.0}
    counts = {"n_prompt_tokens": tokens, "n_completion_tokens": 2 * tokens}
    return row("call", request_id=f"c{i}", reply=reply, cost_usd=cost, **counts, **facts)


def sample(i, call_id, root):
    facts = {
        "run_id": "r",
        "recipe": "tiny_stories",
        "level": "story",
        "final": True,
        "text": "t",
        "slots": "{}",
    }
    facts |= {"language": "en", "origin": "generated", "ordinal": i}
    return row("sample", sample_id=f"s{i}", root_id=root, request_id=call_id, **facts)


def test_each_tree_is_a_unit_and_so_is_a_call_that_gave_nothing():
    calls = pl.concat([call(1), call(2), call(3), call(4, reply=None, cost=None, tokens=0)])
    samples = pl.concat([sample(1, "c1", "s1"), sample(2, "c2", "s1"), sample(3, "c3", "s3")])
    values = sorted(units_of(calls, samples).values.tolist())
    assert values == [[1, 0, 0, 0, 2], [1, 10, 20, 0.5, 2], [2, 20, 40, 1.0, 4]]


def test_samples_of_one_reply_do_not_count_it_twice():
    units = units_of(call(1), pl.concat([sample(1, "c1", "s1"), sample(2, "c1", "s1")]))
    assert units.values.tolist() == [[1, 10, 20, 0.5, 2]]


def test_a_reply_without_price_makes_the_cost_unknown():
    totals = taken(pl.concat([call(1), call(2, cost=None)]), Settings(), 1)
    assert totals["cost_usd"] is None and totals["requests"] == 2 and totals["prompt_tokens"] == 20


def test_a_tree_recipe_is_forecast_from_its_trees(run):
    parts = [
        write_part(run.root, run.run_id, "call", pl.concat([call(i, tokens=10 + i % 2) for i in range(10)])),
        write_part(
            run.root, run.run_id, "sample", pl.concat([sample(i, f"c{i}", f"s{i}") for i in range(10)])
        ),
    ]
    totals, steps = forecast(run, load_recipe("tiny_stories"), parts, 100)
    assert totals["requests"].value == 100 and totals["prompt_tokens"].value == 1050 and steps == 1
    assert totals["prompt_tokens"].low < 1050 < totals["prompt_tokens"].high


def test_a_recipe_with_a_source_is_forecast_for_the_rows_there_are(tmp_path):
    rows = tmp_path / "three.jsonl"
    rows.write_text(
        "".join(json.dumps({"question": f"Why is {w} so?"}) + "\n" for w in ("ice", "tar", "rye"))
    )
    run, settings = asked_run(tmp_path / "w", "explanation_traces"), Settings(root=tmp_path / "w")
    roots = source.fn(run, "explanation_traces", 500, [str(rows)])
    probe = expand.fn(run, "explanation_traces", Shard(0, 2), roots, settings)
    totals, _ = forecast(run, load_recipe("explanation_traces"), [*roots, *probe], 500)
    assert totals["requests"].value == 3


def test_a_pool_that_is_all_of_its_recipe_is_forecast_without_trees(tmp_path):
    run, settings = asked_run(tmp_path, "alpaca"), Settings(root=tmp_path)
    found = bootstrap.fn(run, "alpaca", 0, 64, [], "false", settings)
    parts = [*found, *rouge.fn(run, found, [], "alpaca", "false")]
    totals, _ = forecast(run, load_recipe("alpaca"), parts, 200)
    assert totals["requests"].low <= totals["requests"].value <= totals["requests"].high
    assert 10 <= totals["requests"].value <= 40


def test_it_is_told_in_one_line():
    assert told(SAID) == "requests: 100 (95%: 90 to 110)"
    assert told({**SAID, "value": None}) == "requests: unknown"


@pytest.mark.parametrize(
    ("row", "value", "line"),
    [
        (SAID, 120.0, "estimate: requests: 100 (95%: 90 to 110); it took 120, +20.0%"),
        ({**SAID, "value": None}, 120.0, "estimate: requests: unknown; it took 120.0"),
        (SAID, None, "estimate: requests: 100 (95%: 90 to 110); it took an unknown amount"),
    ],
)
def test_how_far_off_it_was_is_told_in_one_line(row, value, line):
    assert compared(row, value) == line


def test_a_run_that_began_with_an_estimate_accounts_for_it(run, caplog):
    made = [write_part(run.root, run.run_id, "call", pl.concat([call(1), call(2)]))]
    assert account.fn(run, made, Settings()) == []
    rows = [{"scope": "run", "scope_id": run.run_id, **SAID}]
    write_durably(run.folder / "estimate.json", json.dumps(rows).encode())
    with caplog.at_level(logging.INFO, "seedloom.estimate"):
        (part,) = account.fn(run, made, Settings())
    assert "it took 2, -98.0%" in caplog.text
    metrics = {each["metric"]: each["value"] for each in run.read(part).to_dicts()}
    assert metrics["estimated_requests"] == 100.0 and metrics["hours"] > 0
