import logging

import numpy as np
import polars as pl
import pytest

from tasks import embed as stage
from tasks.encoder import Encoder, Vectors
from warehouse.parts import polars_schema


class Counting:
    """An encoder of three dimensions that counts what it is asked."""

    def __init__(self):
        self.texts = 0

    def encode(self, texts, batch_size, **_):
        self.texts += len(texts)
        return np.array([[len(t), 1.0, 2.0] if "zero" not in t else [0.0] * 3 for t in texts])

    def tokenizer(self, texts, **_):
        return {"input_ids": [t.split() for t in texts]}


@pytest.fixture
def model(monkeypatch):
    model = Counting()
    monkeypatch.setattr(stage, "load_encoder", lambda name: Encoder(f"{name}@1/fake/float32", model, 4))
    monkeypatch.setattr(stage, "SLAB", 3)
    return model


def made(run, name, samples, verdicts=()):
    """Parts of samples (id, parent, final, text) and of verdicts (id, keep)."""
    blank = {column: "" if kind == pl.String else None for column, kind in polars_schema("sample").items()}
    rows = [
        {**blank, "sample_id": i, "parent_id": p, "final": f, "text": t, "ordinal": 1, "run_id": run.run_id}
        for i, p, f, t in samples
    ]
    judged = [{"sample_id": i, "run_id": run.run_id, "filter": "f", "keep": k} for i, k in verdicts]
    frames = {
        "sample": pl.DataFrame(rows, schema=polars_schema("sample")),
        "verdict": pl.DataFrame(judged, schema=polars_schema("verdict")),
    }
    parts = run.once(name, [], {}, lambda: frames)
    return [[p for p in parts if p.table == table] for table in frames]


def rows_of(run, parts):
    return pl.concat([run.read(part) for part in parts]).sort("sample_id")


def test_only_final_samples_that_no_filter_dropped_get_a_vector(run, model):
    samples, verdicts = made(
        run,
        "grown",
        [
            ("a", None, False, "a summary"),
            ("b", "a", True, "its story"),
            ("c", None, False, "a dropped summary"),
            ("d", "c", True, "the story of it"),
            ("e", None, True, "a dropped story"),
            ("f", None, True, "one two three four five"),
        ],
        [("c", False), ("e", False), ("b", True)],
    )
    found = rows_of(run, stage.embed.fn(run, samples, verdicts, "tiny"))
    assert found["sample_id"].to_list() == ["b", "f"]
    assert found["encoder"].unique().to_list() == ["tiny@1/fake/float32"]
    assert found["truncated"].to_list() == [False, True]
    vectors = np.array(found["vector"].to_list())
    assert vectors[0] == pytest.approx(np.array([9, 1, 2]) / np.sqrt(86))


def test_a_parent_in_another_part_takes_its_children_with_it(run, model):
    parents, verdicts = made(run, "parents", [("p", None, False, "p")], [("p", False)])
    children, _ = made(run, "children", [("c", "p", True, "c"), ("d", None, True, "d")])
    found = rows_of(run, stage.embed.fn(run, [*parents, *children], verdicts, "tiny"))
    assert found["sample_id"].to_list() == ["d"]


def test_a_resumed_stage_encodes_only_the_slabs_that_are_missing(run, model, monkeypatch):
    samples, _ = made(run, "grown", [(f"s{i}", None, True, f"text {i}") for i in range(8)])
    once, calls = type(run).once, []

    def killed_at_the_third_slab(self, *args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return once(self, *args)

    monkeypatch.setattr(type(run), "once", killed_at_the_third_slab)
    with pytest.raises(KeyboardInterrupt):
        stage.embed.fn(run, samples, [], "tiny")
    monkeypatch.setattr(type(run), "once", once)
    assert model.texts == 6
    parts = stage.embed.fn(run, samples, [], "tiny")
    assert model.texts == 8
    assert [part.rows for part in parts] == [3, 3, 2]
    assert stage.embed.fn(run, samples, [], "tiny") == parts
    assert model.texts == 8


def test_progress_counts_every_text_once_made_or_found(run, model, caplog):
    samples, _ = made(run, "grown", [(f"s{i}", None, True, f"text {i % 3}") for i in range(8)])
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.INFO, "seedloom.progress"):
            stage.embed.fn(run, samples, [], "tiny")
        assert sum(r.advance for r in caplog.records if r.stage == "embed: texts") == 8


def test_another_encoder_makes_other_rows(run, model):
    samples, _ = made(run, "grown", [("s", None, True, "text")])
    first, second = (stage.embed.fn(run, samples, [], name) for name in ("one", "two"))
    assert first != second


def test_a_text_without_direction_gets_no_row_and_is_named(run, model, caplog):
    samples, _ = made(run, "grown", [("good", None, True, "text"), ("bad", None, True, "zero")])
    with caplog.at_level(logging.WARNING, "seedloom.embed"):
        found = rows_of(run, stage.embed.fn(run, samples, [], "tiny"))
    assert found["sample_id"].to_list() == ["good"]
    assert "1 of 2 texts" in caplog.text
    assert "bad" in caplog.text


def test_nothing_to_embed_makes_no_part(run, model):
    samples, verdicts = made(run, "grown", [("s", None, True, "text")], [("s", False)])
    assert stage.embed.fn(run, samples, verdicts, "tiny") == []
    assert stage.embed.fn(run, [], [], "tiny") == []
    assert model.texts == 0


def test_a_slab_of_unusable_vectors_is_an_empty_frame():
    lost = Vectors(np.full((1, 3), np.nan, np.float32), np.array([False]), np.array([False]))
    frame = stage.embedding_rows(pl.DataFrame({"sample_id": ["s"]}), lost, "e", "r")
    assert frame.schema == polars_schema("embedding")
    assert frame.height == 0
