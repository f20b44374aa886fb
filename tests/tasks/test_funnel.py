import json

import polars as pl
import pytest

from tasks.funnel import funnel, keep_rate_gap


def samples(n=10, labels=None):
    rows = [{"sample_id": "root", "parent_id": None, "final": False, "slots": "{}"}]
    for i in range(n):
        slots = json.dumps({"label": labels[i]} if labels else {})
        rows.append(
            {"sample_id": f"s{i}", "parent_id": "root" if i < 2 else None, "final": True, "slots": slots}
        )
    return pl.DataFrame(rows)


def verdicts(dropped):
    rows = [(i, name, False) for name, ids in dropped.items() for i in ids]
    rows += [("s9", name, True) for name in (*dropped, "idle")]
    return pl.DataFrame(
        rows,
        schema={"sample_id": pl.String, "filter": pl.String, "keep": pl.Boolean},
        orient="row",
    )


def values(estimates):
    return {name: estimate.value for name, estimate in estimates.items()}


def test_the_funnel_counts_final_samples_at_each_step():
    found = funnel(samples(), verdicts({"quality": ["s2", "s3"], "exact": ["s3", "s4", "s5"]}), asked=12)
    assert values(found) == {
        "asked": 12,
        "made": 10,
        "kept": 6,
        "kept_share": 0.6,
        "dropped_exact": 3,
        "dropped_idle": 0,
        "dropped_quality": 2,
        "valid_share": 0.8,
    }
    assert found["kept_share"].low < 0.6 < found["kept_share"].high


def test_a_filter_is_charged_for_what_grew_from_what_it_dropped():
    found = values(funnel(samples(), verdicts({"rouge": ["root"]})))
    assert (found["dropped_rouge"], found["kept"]) == (2, 8)
    assert "asked" not in found


def test_verdicts_on_samples_of_another_scope_do_not_count():
    found = values(funnel(samples(3), verdicts({"rouge": ["s9"], "exact": ["s1"]})))
    assert found == {"made": 3, "kept": 2, "kept_share": pytest.approx(2 / 3), "dropped_exact": 1}


def test_nothing_made_is_a_count_of_0_and_an_unknown_share():
    found = values(funnel(samples(0), verdicts({})))
    assert found == {"made": 0, "kept": 0, "kept_share": None}


def test_the_gap_between_labels_is_that_of_their_kept_shares():
    labelled = samples(10, ["a"] * 5 + ["b"] * 5)
    assert keep_rate_gap(labelled, verdicts({"quality": ["s0", "s1", "s5"]})) == pytest.approx(0.8 - 0.6)
    assert keep_rate_gap(labelled, verdicts({})) == 0
    assert keep_rate_gap(samples(10, ["a"] * 10), verdicts({})) is None
    assert keep_rate_gap(samples(), verdicts({})) is None
