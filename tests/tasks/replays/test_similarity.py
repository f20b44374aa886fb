import json

import numpy as np
import pytest
from growing import grown
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replaying import replay, written
from rouge_score.rouge_scorer import RougeScorer

from schemas.errors import BadInput
from tasks.pool import SEEDS
from tasks.replay import replayed, tally

SEED = {"id": "s0", "instruction": "Write a poem about the sea.", "instances": []}
POOL = [
    # tokens: a poem of 6; "List some birds" shares nothing with it; the third has 4 of its 6 words in order
    {
        "instruction": "List some birds.",
        "most_similar": {SEED["instruction"]: 0.0},
        "avg_similarity_score": 0.0,
    },
    {
        "instruction": "Write about the sea.",  # LCS 4 of 4 and 6 words: F = 0.8, so it could not be accepted
        "most_similar": {SEED["instruction"]: 0.8, "List some birds.": 0.0},
        "avg_similarity_score": 0.4,
    },
    {
        "instruction": "Sing about the sea today.",  # LCS 3 of 5 and 6: 6/11; of 5 and 4: 6/9
        "most_similar": {"Write about the sea.": 6 / 9, SEED["instruction"]: 6 / 11, "List some birds.": 0.0},
        "avg_similarity_score": (6 / 9 + 6 / 11) / 3,
        "metadata": {"response": None},
        "request_idx": 3,
    },
]


@pytest.fixture
def judged(tmp_path):
    seeds = [written(tmp_path / "seeds.jsonl", [SEED])]
    return lambda rows, **options: replay(tmp_path, "rouge", rows, seeds=seeds, **options)


def test_stored_similarities_that_are_right_are_found_again(judged):
    found = judged(POOL)
    assert [sorted(each.differing()) for each in found.decisions] == [[], ["keep"], []]
    assert found.counts["compared: highest similarity"] == 3 and found.counts["differs: mean similarity"] == 0
    assert found.decisions[2].score == pytest.approx(6 / 11)  # the dropped one is no part of our pool
    assert found.decisions[2].witness == SEED["instruction"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"avg_similarity_score": 0.404040407}, ["mean similarity"]),
        (
            {"most_similar": {"Write about the sea.": 0.67, SEED["instruction"]: 6 / 11, "List some birds.": 0.0}},
            ["highest similarity", "most similar texts", "ten highest similarities"],
        ),
        (
            {"most_similar": {"Write about the sea.": 6 / 9, SEED["instruction"]: 0.5, "List some birds.": 0.0}},
            ["most similar texts", "ten highest similarities"],
        ),
        (
            {"most_similar": {"Write about the moon.": 6 / 9, SEED["instruction"]: 6 / 11, "List some birds.": 0.0}},
            ["most similar texts"],
        ),
        (
            {"most_similar": {SEED["instruction"]: 6 / 9, "Write about the sea.": 6 / 11, "List some birds.": 0.0}},
            ["most similar texts"],
        ),
        ({"most_similar": {"Write about the sea.": 6 / 9, "List some birds.": 0.0}}, ["ten highest similarities"]),
        ({"most_similar": {"Write about the sea.": 6 / 9}}, ["ten highest similarities"]),
    ],
)  # fmt: skip
def test_a_stored_similarity_that_is_wrong_is_reported(judged, change, what):
    wrong = judged([*POOL[:2], {**POOL[2], **change}]).decisions[2]
    assert sorted(wrong.differing()) == what


def test_the_last_digits_of_a_mean_are_no_difference(judged):
    row = {**POOL[2], "avg_similarity_score": POOL[2]["avg_similarity_score"] + 1e-12}
    assert not judged([*POOL[:2], row]).decisions[2].differing()


def test_an_f_of_exactly_the_threshold_passes(judged):
    a, b = "one two three four five six seven x y z", "one two three four five six seven p q r"
    found = judged([{"instruction": a}, {"instruction": b}])
    assert found.decisions[1].score == 0.7 and found.decisions[1].keep
    assert not judged([{"instruction": a}, {"instruction": b}], threshold=0.69).decisions[1].keep


def test_words_are_those_of_rouge_score_unless_asked_otherwise(judged):
    rows = [{"instruction": "Generate a résumé"}, {"instruction": "Generate a repas"}]
    assert judged(rows).decisions[1].score == pytest.approx(4 / 7)
    assert judged(rows, split="unicode").decisions[1].score == pytest.approx(2 / 3)


def test_a_row_says_itself_whether_it_was_kept(judged):
    rows = [
        {**POOL[1], "keep": False},
        {"instruction": "Sing about the sea today.", "keep": False, "score": 0.1},
    ]
    told, wrong = judged(
        [{k: v for k, v in rows[0].items() if k in ("instruction", "keep")}, rows[1]]
    ).decisions
    assert not told.keep and not told.differing()
    assert sorted(wrong.differing()) == ["keep", "score"]


