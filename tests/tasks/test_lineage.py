import json

import numpy as np
import polars as pl

from tasks import lineage, moments, tallies
from tasks.design import Design
from tasks.diversity import diversity
from tasks.spread import unit
from warehouse.parts import polars_schema
from warehouse.run import begin


def corpus(root, name, n, seed, model="m"):
    """Commit a run of n samples with vectors and the state that the stage stores."""
    run = begin(root, "corpus", "test", name, {})
    blank = {column: "" if kind == pl.String else None for column, kind in polars_schema("sample").items()}
    chance = np.random.default_rng(seed)
    ids = [f"{name}{i:02}" for i in range(n)]
    texts = [" ".join(chance.choice(list("abcdefgh"), 12)) for _ in ids]
    slots = json.dumps({"words": ["a", "z"], "label": "x"})
    same = {"run_id": run.run_id, "final": True, "recipe": "mine", "model": model, "slots": slots}
    samples = [
        {**blank, **same, "sample_id": i, "parent_id": None, "root_id": i, "text": text, "ordinal": 0}
        for i, text in zip(ids, texts, strict=True)
    ]
    vectors = unit(chance.standard_normal((n, 4)))
    embedded = [
        {"sample_id": i, "run_id": run.run_id, "encoder": "e", "truncated": False, "vector": v.tolist()}
        for i, v in zip(ids, vectors, strict=True)
    ]
    tables = {"sample": samples, "embedding": embedded}
    frames = {t: pl.DataFrame(rows, schema=polars_schema(t)) for t, rows in tables.items()}
    parts = run.once("made", [], {}, lambda: frames)
    run.commit([*parts, *diversity.fn(run, parts, parts, parts)])
    return run


def late_verdict(root, sample_id):
    """Commit a run that drops a sample of an earlier one, as another judgement of stored signatures does."""
    run = begin(root, "rejudge", "test", sample_id, {})
    row = {"sample_id": sample_id, "run_id": run.run_id, "filter": "late", "keep": False}
    frame = pl.DataFrame([row], schema=polars_schema("verdict"))
    run.commit(run.once("late", [], {}, lambda: {"verdict": frame}))


def asking(root):
    return begin(root, "corpus", "test", "asking", {})


def state_of(root, among="true"):
    return lineage.earlier(asking(root), "mine", "e", among, Design())


def test_the_state_of_earlier_runs_is_the_sum_of_what_they_stored(tmp_path):
    one, two = corpus(tmp_path, "one", 12, 1), corpus(tmp_path, "two", 9, 2)
    found = state_of(tmp_path)
    assert found.counts["texts", "n"] == found.sums.n == len(found.ids) == found.texts.height == 21
    known = lineage.standing(asking(tmp_path), "mine", "true")
    assert sorted(known.rows()) == sorted([(one.run_id, 12, True), (two.run_id, 9, True)])
    assert tallies.of(found.counts, "label_kept") == {"x": 21}


def test_a_run_whose_samples_were_judged_again_is_read_again(tmp_path):
    one = corpus(tmp_path, "one", 12, 1)
    corpus(tmp_path, "two", 9, 2)
    late_verdict(tmp_path, "one03")
    known = lineage.standing(asking(tmp_path), "mine", "true")
    assert (one.run_id, 11, False) in known.rows()
    found = state_of(tmp_path)
    assert found.counts["texts", "n"] == found.counts["kept", "n"] == found.sums.n == 20
    assert found.counts["made", "n"] == 21 and found.counts["dropped", "late"] == 1
    assert "one03" not in found.ids


def test_another_sample_in_the_place_of_one_is_noticed_though_the_number_is_the_same(tmp_path, monkeypatch):
    corpus(tmp_path, "one", 5, 1)
    monkeypatch.setattr(lineage, "_FINGERPRINT", "7::BIGINT")
    assert lineage.standing(asking(tmp_path), "mine", "true")["stored"].to_list() == [False]


def test_what_is_read_again_is_what_was_stored(tmp_path):
    corpus(tmp_path, "one", 12, 1)
    drift = lineage.drift(asking(tmp_path), "mine", "e", "true", Design())
    assert drift.select("stored", "counts_differ").rows() == [(True, 0)]
    assert drift["sums_differ"].item() < 1e-12


def test_a_drift_is_told(tmp_path, monkeypatch):
    corpus(tmp_path, "one", 12, 1)
    plain = lineage._stored

    def bent(*args):
        state = plain(*args)
        state.counts["label_kept", "x"] += 1
        state.sums.second[0, 0] += 1e-6
        return state

    monkeypatch.setattr(lineage, "_stored", bent)
    drift = lineage.drift(asking(tmp_path), "mine", "e", "true", Design())
    assert drift["counts_differ"].item() == 1
    assert drift["sums_differ"].item() > 1e-9


def test_only_rows_that_the_condition_admits_are_added(tmp_path):
    corpus(tmp_path, "one", 12, 1, model="m")
    corpus(tmp_path, "two", 9, 2, model="other")
    assert state_of(tmp_path, "model = 'other'").counts["texts", "n"] == 9
    assert state_of(tmp_path, "sample_id LIKE '%0%'").sums.n == 20  # part of a run: read again
    assert state_of(tmp_path, "false") is None


def test_the_sample_is_the_bottom_of_the_hash_order_of_all_runs(tmp_path, monkeypatch):
    corpus(tmp_path, "one", 12, 1)
    corpus(tmp_path, "two", 9, 2)
    whole = state_of(tmp_path)
    monkeypatch.setattr(lineage, "M", 5)
    few = state_of(tmp_path)
    assert few.ids == whole.ids[:5] and few.texts.equals(whole.texts[:5])
    assert np.array_equal(few.vectors, whole.vectors[:5])
    assert np.array_equal(lineage.sample_of(asking(tmp_path), ["mine"], "e", "true"), few.vectors)
    assert lineage.sample_of(asking(tmp_path), ["mine"], "another", "true").shape[0] == 0


def test_without_an_encoder_there_are_no_vectors(tmp_path):
    corpus(tmp_path, "one", 6, 1)
    found = lineage.earlier(asking(tmp_path), "mine", None, "true", Design())
    assert (found.sums, found.ids, found.texts.height) == (None, [], 6)


def test_stored_sums_are_those_of_the_rows_to_rounding(tmp_path):
    corpus(tmp_path, "one", 12, 1)
    run = asking(tmp_path)
    rows = run.earlier("SELECT vector FROM embedding ORDER BY sample_id")
    from tasks.spread import moments as sums_of

    stored = moments.summed(run.earlier("SELECT * FROM moment"))
    assert moments.difference(stored, sums_of(lineage.matrix(rows["vector"]))) < 1e-12


def test_a_column_of_lists_is_a_matrix():
    assert lineage.matrix(pl.Series([[1.0, 2.0], [3.0, 4.0]], dtype=pl.List(pl.Float32))).tolist() == [
        [1, 2],
        [3, 4],
    ]
    assert lineage.matrix(pl.Series([], dtype=pl.List(pl.Float32))).shape[0] == 0


def test_a_name_is_quoted():
    assert lineage.quoted("it's") == "'it''s'"
