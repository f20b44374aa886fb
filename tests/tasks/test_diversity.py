import json
import zlib

import numpy as np
import polars as pl
import pytest

from schemas.errors import BadInput
from tasks.diversity import diversity
from tasks.spread import unit
from warehouse.parts import polars_schema
from warehouse.run import begin

WORDS = [f"w{i}" for i in range(200)]


def text_of(i):
    return " ".join(np.random.default_rng(i).choice(WORDS, 20))


def made(run, samples, dropped=(), vectors=None, encoder="enc"):
    """Parts from samples (id, parent, final, recipe, slots), dropped (filter, id) and id -> vector."""
    blank = {column: "" if kind == pl.String else None for column, kind in polars_schema("sample").items()}
    rows = [
        {
            **blank,
            "sample_id": i,
            "parent_id": parent,
            "root_id": parent or i,
            "final": final,
            "recipe": recipe,
            "slots": json.dumps(slots),
            "text": text_of(zlib.crc32(i.encode())),
            "ordinal": n,
            "run_id": run.run_id,
        }
        for n, (i, parent, final, recipe, slots) in enumerate(samples)
    ]
    judged = [{"sample_id": i, "run_id": run.run_id, "filter": f, "keep": False} for f, i in dropped]
    embedded = [
        {"sample_id": i, "run_id": run.run_id, "encoder": encoder, "truncated": False, "vector": v.tolist()}
        for i, v in (vectors or {}).items()
    ]
    tables = {"sample": rows, "verdict": judged, "embedding": embedded}
    frames = {name: pl.DataFrame(data, schema=polars_schema(name)) for name, data in tables.items()}
    return run.once("made", [], {}, lambda: frames)


def plain(n, recipe="mine"):
    return [(f"{recipe}{i:03}", None, True, recipe, {}) for i in range(n)]


def random_vectors(samples, d=8, seed=0):
    rows = unit(np.random.default_rng(seed).standard_normal((len(samples), d)))
    return {sample[0]: row for sample, row in zip(samples, rows, strict=True)}


def measured(run, parts, **settings):
    found = diversity.fn(run, parts, parts, parts, **settings)
    return pl.concat(run.read(part) for part in found if part.table == "metric")


def value(frame, metric, scope="run"):
    return frame.filter((pl.col("metric") == metric) & (pl.col("scope") == scope))["value"].item()


def test_the_run_and_each_recipe_have_their_rows(run):
    parts = made(run, plain(30, "one") + plain(10, "two"))
    found = measured(run, parts, asked={"one": 32, "two": 10})
    scopes = found.select("scope", "scope_id").unique().sort("scope", "scope_id").rows()
    assert scopes == [("recipe", "one"), ("recipe", "two"), ("run", run.run_id)]
    kept = found.filter(pl.col("metric") == "kept").sort("scope_id")
    assert dict(kept.select("scope_id", "value").rows()) == {"one": 30, "two": 10, run.run_id: 40}
    assert value(found, "asked") == 42


def test_the_only_recipe_of_a_run_has_the_numbers_of_the_run(run):
    samples = plain(30)
    found = measured(run, made(run, samples, vectors=random_vectors(samples)))
    drop = ["scope", "scope_id"]
    one, other = (found.filter(pl.col("scope") == s).drop(drop).sort("metric") for s in ("run", "recipe"))
    assert one.equals(other)
    assert one["metric"].is_unique().all()


def test_what_was_dropped_or_grew_from_it_is_counted_and_not_measured(run):
    samples = [("p", None, False, "mine", {}), ("c", "p", True, "mine", {}), *plain(20)]
    parts = made(run, samples, [("rouge", "p"), ("quality", "mine003")], random_vectors(samples))
    found = measured(run, parts)
    assert [value(found, m) for m in ("made", "kept", "dropped_rouge", "dropped_quality")] == [21, 19, 1, 1]
    assert found.filter(metric="vendi")["n"].to_list() == [19, 19]
    assert found.filter(metric="mean_words")["n"].to_list() == [19, 19]


