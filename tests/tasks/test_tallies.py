import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import coverage, tallies
from tasks.design import Design
from tasks.intervals import median, median_of_counts, ratio
from tasks.tallies import added, counted, estimates, from_rows, of, taken_off, to_rows
from warehouse.parts import conform

NOUNS, VERBS = ["dog", "cat", "hen"], ["run", "cry"]
GRID = Design(("words",), (3, 2))
TOLD = st.tuples(
    st.sampled_from(NOUNS), st.sampled_from(VERBS), st.booleans(), st.booleans(), st.sampled_from("ab")
)


def frame(told, first=0):
    """Texts that were asked for a noun and a verb, and have them or not."""
    texts = [" ".join(["the", *([n] if has else []), *([v] if does else [])]) for n, v, has, does, _ in told]
    slots = [json.dumps({"words": [n, v], "label": label}) for n, v, _, _, label in told]
    ids = [f"s{first + i}" for i in range(len(told))]
    kinds = {"sample_id": pl.String, "text": pl.String, "slots": pl.String}
    return pl.DataFrame({"sample_id": ids, "text": texts, "slots": slots}, schema=kinds)


@given(st.lists(TOLD, max_size=20), st.lists(TOLD, max_size=20))
@settings(max_examples=60)
def test_counts_add_over_sets_and_adding_then_taking_off_is_the_identity(one, two):
    a, b = counted(frame(one), GRID), counted(frame(two, len(one)), GRID)
    whole = counted(frame(one + two), GRID)
    assert added([a, b]) == whole
    assert taken_off(whole, b) == taken_off(a, {})
    assert from_rows(to_rows("r", "x", whole)) == whole


@given(st.lists(TOLD, min_size=2, max_size=20))
@settings(max_examples=40)
def test_statistics_of_counts_are_those_of_the_rows(told):
    found = estimates(counted(frame(told), GRID), GRID.sizes)
    texts, requests = frame(told)["text"].to_list(), [[n, v] for n, v, *_ in told]
    hits = np.array([has + does for _, _, has, does, _ in told])
    assert found["slot_hit_rate"] == pytest.approx(ratio(hits, np.full(len(told), 2)))
    asked = [coverage.look_up(*pair) for pair in zip(texts, requests, strict=True)]
    assert found["pair_coverage"] == coverage.cell_coverage(asked, GRID.sizes, 2)
    assert found["word_coverage"] == coverage.cell_coverage(asked, GRID.sizes, 1)
    labels = [label for *_, label in told]
    assert found["label_min_share"].value == coverage.label_min_share(labels)


def test_the_pairs_of_words_are_counted_by_name():
    told = [("dog", "run", True, True, "a")] * 2 + [("cat", "cry", True, False, "b")]
    counts = counted(frame(told), GRID)
    assert of(counts, "pair/0+1") == {"dog\trun": 2}
    assert of(counts, "word/0") == {"dog": 2, "cat": 1}
    assert of(counts, "whole") == {"n": 3}


def test_the_rate_of_each_slot_stands_alone():
    slots = [json.dumps({"words": ["dog"], "names": ["Tim", "Ann"]})] * 2
    told = pl.DataFrame({"sample_id": ["a", "b"], "text": ["a dog and Tim", "Ann"], "slots": slots})
    found = tallies.slot_estimates(counted(told, Design(("words", "names"))))
    assert {name: estimate.value for name, estimate in found.items()} == {"words": 0.5, "names": 0.5}
    assert {estimate.n for estimate in found.values()} == {2}


def test_rows_are_of_their_table():
    rows = conform("tally", to_rows("run", "tales", counted(frame([("dog", "run", True, True, "a")]), GRID)))
    assert rows.select("run_id", "recipe").unique().rows() == [("run", "tales")]


def test_labels_that_are_no_classes_are_not_stored(monkeypatch):
    monkeypatch.setattr(tallies, "LABELS", 1)
    counts = counted(frame([("dog", "run", True, True, "a"), ("dog", "run", True, True, "b")]), GRID)
    assert "label_kept" not in to_rows("r", "x", counts)["statistic"].to_list()
    assert "label_min_share" not in estimates(counts, GRID.sizes)


@given(st.lists(st.integers(0, 6), min_size=2, max_size=40))
def test_the_median_of_counted_values_is_that_of_the_values(values):
    seen, counts = np.unique(values, return_counts=True)
    assert median_of_counts(seen[::-1], counts[::-1]) == median(np.array(values))


def test_the_fingerprint_knows_the_set_and_not_its_order():
    assert tallies.fingerprint("abc") == tallies.fingerprint("cba") != tallies.fingerprint("abd")
    assert tallies.fingerprint("abc") == sum(tallies.fingerprint(i) for i in "abc")
