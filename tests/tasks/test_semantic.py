import logging

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks import cosine_leaders
from tasks.semantic import semantic
from warehouse import connect
from warehouse.parts import polars_schema
from warehouse.run import begin
from warehouse.withdrawal import withdraw

BLANK = {name: "" if kind == pl.String else None for name, kind in polars_schema("sample").items()}


def turned(degrees, d=8):
    """A vector at this angle from the first axis."""
    vector = np.zeros(d, np.float32)
    vector[:2] = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return vector.tolist()


def made(run, angles, quality=None, dropped=(), model="m", encoder="e", lost=()):
    """Parts of samples at these angles, by name; quality falls from the first to the last unless told."""
    names = list(angles)
    quality = quality or {name: 1 - i / 100 for i, name in enumerate(names)}
    samples = [
        {
            **BLANK,
            "sample_id": n,
            "parent_id": None,
            "run_id": run.run_id,
            "final": True,
            "ordinal": i,
            "model": model,
        }
        for i, n in enumerate(names)
    ]
    verdicts = [
        {
            "sample_id": n,
            "run_id": run.run_id,
            "filter": "quality",
            "keep": n not in dropped,
            "score": quality[n],
        }
        for n in names
    ]
    vectors = [
        {
            "sample_id": n,
            "run_id": run.run_id,
            "encoder": encoder,
            "truncated": False,
            "vector": turned(angles[n]),
        }
        for n in names
        if n not in lost
    ]
    tables = {"sample": samples, "verdict": verdicts, "embedding": vectors}
    frames = {name: pl.DataFrame(rows, schema=polars_schema(name)) for name, rows in tables.items()}
    return run.once("made", [], {"angles": angles}, lambda: frames)


def of(table, parts):
    return [part for part in parts if part.table == table]


def judged(run, parts, threshold=None, among=""):
    found = semantic.fn(
        run, of("sample", parts), of("verdict", parts), of("embedding", parts), threshold, among
    )
    return found, {part.table: run.read(part) for part in found}


def near(rows, kind):
    return {
        r["sample_id"]: r["neighbour_id"] for r in rows.filter(pl.col("kind") == kind).iter_rows(named=True)
    }


def test_the_far_end_of_a_chain_is_kept_and_a_dropped_sample_names_its_witness(run):
    _, rows = judged(run, made(run, {"a": 0, "b": 20, "c": 40}), float(np.cos(np.deg2rad(25))))
    verdicts = rows["verdict"].sort("sample_id")
    assert verdicts["keep"].to_list() == [True, False, True]
    assert verdicts["witness_id"].to_list() == [None, "a", None]
    assert verdicts["score"].to_list() == [
        None,
        pytest.approx(np.cos(np.deg2rad(20))),
        pytest.approx(np.cos(np.deg2rad(40))),
    ]
    assert verdicts["reason"].to_list()[1] == "means the same as a sample that comes first"
    assert near(rows["neighbour"], "all") == {"a": "c", "c": "a"}


def test_the_better_of_two_is_kept_whatever_their_order(run):
    parts = made(run, {"a": 0, "b": 1, "c": 90}, quality={"a": 0.2, "b": 0.9, "c": 0.5})
    _, rows = judged(run, parts, 0.9)
    assert rows["verdict"].filter(~pl.col("keep"))["sample_id"].to_list() == ["a"]


def test_without_a_threshold_nothing_is_judged_and_the_log_tells_what_would_fall(run, caplog):
    with caplog.at_level(logging.INFO, logger="seedloom.semantic"):
        _, rows = judged(run, made(run, {"a": 0, "b": 20, "c": 90}))  # cos 20 = 0.940, cos 70 = 0.342
    assert set(rows) == {"neighbour"}
    assert near(rows["neighbour"], "prior") == {"b": "a", "c": "b"}
    assert near(rows["neighbour"], "all") == {"a": "b", "b": "a", "c": "b"}
    assert "of 3 samples" in caplog.text
    assert "1 at 0.80, 1 at 0.85, 1 at 0.90, 0 at 0.95" in caplog.text


def test_what_an_earlier_filter_dropped_and_what_has_no_vector_is_not_compared(run):
    parts = made(run, {"a": 0, "b": 1, "c": 2, "d": 60}, dropped=("a",), lost=("b",))
    _, rows = judged(run, parts, 0.9)
    assert rows["verdict"]["sample_id"].to_list() == ["c", "d"]
    assert rows["verdict"]["keep"].all()


def test_no_vectors_give_no_rows(run):
    parts = made(run, {"a": 0}, lost=("a",))
    assert semantic.fn(run, of("sample", parts), of("verdict", parts), [], 0.9, "") == []