def test_what_the_file_says_was_dropped_is_no_part_of_the_pool(judged):
    dropped = {"instruction": POOL[1]["instruction"], "keep": False}
    similar = {SEED["instruction"]: 6 / 11, "List some birds.": 0.0}
    row = {**POOL[2], "most_similar": similar, "avg_similarity_score": 3 / 11}
    assert not any(each.differing() for each in judged([POOL[0], dropped, row]).decisions)


def test_without_a_decision_in_the_file_nothing_is_compared(judged):
    found = judged([{"instruction": "Write about the sea."}], accepted=False)
    assert not found.only().keep and not found.only().compared


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"instruction": "x", "most_similar": ["y"]}, "most_similar_instructions is no object"),
        ({"instruction": "x", "most_similar_instructions": {"y": "high"}}, "no object of text: score"),
        ({"instruction": "x", "avg_similarity_score": "low"}, "is no number"),
        ({"instruction": "x", "keep": 1}, "neither true nor false"),
        ({"prompt": "x"}, r"no field 'instruction'; found: \['prompt'\]"),
    ],
)
def test_another_shape_says_what_is_wrong_with_it(tmp_path, row, why):
    with pytest.raises(BadInput, match=why):
        replay(tmp_path, "rouge", [row])


def as_the_authors_write(seeds, instructions):
    """A pool with its similarities, by rouge_score and the steps of the authors' script."""
    scorer, rows = RougeScorer(["rougeL"], use_stemmer=False), []
    for instruction in instructions:
        pool = [*seeds, *(row["instruction"] for row in rows)]
        scores = [scorer.score(instruction, other)["rougeL"].fmeasure for other in pool]
        if max(scores) > 0.7:
            continue
        similar = {pool[i]: scores[i] for i in np.argsort(scores)[-10:][::-1]}
        rows.append(
            {
                "instruction": instruction,
                "most_similar": similar,
                "avg_similarity_score": float(np.mean(scores)),
            }
        )
    return rows


WORDS = st.sampled_from(["name", "list", "the", "a", "of", "birds", "bread", "sea", "red", "Café"])
LINES = st.lists(st.lists(WORDS, max_size=9).map(" ".join), min_size=1, max_size=14, unique=True)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, LINES)
def test_whatever_the_authors_script_accepts_and_stores_is_reproduced(tmp_path, seeds, instructions):
    rows = as_the_authors_write(seeds, instructions)
    if rows:
        files = [written(tmp_path / "seeds.jsonl", [{"instruction": seed} for seed in seeds])]
        found = replay(tmp_path, "rouge", rows, seeds=files)
        assert [each.differing() for each in found.decisions] == [{}] * len(rows)
        assert all(len(each.compared) == 5 for each in found.decisions)


def test_a_part_of_alpaca_with_the_similarities_of_rouge_score_is_reproduced(tmp_path, public_data):
    seeds = public_data("self_instruct/seed_tasks.jsonl")
    told = [json.loads(line)["instruction"] for line in seeds.read_text("utf-8").splitlines()]
    rows = json.loads(public_data("alpaca/alpaca_data.json").read_text("utf-8"))[:150]
    stored = as_the_authors_write(told, [row["instruction"] for row in rows])
    found = replay(tmp_path, "rouge", stored, seeds=[str(seeds)])
    assert len(found.decisions) == 150 and not any(each.differing() for each in found.decisions)
    assert found.counts["compared: ten highest similarities"] == 150


def test_all_52002_published_decisions_of_alpaca_are_reproduced(public_data):
    seeds = [str(public_data("self_instruct/seed_tasks.jsonl"))]
    begun = replayed("rouge", [str(public_data("alpaca/alpaca_data.json"))], {"seeds": seeds})
    counts = tally(begun.decisions)
    assert (counts["rows"], counts["rows kept"], counts["differs: keep"]) == (52_002, 52_002, 0)


def test_what_our_own_bootstrap_decided_replays_to_the_same_decisions(tmp_path):
    changes = ["levels.instruction.bootstrap.rouge=0.35"]  # lower than published, so that some are dropped
    made = grown(tmp_path / "w", "self_instruct", 60, rounds=3, changes=changes)
    verdicts = made["verdict"].filter(filter="rouge").select("sample_id", "keep", "score")
    rows = (
        made["sample"]
        .join(verdicts, on="sample_id")
        .sort("ordinal")
        .select("instruction", "text", "keep", "score")
    )
    told = [{**row, "instruction": row["instruction"] or row["text"]} for row in rows.to_dicts()]
    seeds = [str(SEEDS / "self_instruct.jsonl")]
    found = replay(tmp_path, "rouge", told, seeds=seeds, split="unicode", threshold=0.35)
    assert len(told) > 60 and {row["keep"] for row in told} == {True, False}
    assert not any(each.differing() for each in found.decisions)
    assert found.counts["compared: keep"] == found.counts["compared: score"] == len(told)