def test_features_are_looked_for_in_the_answer_and_the_language_of_each_sample(run):
    samples = [(f"s{i}", None, True, "mine", {"features": ["dialogue"]}) for i in range(4)]
    (part,) = [part for part in made(run, samples) if part.table == "sample"]
    told = run.read(part).with_columns(language=pl.lit("vi"), output=pl.lit("– Chào bạn!"))
    found = measured(run, run.once("told", [], {}, lambda: {"sample": told}))
    assert value(found, "feature_hit_rate") == value(found, "feature_hit_rate_dialogue") == 1


def test_labels_that_a_filter_drops_more_often_show_a_gap(run):
    samples = [(f"s{i}", None, True, "mine", {"label": "ab"[i % 2]}) for i in range(20)]
    found = measured(run, made(run, samples, [("quality", "s0"), ("quality", "s2")]))
    assert value(found, "keep_rate_gap") == pytest.approx(0.2)
    assert value(found, "label_min_share") == pytest.approx(8 / 18 * 2)


def test_novelty_is_against_earlier_runs_of_the_recipe_and_only_those_meant(run):
    samples = plain(40)
    vectors = random_vectors(samples)
    first = made(run, samples, vectors=vectors)
    assert "novelty_median" not in measured(run, first)["metric"].to_list()
    run.commit([*first, *diversity.fn(run, first, first, first)])
    second = begin(run.root, "corpus", "test", "second", {})
    again = [(f"again{i}", None, True, "mine", {}) for i in range(40)]
    repeated = {sample[0]: row for sample, row in zip(again, vectors.values(), strict=True)}
    parts = made(second, again, vectors=repeated)
    assert value(measured(second, parts), "novelty_median") == pytest.approx(0, abs=1e-6)
    assert "novelty_median" not in measured(second, parts, among="false")["metric"].to_list()
    third = begin(run.root, "corpus", "test", "third", {})
    other = made(third, again, vectors=repeated, encoder="another encoder")
    assert "novelty_median" not in measured(third, other)["metric"].to_list()


def test_a_sample_without_vector_counts_for_the_texts_alone(run):
    samples = plain(20)
    vectors = random_vectors(samples)
    del vectors["mine000"]
    found = measured(run, made(run, samples, vectors=vectors)).filter(scope="run")
    assert dict(found.filter(pl.col("metric").is_in(["kept", "vendi"])).select("metric", "n").rows()) == {
        "kept": 20,
        "vendi": 19,
    }


def test_without_embeddings_there_is_no_row_that_needs_them(run):
    found = measured(run, made(run, plain(20)))
    assert found["encoder"].null_count() == found.height
    assert "vendi" not in found["metric"].to_list()


def test_two_encoders_are_refused(run):
    samples = plain(4)
    parts = made(run, samples, vectors=random_vectors(samples))
    more = run.read(next(p for p in parts if p.table == "embedding")).with_columns(encoder=pl.lit("other"))
    parts += run.once("other", [], {}, lambda: {"embedding": more})
    with pytest.raises(BadInput, match=r"come from 2 encoders: \['enc', 'other'\]"):
        measured(run, parts)


def test_the_measured_parts_are_found_again(run, monkeypatch):
    parts = made(run, plain(20))
    first = diversity.fn(run, parts, parts, parts)
    monkeypatch.setattr("tasks.diversity.made", None)
    assert diversity.fn(run, parts, parts, parts) == first


def test_nothing_kept_is_unknown_and_not_0(run):
    samples = plain(3)
    found = measured(run, made(run, samples, [("exact", s[0]) for s in samples], random_vectors(samples)))
    assert (value(found, "made"), value(found, "kept"), value(found, "kept_share")) == (3, 0, 0)
    counts = pl.col("metric").str.contains("made|kept|dropped")
    assert found.filter(~counts)["value"].null_count() == found.filter(~counts).height


# What is stored, and the lineage


def parts_of(table, parts):
    return [part for part in parts if part.table == table]


def stage(run, parts, **settings):
    """The parts of the stage by table, each as one frame."""
    found = diversity.fn(run, parts, parts, parts, **settings)
    return found, {part.table: run.read(part) for part in found}


def committed(root, name, samples, vectors, dropped=(), **settings):
    run = begin(root, "corpus", "test", name, {})
    parts = made(run, samples, dropped, vectors)
    found, tables = stage(run, parts, **settings)
    run.commit([*parts, *found])
    return run, tables


