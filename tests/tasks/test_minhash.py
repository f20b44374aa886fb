import logging
import uuid
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import SeedloomError
from tasks.exact import exact
from tasks.minhash import minhash
from tasks.signature import signatures
from warehouse.parts import polars_schema
from warehouse.run import begin


def planted(n_rows, rng, n_words=120):
    """Random texts; a third repeat an earlier one, also copies of copies, with 0 to 12 words edited."""
    words = np.array([f"w{i}" for i in range(3000)])
    texts = []
    for i in range(n_rows):
        text = (
            rng.choice(words, n_words)
            if i % 3 or not texts
            else texts[rng.integers(min(len(texts), 100))].copy()
        )
        if i % 3 == 0:
            text[rng.integers(0, n_words, rng.integers(0, 13))] = rng.choice(words)
        texts.append(text)
    return [" ".join(text) for text in texts]


def edited(text, first, n):
    words = text.split()
    words[first : first + n] = [f"new{first + i}" for i in range(n)]
    return " ".join(words)


def put(run, texts, ids, ordinals=None):
    """Final samples as one part of a run."""
    given = {"sample_id": ids, "text": texts, "ordinal": ordinals or range(len(ids))}
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
    rest = [name for name in schema if name not in given and name not in {"final", "run_id"}]
    others = {name: pl.lit(None if name in nullable else "", schema[name]) for name in rest}
    made = pl.DataFrame(given).with_columns(**others, final=pl.lit(True), run_id=pl.lit(run.run_id))
    return run.once("put", [], {"ids": ids}, lambda: {"sample": made})


def quality_of(run, scores):
    schema = polars_schema("verdict")
    rows = [
        {"sample_id": i, "run_id": run.run_id, "filter": "quality", "keep": True, "score": score}
        for i, score in scores.items()
    ]
    return run.once("quality", [], scores, lambda: {"verdict": pl.DataFrame(rows, schema=schema)})


LONG = " ".join(f"word{i}" for i in range(200))


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.sampled_from([2, 256]), st.integers(200, 4000))
def test_neither_the_order_of_rows_nor_their_parts_nor_the_memory_decides(tmp_path, random, cap, budget):
    texts = planted(40, np.random.default_rng(random.randint(0, 3)), 30)
    ids = [f"s{i:02d}" for i in range(len(texts))]
    scores = {name: random.choice([None, 0.1, 0.5]) for name in ids}
    outcomes = []
    for _ in range(2):
        run = begin(tmp_path / uuid.uuid4().hex, "curate", "test", "now", {})
        order, cuts = random.sample(ids, len(ids)), [0, *sorted(random.sample(range(1, 40), 3)), 40]
        groups = [order[a:b] for a, b in pairwise(cuts)]
        samples = [put(run, [texts[int(i[1:])] for i in g], g, [int(i[2]) for i in g])[0] for g in groups]
        signed = signatures.fn(run, samples, 3)
        random.shuffle(signed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tasks.minhash.CAP", cap)
            patch.setattr("tasks.minhash.BUDGET", random.choice([budget, 10**6]))
            patch.setattr("tasks.precedence.SHEET", random.choice([1, 15, 100]))
            verdicts = minhash.fn(run, samples, quality_of(run, scores), signed, 0.7, 3, "")
        outcomes.append(pl.concat([run.read(part) for part in verdicts]).drop("run_id").sort("sample_id"))
    assert outcomes[0].equals(outcomes[1])
    assert outcomes[0]["sample_id"].to_list() == ids


def test_the_task_judges_the_survivors_against_this_run_and_the_clean_lineage(tmp_path):
    old = begin(tmp_path, "curate", "test", "old", {})
    samples = put(old, [LONG, edited(LONG, 50, 60), "short and old"], ["o1", "o2", "o3"])
    first = signatures.fn(old, samples, 3)
    old.commit([*samples, *first, *minhash.fn(old, samples, [], first, 0.7, 3, "")])

    run = begin(tmp_path, "curate", "test", "new", {})
    far = edited(LONG, 100, 90)
    texts = [edited(LONG, 0, 4), far, far.upper(), edited(far, 0, 5), "short and old", "..."]
    samples = put(run, texts, ["n1", "n2", "n3", "n4", "n5", "n6"])
    signed_parts = signatures.fn(run, samples, 3)
    verdicts = exact.fn(run, samples, [], signed_parts, "sample_id <> 'o3'")
    (part,) = minhash.fn(run, samples, verdicts, signed_parts, 0.7, 3, "sample_id <> 'o3'")
    found = run.read(part)
    assert found["sample_id"].to_list() == ["n1", "n2", "n4", "n5", "n6"]  # n3 was dropped by `exact`
    assert found["keep"].to_list() == [False, True, False, True, True]
    assert found["witness_id"].to_list() == ["o1", None, "n2", None, None]
    assert set(found["threshold"]) == {0.7}
    assert (
        found["reason"][0]
        == f"Jaccard {round(found['score'][0], 3)} of word 3-grams with a sample that comes first"
    )
    assert found["reason"][1] is None
    assert minhash.fn(run, samples, verdicts, signed_parts, 0.7, 3, "sample_id <> 'o3'") == [part]
    (alone,) = minhash.fn(run, samples, verdicts, signed_parts, 0.7, 3, "")
    assert run.read(alone)["keep"].to_list() == [True, True, False, True, True]


def test_a_run_may_have_no_samples_and_a_missing_signature_is_an_error(run):
    assert minhash.fn(run, [], [], [], 0.7, 3, "true") == []
    samples = put(run, ["a b c d e f"], ["n1"])
    with pytest.raises(SeedloomError, match="1 samples, for one n1, have no signature under v1-nfkc-word3"):
        minhash.fn(run, samples, [], signatures.fn(run, samples, 5), 0.7, 3, "")


def test_full_bands_are_told(run, monkeypatch, caplog):
    monkeypatch.setattr("tasks.minhash.CAP", 1)
    boilerplate = " ".join(f"shared{i}" for i in range(60))
    samples = put(
        run, [boilerplate + "".join(f" own{i}x{j}" for j in range(30)) for i in range(4)], list("abcd")
    )
    with caplog.at_level(logging.INFO, "seedloom.minhash"):
        (part,) = minhash.fn(run, samples, [], signatures.fn(run, samples, 3), 0.7, 3, "")
    found = run.read(part)
    assert found["keep"].all()
    assert "bands had no room" in found["reason"][3]
    told = [record.levelname for record in caplog.records if record.name == "seedloom.minhash"]
    assert told == ["INFO", "WARNING"]
