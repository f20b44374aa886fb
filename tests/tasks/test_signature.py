import hashlib

import polars as pl
import pytest

from schemas.errors import BadInput
from tasks.shingles import contract, sign
from tasks.signature import signature_rows, signatures
from warehouse.parts import polars_schema
from warehouse.run import begin


def put(run, rows):
    """Sample rows as parts of a run: `sample_id, text, final`."""
    frame = pl.DataFrame(rows, schema=["sample_id", "text", "final"], orient="row").with_columns(
        pl.lit(run.run_id).alias("run_id"), pl.lit(0).alias("ordinal")
    )
    given, schema = set(frame.columns), polars_schema("sample")
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
    others = {n: pl.lit(None if n in nullable else "", kind) for n, kind in schema.items() if n not in given}
    return run.once("put", [], {"rows": rows}, lambda: {"sample": frame.with_columns(**others)})


def test_each_final_sample_has_one_signature_under_the_contract(run):
    parts = put(run, [("b", "one two three four five six", True), ("a", "", True), ("r", "a root", False)])
    (part,) = signatures.fn(run, parts, 5)
    found = run.read(part)
    assert found["sample_id"].to_list() == ["a", "b"]
    assert found["n_shingles"].to_list() == [0, 2]
    assert found["contract"].unique().to_list() == [contract(5)]
    assert found["run_id"].unique().to_list() == [run.run_id]
    assert found["minhash"].dtype == pl.Array(pl.UInt32, 128)
    assert found["minhash"][1].to_list() == sign(pl.Series(["one two three four five six"]), 5)[0][0].tolist()


def test_parts_are_signed_one_by_one_and_only_once(run):
    parts = put(run, [("a", "first part", True)]) + put(run, [("b", "second part", True)])
    parts += put(run, [("c", "nothing final", False)])
    made = signatures.fn(run, parts, 3)
    assert [part.rows for part in made] == [1, 1]
    assert signatures.fn(run, parts[::-1], 3) == made[::-1]


def test_signatures_read_by_an_analyst_are_those_that_were_computed(tmp_path):
    run = begin(tmp_path, "corpus", "test", "first", {})
    parts = put(run, [("a", "one two three", True)])
    run.commit([*parts, *signatures.fn(run, parts, 3)])
    later = begin(tmp_path, "corpus", "test", "second", {})
    (row,) = later.earlier("SELECT minhash FROM signature")["minhash"].to_list()
    expected = signature_rows(pl.DataFrame({"sample_id": ["a"], "text": ["one two three"]}), 3)
    assert row == expected["minhash"][0].to_list()


def test_another_number_of_words_is_refused(run):
    with pytest.raises(BadInput, match=r"shingles of 2 words; known: \[3, 5\]"):
        signatures.fn(run, [], 2)


def test_the_digest_tells_texts_with_the_same_words_and_is_null_without_words(run):
    rows = [("a", "One two", True), ("b", "one,  TWO!", True), ("c", "two one", True), ("d", "...", True)]
    (part,) = signatures.fn(run, put(run, rows), 3)
    first, second, third, fourth = run.read(part).sort("sample_id")["digest"].to_list()
    assert first == second == hashlib.blake2b(b"one two ", digest_size=16).digest()
    assert third not in (first, None) and fourth is None