def named(prefix, n, seed):
    samples = [(f"{prefix}{i:03}", None, True, "mine", {"words": ["w1", "w2"]}) for i in range(n)]
    return samples, random_vectors(samples, seed=seed)


def scope_of(frame, scope):
    return frame.filter(scope=scope).drop("run_id", "scope", "scope_id").sort("metric")


def same(one, other):
    """Whether two tables of statistics agree, sums of float64 to 1e-9."""
    assert one["metric"].to_list() == other["metric"].to_list()
    for column in ("value", "low", "high"):
        assert one[column].is_null().equals(other[column].is_null())
        pairs = zip(one[column].drop_nulls(), other[column].drop_nulls(), strict=True)
        assert all(a == pytest.approx(b, rel=1e-9) for a, b in pairs)
    assert one.select("n", "version", "encoder").equals(other.select("n", "version", "encoder"))


def test_the_stage_stores_one_row_of_sums_and_the_counts_of_each_recipe(run):
    samples = plain(30, "one") + plain(10, "two")
    _, tables = stage(run, made(run, samples, [("quality", "one000")], random_vectors(samples)))
    assert tables["moment"].select("recipe", "encoder", "n").sort("recipe").rows() == [
        ("one", "enc", 29),
        ("two", "enc", 10),
    ]
    counts = tables["tally"].filter(pl.col("statistic").is_in(["made", "kept", "dropped"]), recipe="one")
    assert counts.select("statistic", "item", "n").sort("statistic").rows() == [
        ("dropped", "quality", 1),
        ("kept", "n", 29),
        ("made", "n", 30),
    ]
    cells = tables["tally"].filter(pl.col("statistic") == "cells/directions-64x8/enc", recipe="one")
    assert cells.height == 64 and cells["n"].sum() == 29


def test_the_lineage_of_two_runs_has_the_statistics_of_all_their_samples(tmp_path):
    (one, x), (two, y) = named("a", 40, 1), named("b", 30, 2)
    drop = [("quality", "a000"), ("quality", "b003")]
    committed(tmp_path / "w", "first", one, x, drop[:1])
    _, tables = committed(tmp_path / "w", "second", two, y, drop[1:])
    both = begin(tmp_path / "alone", "corpus", "test", "both", {})
    _, whole = stage(both, made(both, one + two, drop, x | y))
    found = scope_of(tables["metric"], "lineage")
    same(found, scope_of(whole["metric"], "recipe"))
    assert found.filter(metric="kept")["value"].item() == 68


def test_a_run_that_is_withdrawn_leaves_the_lineage_as_if_it_had_never_been(tmp_path):
    (one, x), (two, y), (three, z) = named("a", 30, 1), named("b", 20, 2), named("c", 25, 3)
    committed(tmp_path / "w", "first", one, x)
    committed(tmp_path / "w", "second", two, y)
    last = begin(tmp_path / "w", "corpus", "test", "third", {})
    parts = made(last, three, (), z)
    without = last.model_copy(update={"base_version": 1})  # what the warehouse is without the second run
    _, after = stage(without, parts)
    committed(tmp_path / "never", "first", one, x)
    other = begin(tmp_path / "never", "corpus", "test", "third", {})
    _, never = stage(other, made(other, three, (), z))
    assert scope_of(after["metric"], "lineage").equals(scope_of(never["metric"], "lineage"))


def test_no_old_text_or_vector_is_read_for_what_adds(tmp_path, monkeypatch):
    (one, x), (two, y) = named("a", 40, 1), named("b", 30, 2)
    committed(tmp_path / "w", "first", one, x)
    monkeypatch.setattr("tasks.lineage._again", None)  # the state holds: nothing is read again
    _, tables = committed(tmp_path / "w", "second", two, y)
    assert scope_of(tables["metric"], "lineage").filter(metric="vs2_unbiased")["n"].item() == 70


def test_the_lineage_is_not_there_where_nothing_came_before_or_nothing_counts(tmp_path):
    (one, x), (two, y) = named("a", 20, 1), named("b", 20, 2)
    _, first = committed(tmp_path / "w", "first", one, x)
    _, alone = committed(tmp_path / "w", "second", two, y, among="false")
    for tables in (first, alone):
        assert "lineage" not in tables["metric"]["scope"].to_list()


