import json

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tasks.leak_rules import COVER_RULE, QUESTION, ROUGE_RULE, RUN_RULE, cosine_hits, known, word_hits
from tasks.rouge import rouge_l


def against(*texts):
    return known(pl.DataFrame({"place": [str(i) for i in range(len(texts))], "view": "text", "text": texts}))


def told(texts, rows, view=0):
    frame = pl.DataFrame({"sample_id": [str(i) for i in range(len(texts))], "text": texts})
    return word_hits(frame, against(*rows), view).rows()


def test_each_rule_on_words_tells_its_value_its_row_and_the_run():
    row = "the fox ran over nine green hills to a small town by the cold grey sea"
    run, cover, alike, equal = (
        f"he said {row} then left",
        "the fox ran over nine green hills to and nothing else at all",
        "a fox ran over one green hill to a small town by our cold grey sea",
        "Yes, no!",
    )
    found = told([run, cover, alike, equal, "no"], ["yes no", "no yes", row], QUESTION)
    assert [(hit[1], hit[2], hit[4]) for hit in sorted(found)] == [
        (QUESTION, RUN_RULE, 2), (QUESTION, COVER_RULE, 2), (QUESTION, ROUGE_RULE, 2), (QUESTION, COVER_RULE, 0),
    ]  # fmt: skip
    assert [(hit[3], hit[5], hit[6]) for hit in sorted(found)[:2]] == [(16, 0, 16), (8 / 16, 0, 8)]
    assert sorted(found)[2][3] == rouge_l(alike, row)


@given(st.lists(st.text("ab ", max_size=12), max_size=6), st.lists(st.text("ab ", max_size=12), max_size=6))
def test_texts_of_any_length_are_compared_with_rows_of_any_length(texts, rows):
    hits = {hit[0]: hit[2:5] for hit in told(texts, rows)}
    for i, text in enumerate(texts):
        equal = [j for j, row in enumerate(rows) if row.split() == text.split() != []]
        assert (hits.get(str(i)) == (COVER_RULE, 1.0, equal[0])) if equal else str(i) not in hits


def test_cosines_at_or_above_0_9_are_a_leak_and_the_first_nearest_row_is_told():
    targets = np.array([[1, 0], [np.nan, np.nan], [0.6, 0.8], [0.6, 0.8]], np.float32)
    vectors = pl.DataFrame(
        {
            "sample_id": ["near", "equal", "far"],
            "vector": [[0.91, np.sqrt(1 - 0.91**2)], [0.6, 0.8], [-1.0, 0.0]],
        }
    )
    hits = cosine_hits(vectors, targets).select("sample_id", "rule", "row", pl.col("value").round(6)).rows()
    assert hits == [("near", 4, 0, 0.91), ("equal", 4, 2, 1.0)]


def test_cosines_do_not_depend_on_who_is_beside(monkeypatch):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(300, 24))
    unit = (rows / np.linalg.norm(rows, axis=1)[:, None]).astype(np.float32)
    frame = pl.DataFrame({"sample_id": [str(i) for i in range(300)], "vector": unit.tolist()})
    targets = unit[::3] + draw.normal(scale=0.08, size=(100, 24)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1)[:, None]
    whole = cosine_hits(frame, targets)
    assert 20 < whole.height < 100
    monkeypatch.setattr("tasks.leak_rules.CELLS", 700)
    assert cosine_hits(frame[::-1], targets).sort("sample_id").equals(whole.sort("sample_id"))


def test_gsm8k_test_rows_that_repeat_a_training_row(public_data):
    files = {name: public_data(f"gsm8k/{name}.jsonl").read_text().splitlines() for name in ("test", "train")}
    train, test = ([json.loads(line)["question"] for line in files[name]] for name in ("train", "test"))
    found = word_hits(
        pl.DataFrame({"sample_id": [str(i) for i in range(len(test))], "text": test}), against(*train)
    )
    assert found.group_by("rule").len().sort("rule").rows() == [(1, 3), (3, 2)]


def test_of_the_self_instruct_seeds_one_resembles_a_user_oriented_instruction(public_data):
    seeds, users = (
        [json.loads(line) for line in public_data(f"self_instruct/{name}.jsonl").read_text().splitlines()]
        for name in ("seed_tasks", "user_oriented_instructions")
    )
    instructions = [[task["instruction"] for task in tasks] for tasks in (users, seeds)]
    above = sum(any(rouge_l(user, seed) > 0.7 for seed in instructions[1]) for user in instructions[0])
    assert above == 3, "by the instruction alone, as published"
    questions = [
        [f"{t['instruction']} {t['instances'][0]['input']}" for t in tasks] for tasks in (users, seeds)
    ]
    assert told(*questions) == []