def test_vectors_of_two_encoders_and_a_threshold_out_of_range_are_refused(run):
    parts = made(run, {"a": 0})
    other = made(run, {"b": 0}, encoder="other")
    with pytest.raises(BadInput, match="2 encoders: \\['e', 'other'\\]"):
        judged(run, [*parts, *other])
    with pytest.raises(BadInput, match=r"threshold 1\.5 of the filter semantic is outside of \(0, 1\]"):
        judged(run, parts, 1.5)


def later(run, edition):
    return begin(run.root, "corpus", "test", edition, {})


def committed(run, angles, threshold=None, among="model = 'm'", **how):
    parts = made(run, angles, **how)
    run.commit([*parts, *judged(run, parts, threshold, among)[0]])


def nearest(root, version=None):
    with connect(root, version) as connection:
        found = connection.sql("SELECT * FROM nearest ORDER BY sample_id").pl()
    return {r["sample_id"]: (r["prior_id"], r["all_id"]) for r in found.iter_rows(named=True)}


def test_a_new_run_moves_what_is_nearest_by_now_and_never_what_was_nearest_then(run):
    committed(run, {"a": 0, "b": 50})
    assert nearest(run.root) == {"a": (None, "b"), "b": ("a", "a")}
    committed(later(run, "second"), {"c": 10, "d": 100})
    assert nearest(run.root) == {"a": (None, "c"), "b": ("a", "c"), "c": ("a", "a"), "d": ("b", "b")}


def test_a_row_is_written_only_for_an_earlier_sample_that_comes_to_have_a_nearer_one(run):
    committed(run, {"a": 0, "b": 50})
    second = later(run, "second")
    _, rows = judged(second, made(second, {"c": 60}), None, "model = 'm'")
    assert near(rows["neighbour"], "all") == {"b": "c", "c": "b"}


def test_earlier_samples_of_another_lineage_or_encoder_or_dropped_ones_are_not_compared_with(run):
    committed(run, {"a": 0, "b": 30}, dropped=("b",))
    committed(later(run, "other"), {"o": 20}, model="other", among="")
    committed(later(run, "encoder"), {"p": 20}, encoder="other", among="")
    last = later(run, "last")
    _, rows = judged(last, made(last, {"c": 25}), 0.9, "model = 'm'")
    assert near(rows["neighbour"], "prior") == {"c": "a"}
    assert rows["verdict"]["witness_id"].to_list() == ["a"]
    _, alone = judged(last, made(last, {"c": 25}), 0.9, "")
    assert alone["verdict"]["keep"].to_list() == [True]


def test_an_index_gives_the_same_verdicts_and_says_its_recall(run, monkeypatch):
    angles = {f"s{i:03}": i * 0.7 for i in range(400)}
    parts = made(run, angles)
    _, exact = judged(run, parts, 0.9999)
    monkeypatch.setattr(cosine_leaders, "EXACT_PAIRS", 0)
    _, cells = judged(later(run, "cells"), made(later(run, "cells"), angles), 0.9999)
    assert "metric" not in exact
    assert cells["metric"].select("metric", "scope", "n").rows() == [("semantic_recall", "run", 400)]
    assert cells["metric"]["low"][0] > 0.9
    assert (exact["verdict"]["keep"] == cells["verdict"]["keep"]).mean() > 0.97


def wholly(root):
    with connect(root) as connection:
        return connection.sql("SELECT * FROM nearest ORDER BY sample_id").pl()


ANGLES = st.lists(st.integers(0, 3600), min_size=1, max_size=5)


@settings(max_examples=3)
@given(ANGLES, ANGLES, ANGLES, st.sampled_from([None, 0.98]))
def test_to_add_a_run_and_to_withdraw_it_is_to_do_nothing(tmp_path_factory, one, two, three, threshold):
    root = tmp_path_factory.mktemp("warehouse")
    states = []
    for edition, angles in zip("abc", (one, two, three), strict=True):
        run = begin(root, "corpus", "test", edition, {})
        committed(run, {f"{edition}{i}": a / 10 for i, a in enumerate(angles)}, threshold)
        states.append((run.run_id, wholly(root)))
    last = states[2][1]
    withdraw(root, states[2][0])
    assert wholly(root).equals(states[1][1])
    withdraw(root, states[1][0])
    assert wholly(root).equals(states[0][1])
    assert last.height >= states[0][1].height


def test_to_withdraw_a_run_in_the_middle_leaves_what_others_found_and_is_never_too_near(run):
    committed(run, {"a": 0, "b": 50})
    second = later(run, "second")
    committed(second, {"c": 10})
    committed(later(run, "third"), {"d": 20, "e": 52})
    assert nearest(run.root) == {
        "a": (None, "c"), "b": ("a", "e"), "c": ("a", "a"), "d": ("c", "c"), "e": ("b", "b"),
    }  # fmt: skip
    withdraw(run.root, second.run_id)
    # d is nearer to a than b is, but was not told: c was nearer then. d itself had no other nearest.
    assert nearest(run.root) == {"a": (None, "b"), "b": ("a", "e"), "d": ("c", None), "e": ("b", "b")}