def test_several_recipes_have_a_lineage_each_and_one_together(tmp_path):
    samples = plain(20, "one") + plain(20, "two")
    committed(tmp_path / "w", "first", samples, random_vectors(samples))
    more = [(f"more{i}", None, True, "two", {}) for i in range(10)] + [("solo", None, True, "one", {})]
    _, tables = committed(tmp_path / "w", "second", more, random_vectors(more, seed=5))
    kept = tables["metric"].filter(scope="lineage", metric="kept").sort("scope_id")
    assert kept.select("scope_id", "value").rows() == [("one", 21), ("one+two", 51), ("two", 30)]


def test_calls_among_the_parts_give_the_price_of_a_kept_sample_and_of_each_level(run):
    samples = plain(4)
    asked = [("outline", 0.25, False), ("outline", 0.5, True), ("story", 0.25, False)]
    calls = [
        {"request_id": str(i), "run_id": run.run_id, "recipe": "mine", "level": level, "provider": "p",
         "model": "m", "messages": "[]", "sampling": "{}", "reply": "x", "latency_s": 0.0, "cost_usd": usd,
         "attempts": 1, "replayed": replayed}
        for i, (level, usd, replayed) in enumerate(asked)
    ]  # fmt: skip
    parts = made(run, samples, [("quality", "mine000"), ("quality", "mine001")])
    parts += run.once("calls", [], {}, lambda: {"call": pl.DataFrame(calls, schema=polars_schema("call"))})
    found = measured(run, parts)
    assert (value(found, "usd"), value(found, "usd_per_kept"), value(found, "calls")) == (1.0, 0.5, 3)
    stages = found.filter(scope="stage").select("scope_id", "metric", "value").sort("scope_id", "metric")
    assert ("mine/outline", "usd", 0.75) in stages.rows()
    assert ("mine/story", "usd_per_kept", 0.125) in stages.rows()
    assert ("mine/quality", "dropped_share", 0.5) in stages.rows()


def test_slots_and_labels_have_rows_of_their_own(run):
    samples = [
        (f"s{i}", None, True, "mine", {"label": "ab"[i % 2], "words": [WORDS[0], "nowhere"]})
        for i in range(20)
    ]
    found = measured(run, made(run, samples, [("quality", "s0"), ("quality", "s2")]))
    kept = found.filter(scope="label", metric="kept_share").sort("scope_id")
    assert kept.select("scope_id", "value").rows() == [("mine/a", 0.8), ("mine/b", 1.0)]
    share = found.filter(scope="label", metric="label_share").sort("scope_id")["value"].to_list()
    assert share == pytest.approx([8 / 18, 10 / 18])
    (slot,) = found.filter(scope="slot").select("scope_id", "metric", "n").rows()
    assert slot == ("mine/words", "slot_hit_rate", 18)
    assert value(found, "keep_rate_gap") == pytest.approx(0.2)


def test_quality_scores_have_a_median_and_a_valid_share(run):
    parts = made(run, plain(5), [("quality", "mine004")])
    scores = [
        {"sample_id": f"mine{i:03}", "run_id": run.run_id, "filter": "format", "keep": i > 0}
        for i in range(5)
    ]
    parts += run.once("f", [], {}, lambda: {"verdict": pl.DataFrame(scores, schema=polars_schema("verdict"))})
    (judged,) = [part for part in parts_of("verdict", parts) if part.rows == 1]
    told = run.read(judged).with_columns(score=pl.lit(0.25))
    more = [
        {**told.row(0, named=True), "sample_id": f"mine{i:03}", "keep": True, "score": i / 10}
        for i in range(4)
    ]
    parts = [part for part in parts if part != judged]
    parts += run.once(
        "q", [], {}, lambda: {"verdict": pl.concat([told, pl.DataFrame(more, schema=told.schema)])}
    )
    found = measured(run, parts)
    assert value(found, "valid_share") == pytest.approx(3 / 5)
    assert value(found, "quality_median") == pytest.approx(0.2)  # of 1, 2 and 3 tenths
