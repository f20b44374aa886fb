import uuid

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import SeedloomError
from tasks.exact import exact, judge
from tasks.signature import signatures
from tasks.tokens import words
from warehouse.parts import polars_schema
from warehouse.run import begin

TEXTS = st.lists(st.sampled_from(["a b", "A, B!", "b a", "", "...", "c", "你 好", "你好"]), max_size=9)
DIGESTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans()), max_size=20)


def put(run, texts, ids, level="row", ordinals=None):
    """Final samples as parts of a run."""
    given = {
        "sample_id": ids,
        "text": texts,
        "ordinal": range(len(ids)) if ordinals is None else [ordinals] * len(ids),
    }
    schema = polars_schema("sample")
    nullable = {
        "parent_id",
        "messages",
        "instruction",
        "input",
        "output",
        "origin_id",
        "model",
        "licence",
        "request_id",
    }
    rest = [n for n in schema if n not in given and n not in {"final", "run_id", "level"}]
    others = {n: pl.lit(None if n in nullable else "", schema[n]) for n in rest}
    made = pl.DataFrame(given).with_columns(
        **others, final=pl.lit(True), run_id=pl.lit(run.run_id), level=pl.lit(level)
    )
    return run.once("put", [], {"ids": ids}, lambda: {"sample": made})


def quality_of(run, scores):
    rows = [
        {"sample_id": i, "run_id": run.run_id, "filter": "quality", "keep": score > 0.2, "score": score}
        for i, score in scores.items()
    ]
    made = pl.DataFrame(rows, schema=polars_schema("verdict"))
    return run.once("quality", [], scores, lambda: {"verdict": made})


@given(DIGESTS)
def test_each_repeats_the_first_with_its_digest_both_halves_of_it(rows):
    digests = np.array([row[:2] for row in rows], np.uint64).reshape(-1, 2)
    known = np.array([row[2] for row in rows], bool)
    expected = [
        next((j for j in range(i) if rows[j] == row), -1) if row[2] else -1 for i, row in enumerate(rows)
    ]
    assert judge(digests, known).tolist() == expected


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, st.randoms(use_true_random=False))
def test_the_first_of_each_text_stays_whatever_the_order_of_rows_and_their_parts(tmp_path, texts, random):
    names = [f"s{i}" for i in range(len(texts))]
    found = []
    for _ in range(2):
        run = begin(tmp_path / uuid.uuid4().hex, "curate", "test", "now", {})
        order, cut = random.sample(names, len(names)), random.randint(0, len(names))
        groups = [group for group in (order[:cut], order[cut:]) if group]
        samples = [put(run, [texts[int(i[1:])] for i in group], group, ordinals=0)[0] for group in groups]
        rows = [row for part in exact.fn(run, samples, [], signatures.fn(run, samples, 3), "")
                for row in run.read(part).select("sample_id", "keep", "witness_id").rows()]  # fmt: skip
        found.append(sorted(rows))
    assert found[0] == found[1]
    said = [" ".join(words(text)) for text in texts]
    firsts = [said.index(text) if text else i for i, text in enumerate(said)]
    assert found[0] == [(f"s{i}", i == j, None if i == j else f"s{j}") for i, j in enumerate(firsts)]


def test_the_best_of_equal_texts_stays_and_the_others_name_it(run):
    samples = put(run, ["A cat.", "a CAT", "a dog", "a cat!", "A CAT"], ["n1", "n2", "n3", "n4", "n5"])
    quality = quality_of(run, {"n1": 0.5, "n2": 0.9, "n3": 0.3, "n4": 0.9})
    (part,) = exact.fn(run, samples, quality, signatures.fn(run, samples, 3), "")
    witnesses = ["n2", None, None, "n2", "n2"]
    assert run.read(part)["witness_id"].to_list() == witnesses
    assert run.read(part)["keep"].to_list() == [name is None for name in witnesses]


def test_old_signatures_without_a_digest_repeat_nothing_and_missing_ones_are_an_error(run):
    samples = put(run, ["a cat", "A cat"], ["n1", "n2"])
    signed = signatures.fn(run, samples, 3)
    blank = run.read(signed[0]).with_columns(digest=pl.lit(None, pl.Binary))
    old = run.once("old", [], {}, lambda: {"signature": blank})
    assert run.read(exact.fn(run, samples, [], old, "")[0])["keep"].all()
    assert run.read(exact.fn(run, samples, [], signed, "")[0])["keep"].to_list() == [True, False]
    with pytest.raises(SeedloomError, match="2 samples, for one n1, have no signature"):
        exact.fn(run, samples, [], [], "")


def test_the_task_judges_against_this_run_and_the_clean_lineage_and_leaves_the_dropped_alone(tmp_path):
    old = begin(tmp_path, "curate", "test", "old", {})
    committed = put(old, ["A bird sang", "other lineage"], ["o1", "o2"], level="story")
    old.commit([*committed, *signatures.fn(old, committed, 3)])
    run = begin(tmp_path, "curate", "test", "new", {})
    texts = ["a bird sang!", "A frog", "a frog", "a frog.", "Other lineage"]
    samples = put(run, texts, ["n1", "n2", "n3", "n4", "n5"])
    quality = quality_of(run, {"n1": 1.0, "n2": 0.5, "n3": 0.9, "n4": 0.1})
    signed = signatures.fn(run, samples, 3)
    (part,) = exact.fn(run, samples, quality, signed, "sample_id <> 'o2'")
    rows = run.read(part).select("sample_id", "keep", "score", "witness_id").rows()
    assert rows == [
        ("n1", False, 1.0, "o1"),
        ("n2", False, 1.0, "n3"),
        ("n3", True, 0.0, None),
        ("n5", True, 0.0, None),
    ]
    (alone,) = exact.fn(run, samples, quality, signed, "")
    assert run.read(alone).row(0)[3:5] == (True, 0.0)


def test_a_run_of_no_samples_has_no_verdicts(run):
    assert exact.fn(run, [], [], [], "") == []
    samples = put(run, ["a"], ["n1"])
    assert exact.fn(run, samples, quality_of(run, {"n1": 0.0}), signatures.fn(run, samples, 3), "") == []
