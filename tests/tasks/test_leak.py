import json
import logging
import types

import numpy as np
import polars as pl
import pytest
from given import row

import tasks.encoder
from schemas.errors import BadInput, SeedloomError
from tasks.leak import leak, verdict_rows
from tasks.leak_rules import known, word_hits
from tasks.tokens import words


def numbered(start, n):
    return " ".join(f"w{i}" for i in range(start, start + n))


def against(*texts):
    frame = pl.DataFrame({"place": [f"e.jsonl:{i}" for i in range(1, len(texts) + 1)], "text": texts})
    return known(frame.with_columns(view=pl.lit("text")))


def judged(texts, *rows):
    """(keep, score, threshold, witness_id, reason) of each text."""
    frame = pl.DataFrame({"sample_id": [f"s{i:03}" for i in range(len(texts))], "text": texts})
    evaluation = against(*rows)
    hits = word_hits(frame, evaluation)
    viewed = frame.with_columns(view=pl.lit(0, pl.Int8))
    verdicts = verdict_rows(frame["sample_id"], viewed, hits, evaluation.texts, "r").sort("sample_id")
    return verdicts.select("keep", "score", "threshold", "witness_id", "reason").rows()


KEPT = (True, None, None, None, None)


def test_thirteen_words_in_a_row_are_a_leak_and_twelve_are_none():
    texts = ["x " + numbered(20, 13) + " y", "x " + numbered(20, 12) + " y"]
    said = f"13 words in a row are those of an evaluation row: {numbered(20, 13)}"
    assert judged(texts, numbered(0, 60)) == [(False, 13, 13, "e.jsonl:1", said), KEPT]


def test_half_of_a_row_in_runs_of_eight_words_is_a_leak():
    noise = " ".join("n" * 1 + str(i) for i in range(30))
    assert judged([f"{numbered(0, 12)} {noise}"], numbered(100, 9), numbered(0, 24)) == [
        (False, 0.5, 0.5, "e.jsonl:2", f"holds 50% of an evaluation row: {numbered(0, 12)}")
    ]
    assert judged([f"{numbered(0, 12)} {noise}"], numbered(0, 25)) == [KEPT]


def test_a_row_of_fewer_than_eight_words_must_be_equal():
    rows = ["Name the capital of France.", "Why?"]
    found = judged(
        ["name the capital of France", "Name the capital of Spain.", "Why? Why?", "", "..."], *rows
    )
    assert found == [
        (False, 1.0, 0.5, "e.jsonl:1", "holds 100% of an evaluation row: name the capital of france"),
        *[KEPT] * 4,
    ]


def test_rouge_l_above_0_7_is_a_leak_and_tells_the_common_words():
    row = "a plane flew over nine green hills to a small town by the sea"
    text = "a plane sped over nine dark hills to a big town by the sea"
    (found,) = judged([text], row)
    assert found[0] is False and found[1] == pytest.approx(11 / 14) and found[2] == 0.7
    assert found[4] == "ROUGE-L 0.786 to an evaluation row: a plane over nine hills to a town by the sea"


def test_the_first_rule_that_holds_is_told_and_the_first_of_equal_rows():
    found = judged([numbered(0, 13)], numbered(50, 9), "z " + numbered(0, 13), numbered(0, 13))
    assert found[0][1:4] == (13, 13, "e.jsonl:2")


def test_words_are_compared_in_any_language():
    vietnamese = "Một hôm con cáo nhỏ đi vào rừng để tìm bạn cũ của nó"
    assert judged([vietnamese.upper()], vietnamese)[0][0] is False
    assert (
        judged([vietnamese.replace("á", "à").replace("ỏ", "ọ").replace("ạ", "á")], "không " + vietnamese)[0][
            1
        ]
        < 13
    )
    chinese = "小狐狸走进森林去找它的老朋友们"
    assert judged([f"从前。{chinese}"], chinese)[0][4].endswith(" ".join(words(chinese)))


def test_what_is_shown_is_at_most_100_characters():
    (found,) = judged([numbered(0, 5_000)], numbered(0, 5_000))
    assert found[1] == 5_000 and len(found[4]) < 170


def test_the_order_of_the_texts_changes_nothing():
    texts = [numbered(i, 20) + " end" for i in range(0, 200, 7)]
    rows = [numbered(3, 14), numbered(100, 40), "x", ""]
    assert judged(texts[::-1], *rows)[::-1] == judged(texts, *rows)


