import hashlib

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.exact import digests, exact, judge
from warehouse.parts import polars_schema
from warehouse.run import begin

TEXTS = st.lists(st.sampled_from(["a b", "A, B!", "b a", "", "...", "c", "你 好", "你好"]), max_size=9)


def frame(texts, quality=None, start=0):
    names = [f"s{i + start}" for i in range(len(texts))]
    columns = {"sample_id": names, "quality": quality or [None] * len(texts), "ordinal": [0] * len(texts)}
    schema = {"sample_id": pl.String, "quality": pl.Float64, "ordinal": pl.Int64}
    return pl.DataFrame(columns, schema=schema).with_columns(digests(pl.Series(texts, dtype=pl.String)))


def decided(new, earlier=None):
    earlier = frame([]) if earlier is None else earlier
    found = judge(new, earlier.with_columns(run_id=pl.lit("old"))).sort("sample_id")
    return {i: (keep, witness) for i, keep, witness in found.select("sample_id", "keep", "witness_id").rows()}


def put(run, texts, ids, level="row"):
    """Final samples as parts of a run."""
    given = {"sample_id": ids, "text": texts, "ordinal": range(len(ids))}
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


def test_the_digest_is_blake2b_of_the_words():
    words = "don t stop 你 好 ".encode()
    assert digests(pl.Series(["Don't STOP, 你好", "!"])).to_list() == [
        hashlib.blake2b(words, digest_size=16).digest(),
        None,
    ]


def test_the_best_of_equal_texts_stays_and_the_others_name_it():
    new = frame(["A cat.", "a CAT", "a dog", "a cat!"], quality=[0.5, 0.9, 0.1, 0.9])
    assert decided(new) == {"s0": (False, "s1"), "s1": (True, None), "s2": (True, None), "s3": (False, "s1")}


def test_an_earlier_sample_precedes_even_a_better_one():
    assert decided(frame(["a cat"], quality=[1.0]), frame(["A cat", "a cat"], start=8)) == {
        "s0": (False, "s8")
    }


def test_texts_without_words_repeat_nothing():
    assert decided(frame(["", "...", "  "]), frame([""], start=8)) == {
        f"s{i}": (True, None) for i in range(3)
    }


@settings(deadline=None, max_examples=40)
@given(TEXTS, st.randoms(use_true_random=False))
def test_one_of_each_text_stays_whatever_the_order_of_the_rows(texts, random):
    new = frame(texts)
    shuffled = new[random.sample(range(len(texts)), len(texts))]
    found = decided(new)
    assert decided(shuffled) == found
    kept = new.filter(pl.Series([found[i][0] for i in new["sample_id"]], dtype=pl.Boolean))[
        "digest"
    ].drop_nulls()
    assert sorted(kept) == sorted(set(new["digest"].drop_nulls()))


def test_the_task_judges_against_this_run_and_the_clean_lineage_and_leaves_the_dropped_alone(tmp_path):
    old = begin(tmp_path, "curate", "test", "old", {})
    old.commit(put(old, ["A bird sang", "other lineage"], ["o1", "o2"], level="story"))
    run = begin(tmp_path, "curate", "test", "new", {})
    texts = ["a bird sang!", "A frog", "a frog", "a frog.", "Other lineage"]
    samples = put(run, texts, ["n1", "n2", "n3", "n4", "n5"])
    quality = quality_of(run, {"n1": 1.0, "n2": 0.5, "n3": 0.9, "n4": 0.1})
    (part,) = exact.fn(run, samples, quality, "sample_id <> 'o2'")
    rows = run.read(part).select("sample_id", "keep", "score", "witness_id").rows()
    assert rows == [
        ("n1", False, 1.0, "o1"),
        ("n2", False, 1.0, "n3"),
        ("n3", True, 0.0, None),
        ("n5", True, 0.0, None),
    ]
    (alone,) = exact.fn(run, samples, quality, "")
    assert run.read(alone).row(0)[3:5] == (True, 0.0)


def test_a_run_of_no_samples_has_no_verdicts(run):
    assert exact.fn(run, [], [], "") == []
    samples = put(run, ["a"], ["n1"])
    assert exact.fn(run, samples, quality_of(run, {"n1": 0.0}), "") == []
