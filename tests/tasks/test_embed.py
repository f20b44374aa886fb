import hashlib
import logging

import numpy as np
import polars as pl
import pytest

from tasks import embed as stage
from tasks.encoder import Encoder, Vectors
from tasks.encoders.batches import Prepared
from warehouse.parts import polars_schema
from warehouse.run import begin


class Counting:
    """An encoder of three dimensions that remembers what reaches it."""

    budget, at_once, dimension = 64, 1, 3

    def __init__(self):
        self.asked = []

    def prepare(self, texts):
        return [Prepared(text, len(text), len(text.split()) > 4) for text in texts]

    def forward(self, items):
        if "broken" in items:
            raise RuntimeError("no luck with this text")
        self.asked += items
        special = {"zero": [0.0] * 3, "nan": [np.nan, 1, 1], "short": [1.0, 2.0]}
        return [np.array(special.get(text, [len(text), 1.0, 2.0])) for text in items]


@pytest.fixture
def model(monkeypatch):
    model = Counting()
    load = lambda name, backend: Encoder(f"{name}@1/fake-{backend}/float32", model, model.dimension)  # noqa: E731
    monkeypatch.setattr(stage, "load_encoder", load)
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


def rooted(run, name, *texts):
    """Parts of final samples, named after the part."""
    return made(run, name, [(f"{name}{i}", None, True, text) for i, text in enumerate(texts)])[0]


def rows_of(run, parts, table="embedding"):
    empty = pl.DataFrame(schema=polars_schema(table))
    return pl.concat([empty, *(run.read(part) for part in parts if part.table == table)]).sort("sample_id")


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
    found = rows_of(run, stage.embed.fn(run, samples, verdicts, "tiny", "auto"))
    assert found["sample_id"].to_list() == ["b", "f"]
    assert found["encoder"].unique().to_list() == ["tiny@1/fake-auto/float32"]
    assert found["truncated"].to_list() == [False, True]
    assert found["text_digest"][0] == hashlib.blake2b(b"its story", digest_size=16).digest()
    vectors = np.array(found["vector"].to_list())
    assert vectors[0] == pytest.approx(np.array([9, 1, 2]) / np.sqrt(86))


def test_a_parent_in_another_part_takes_its_children_with_it(run, model):
    parents, verdicts = made(run, "parents", [("p", None, False, "p")], [("p", False)])
    children, _ = made(run, "children", [("c", "p", True, "c"), ("d", None, True, "d")])
    found = rows_of(run, stage.embed.fn(run, [*parents, *children], verdicts, "tiny"))
    assert found["sample_id"].to_list() == ["d"]


def test_a_resumed_stage_encodes_only_the_slabs_that_are_missing(run, model, monkeypatch):
    samples = rooted(run, "s", *(f"text {i}" for i in range(8)))
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
    assert len(model.asked) == 6
    parts = stage.embed.fn(run, samples, [], "tiny")
    assert len(model.asked) == 8
    assert [part.rows for part in parts] == [3, 3, 2]
    assert stage.embed.fn(run, samples, [], "tiny") == parts
    assert len(model.asked) == 8


def test_progress_counts_every_text_once_made_copied_or_found(run, model, caplog):
    samples = rooted(run, "s", *(f"text {i % 3}" for i in range(8)))
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.INFO, "seedloom.progress"):
            stage.embed.fn(run, samples, [], "tiny")
        assert sum(r.advance for r in caplog.records if r.stage == "embed: texts") == 8


def test_another_encoder_or_backend_makes_other_rows(run, model):
    samples = rooted(run, "s", "text")
    parts = [stage.embed.fn(run, samples, [], *how)[0] for how in (("one",), ("two",), ("one", "onnx"))]
    assert len({part.sha256 for part in parts}) == 3
    assert len(model.asked) == 3


def test_equal_texts_of_all_parts_are_encoded_once(run, model):
    first, second = rooted(run, "a", "x", "y", "x"), rooted(run, "b", "x", "z")
    found = rows_of(run, stage.embed.fn(run, [*first, *second], [], "tiny"))
    assert found["sample_id"].to_list() == ["a0", "a1", "a2", "b0", "b1"]
    assert sorted(model.asked) == ["x", "y", "z"]


