import json

import numpy as np
import polars as pl
import pytest

from schemas.errors import BadInput
from tasks.diversity import diversity, to_matrix
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
            "text": text_of(n),
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
    return pl.concat(run.read(part) for part in found)


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
    monkeypatch.setattr("tasks.diversity.measure", None)
    assert diversity.fn(run, parts, parts, parts) == first


def test_nothing_kept_is_unknown_and_not_0(run):
    samples = plain(3)
    found = measured(run, made(run, samples, [("exact", s[0]) for s in samples], random_vectors(samples)))
    assert (value(found, "made"), value(found, "kept"), value(found, "kept_share")) == (3, 0, 0)
    counts = pl.col("metric").str.contains("made|kept|dropped")
    assert found.filter(~counts)["value"].null_count() == found.filter(~counts).height


def test_lists_become_a_matrix_and_a_null_a_row_of_nan():
    matrix = to_matrix(pl.Series([[1.0, 2.0], None, [3.0, 4.0]], dtype=pl.List(pl.Float32)))
    assert matrix.shape == (3, 2)
    assert np.isnan(matrix[1]).all()
    assert matrix[[0, 2]].tolist() == [[1, 2], [3, 4]]
    assert to_matrix(pl.Series([], dtype=pl.List(pl.Float32))).shape[0] == 0