def sample(run, name, text, **more):
    fixed = {"run_id": run.run_id, "root_id": name, "recipe": "mine", "level": "row", "final": True, "ordinal": 0, "slots": "{}", "language": "en", "origin": "generated"}  # fmt: skip
    return row("sample", sample_id=name, text=text, **fixed, **more)


def parts_of(run, table, frames, stage="made"):
    return run.once(f"{stage}-{table}", [], {}, lambda: {table: pl.concat(frames)})


@pytest.fixture
def evaluation(tmp_path):
    path = tmp_path / "evaluation.jsonl"
    rows = [
        {"question": numbered(0, 30), "answer": "42"},
        {"question": numbered(200, 30), "answer": numbered(300, 40)},
    ]
    path.write_text("".join(json.dumps(each) + "\n" for each in rows) + "{bad\n")
    return str(path)


def test_samples_that_earlier_filters_kept_are_judged_and_the_question_alone_counts(run, evaluation, caplog):
    samples = parts_of(run, "sample", [
        sample(run, "a", "clean words only"),
        sample(run, "b", f"{numbered(0, 30)} and more"),
        sample(run, "c", f"{numbered(0, 30)} again"),
        sample(run, "d", f"{numbered(190, 8)} {numbered(200, 12)} {numbered(220, 12)}\n\n{numbered(900, 50)}",
               instruction=f"{numbered(190, 8)} {numbered(200, 12)} {numbered(220, 12)}", input="", output=numbered(900, 50)),
    ])  # fmt: skip
    dropped = row("verdict", sample_id="c", run_id=run.run_id, filter="exact", keep=False)
    verdicts = parts_of(run, "verdict", [dropped])
    with caplog.at_level(logging.INFO, "seedloom.leak"):
        made = leak.fn(run, samples, verdicts, [], [evaluation], "minilm", "auto")
    found = pl.concat(run.read(part) for part in made).sort("sample_id")
    assert found.select("sample_id", "keep", "witness_id").rows() == [
        ("a", True, None), ("b", False, f"{evaluation}:1"), ("d", False, f"{evaluation}:2"),
    ]  # fmt: skip
    assert found["reason"][2].startswith("holds 73% of the question of an evaluation row: w200 w201")
    assert "2 of 3 samples repeat one of 2 evaluation rows (1 rows could not be read)" in caplog.text


def test_without_files_nothing_is_judged_and_a_missing_file_is_said(run):
    assert leak.fn(run, [], [], [], [], "minilm", "auto") == []
    with pytest.raises(BadInput, match="no file 'gone.jsonl'"):
        leak.fn(run, [], [], [], ["gone.jsonl"], "minilm", "auto")


def vectors_of(run, encoder, **vectors):
    rows = [
        row("embedding", sample_id=name, run_id=run.run_id, encoder=encoder, truncated=False, vector=vector)
        for name, vector in vectors.items()
    ]
    return parts_of(run, "embedding", rows, encoder)


def test_paraphrases_are_found_where_embeddings_are_given(run, evaluation, monkeypatch):
    def encode(texts, encoder):
        unit = [[1.0, 0.0] if text == numbered(0, 30) else [0.0, -1.0] for text in texts]
        return types.SimpleNamespace(unit=np.array(unit, np.float32))

    monkeypatch.setattr(tasks.encoder, "load_encoder", lambda name, backend: types.SimpleNamespace(id="fake"))
    monkeypatch.setattr(tasks.encoder, "encode", encode)
    texts = {"near": "the same in other words", "far": "far"}
    samples = parts_of(run, "sample", [sample(run, name, text) for name, text in texts.items()])
    vectors = vectors_of(run, "fake", near=[0.96, 0.28], far=[0.0, 1.0])
    made = leak.fn(run, samples, [], vectors, [evaluation], "minilm", "auto")
    near, far = pl.concat(run.read(part) for part in made).sort("sample_id", descending=True).rows(named=True)
    assert far["keep"] and (near["keep"], near["threshold"]) == (False, 0.9)
    assert near["reason"].startswith("cosine 0.960 to the question of an evaluation row: w0 w1")
    with pytest.raises(SeedloomError, match="vectors of other have no cosine to those of fake"):
        leak.fn(run, samples, [], vectors_of(run, "other", near=[0.96, 0.28]), [evaluation], "minilm", "auto")