def test_the_same_texts_in_a_second_run_reach_no_model(run, model):
    texts = [f"text number {i}" for i in range(7)]
    samples = rooted(run, "a", *texts)
    parts = stage.embed.fn(run, samples, [], "tiny")
    run.commit([*samples, *parts])
    assert len(model.asked) == 7
    later = begin(run.root, "corpus", "later", "first", {})
    again = rooted(later, "b", *reversed(texts))
    copied = stage.embed.fn(later, again, [], "tiny")
    assert len(model.asked) == 7
    expected = dict(rows_of(run, parts).select("text_digest", "vector").iter_rows())
    found = rows_of(later, copied)
    assert found["sample_id"].to_list() == [f"b{i}" for i in range(7)]
    assert found["run_id"].unique().to_list() == [later.run_id]
    assert dict(found.select("text_digest", "vector").iter_rows()) == expected
    later.commit([*again, *copied])  # no key is repeated
    third = begin(run.root, "corpus", "third", "first", {})
    stage.embed.fn(third, rooted(third, "c", "text number 1", "a new one"), [], "tiny")
    assert model.asked[7:] == ["a new one"]


def test_vectors_of_another_encoder_are_no_substitute(run, model):
    samples = rooted(run, "a", "text")
    run.commit([*samples, *stage.embed.fn(run, samples, [], "one")])
    later = begin(run.root, "corpus", "later", "first", {})
    stage.embed.fn(later, rooted(later, "b", "text"), [], "two")
    assert model.asked == ["text", "text"]


def test_what_an_earlier_round_of_the_run_embedded_is_not_embedded_again(run, model):
    first = rooted(run, "a", "x", "y")
    parts = stage.embed.fn(run, first, [], "tiny")
    second = rooted(run, "b", "x", "z")
    more = stage.embed.fn(run, [*first, *second, *parts], [], "tiny")
    assert sorted(model.asked) == ["x", "y", "z"]
    assert rows_of(run, more)["sample_id"].to_list() == ["b0", "b1"]
    run.commit([*first, *second, *parts, *more])


def test_every_error_of_the_encoder_is_a_verdict_and_the_others_go_on(run, model, caplog):
    texts = ["good", "zero", "nan", "short", "broken", "fine", "zero"]
    samples = rooted(run, "s", *texts)
    with caplog.at_level(logging.WARNING, "seedloom.embed"):
        parts = stage.embed.fn(run, samples, [], "tiny")
    assert rows_of(run, parts)["sample_id"].to_list() == ["s0", "s5"]
    refused = rows_of(run, parts, "verdict")
    assert dict(refused.select("sample_id", "reason").iter_rows()) == {
        "s1": "the vector is zero: it has no direction",
        "s2": "the vector is not finite",
        "s3": "the vector has dimension 2, that of the encoder is 3",
        "s4": "the encoder failed: RuntimeError no luck with this text",
        "s6": "the vector is zero: it has no direction",
    }
    assert refused["filter"].unique().to_list() == ["embedding"]
    assert refused["keep"].any() is False
    assert "s1" in caplog.text
    run.commit([*samples, *parts])


def test_a_dimension_other_than_the_stored_one_is_refused(run, model, monkeypatch):
    samples = rooted(run, "a", "text")
    run.commit([*samples, *stage.embed.fn(run, samples, [], "tiny")])
    monkeypatch.setattr(Counting, "forward", lambda self, items: np.ones((len(items), 4)))
    monkeypatch.setattr(model, "dimension", 4)
    later = begin(run.root, "corpus", "later", "first", {})
    parts = stage.embed.fn(later, rooted(later, "b", "new"), [], "tiny")
    assert rows_of(later, parts, "verdict")["reason"].to_list() == [
        "the vector has dimension 4, that of the encoder is 3"
    ]


def test_nothing_to_embed_makes_no_part(run, model):
    samples, verdicts = made(run, "grown", [("s", None, True, "text")], [("s", False)])
    assert stage.embed.fn(run, samples, verdicts, "tiny") == []
    assert stage.embed.fn(run, [], [], "tiny") == []
    assert model.asked == []


def test_a_slab_of_unusable_vectors_is_an_empty_frame_and_a_verdict():
    lost = Vectors(np.full((1, 3), np.nan, np.float32), np.array([False]), np.array([False]), ["why"])
    texts = pl.DataFrame({"sample_id": ["s"], "text_digest": [b"d"], "at": [0]})
    found = stage.judged(texts, lost, "e", "r")
    assert found["embedding"].height == 0
    assert found["verdict"]["reason"].to_list() == ["why"]


def test_a_text_is_known_by_its_utf8():
    found = stage.text_digests(["", "Cà phê"])
    assert found.to_list() == [
        hashlib.blake2b(each, digest_size=16).digest() for each in (b"", "Cà phê".encode())
    ]
