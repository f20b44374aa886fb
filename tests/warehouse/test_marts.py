"""Given rows, expect rows: each mart as the query that it is, over small tables made by hand."""

import json
from contextlib import contextmanager

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tables import tables
from warehouse import connect
from warehouse.parts import polars_schema
from warehouse.views import mart_files

MARTS = {path.stem: path.read_text("utf-8") for path in mart_files()}
EACH_MART = pytest.mark.parametrize("mart", MARTS)
FILL = {pl.String: "x", pl.Int64: 1, pl.Float64: 0.5, pl.Boolean: True, pl.List: [], pl.Array: [7] * 128}
GRAIN = {
    "clean_sample": "sample_id",
    "cost_per_kept": "run_id, recipe",
    "diversity_trend": "run_id, recipe, metric",
    "dropped": "sample_id, filter, judged_id",
    "estimate": "run_id, quantity",
    "duplicate_groups": "sample_id",
    "failed_call": "run_id, request_id",
    "funnel": "run_id, recipe",
    "gate": "release_id, gate",
    "label_balance": "run_id, recipe, label",
    "lineage_trend": "run_id, lineage, metric",
    "model_gain": "release_id",
    "nearest": "sample_id, encoder",
    "neighbour_score": "run_id, recipe, filter, bucket",
    "openers": "run_id, recipe, opener",
    "reject_reason": "run_id, origin, reason",
    "semantic_threshold": "run_id, recipe, encoder, threshold",
    "slot_use": "recipe, slot, item",
    "stored_state": "run_id, recipe",
}


def rows(table, given):
    """Rows with a typed value in every column that was not given and may not be null."""
    nullable = {field.name: field.nullable for field in tables()[table].arrow()}
    schema = polars_schema(table)
    blank = {name: None if nullable[name] else FILL[kind.base_type()] for name, kind in schema.items()}
    blank |= {"run_id": "r"} | ({"slots": "{}"} if table == "sample" else {})
    return pl.DataFrame([{**blank, **row} for row in given], schema=schema)


@contextmanager
def opened(**frames):
    """A connection with these tables, the others empty."""
    with duckdb.connect() as connection:
        for table in tables():
            connection.register(table, rows(table, frames.get(table, [])))
        yield connection


def ask(query, **frames):
    """The rows that a query gives over these tables, as dictionaries."""
    with opened(**frames) as connection:
        return connection.sql(query).pl().to_dicts()


def only(found, *columns):
    return sorted(tuple(row[name] for name in columns) for row in found)


def sample(sample_id, parent_id=None, **columns):
    return {"sample_id": sample_id, "parent_id": parent_id, "recipe": "one", "text": sample_id, **columns}


def verdict(sample_id, filter, keep=False, **columns):
    return {"sample_id": sample_id, "filter": filter, "keep": keep, **columns}


def near(sample_id, witness_id, score, **columns):
    return verdict(sample_id, "minhash", score=score, threshold=0.7, witness_id=witness_id, **columns)


def asked(sample_id, **slots):
    return sample(sample_id, slots=json.dumps(slots))


def call(request_id, **columns):
    paid = {"n_prompt_tokens": 10, "n_completion_tokens": 5, "attempts": 1, "replayed": False, "reply": "x"}
    return {"request_id": request_id, "recipe": "one", **paid, **columns}


def measured(run_id, value, **columns):
    same = {"scope": "recipe", "scope_id": "one", "metric": "vs2_unbiased", "version": "1", "encoder": "e"}
    return {"run_id": run_id, "value": value, **same, **columns}


def runs(*names):
    """Each run ends after the one before it."""
    return [{"run_id": name, "edition": name, "finished_at": str(i)} for i, name in enumerate(names)]


def gate(name, passed, blocks=True):
    return {"name": name, "passed": passed, "value": 0.1, "threshold": 0.2, "blocks": blocks, "rule": "most"}


FOREST = {
    "sample": [
        sample("a", final=False),
        sample("b", "a"),
        sample("c", "a"),
        sample("d", final=False),
        sample("e", "d"),
        sample("f", recipe="two"),
        sample("g"),
    ],
    "verdict": [
        verdict("d", "rouge", reason="said before", score=0.9, threshold=0.7, witness_id="a"),
        verdict("b", "quality", True),
        near("c", "b", 0.8, reason="like b"),
        verdict("g", "exact", witness_id="b"),
        verdict("g", "quality"),
    ],
}


def everything():
    """Rows that would repeat a key of a mart whose grain is not what it says."""
    labelled = {"slots": '{"label":"good","words":["cat","cat"],"one":"text above"}', "text": "a b c d"}
    again = [sample(f"{name}{i}", **labelled, run_id=name) for name in "xy" for i in range(3)]
    calls = [call(name, run_id=run, reply=None) for name in "pq" for run in "xy"]
    values = [measured(run, 1.0) for run in "xy"]
    return {
        "sample": FOREST["sample"] + again,
        "verdict": [
            *FOREST["verdict"],
            near("x1", "x0", 0.8),
            near("x2", "x1", 0.8),
            verdict("b", "minhash", True),
        ],
        "call": calls,
        "tally": [
            {"run_id": run, "recipe": "one", "statistic": "texts", "item": i} for run in "xy" for i in "nm"
        ],
        "moment": [{"run_id": "x", "recipe": "one", "encoder": code} for code in "ef"],
        "metric": [
            *values,
            measured("x", 1.0, scope="run", scope_id="x"),
            *(measured(run, 1.0, scope="lineage", scope_id=name) for run in "xy" for name in "st"),
            measured("r", 2.0, scope="run", scope_id="r", metric="estimated_requests"),
        ],
        "release": [{"release_id": name, "gates": [gate("size", True), gate("leak", None)]} for name in "mn"],
        "checkpoint": [{"checkpoint_id": str(i), "release_id": "m"} for i in range(2)],
        "reject": [{"line": i, "origin": origin, "reason": "bad"} for i in range(2) for origin in "st"],
        "neighbour": [seen("x1", kind, 0.5, "x0", run) for kind in ("prior", "all") for run in "xy"],
        "run": runs("r", "x", "y"),
    }


def test_every_mart_has_a_grain_here():
    assert sorted(GRAIN) == sorted(MARTS)


@EACH_MART
def test_no_two_rows_share_the_grain(mart):
    counts = f"SELECT count(*) AS n, count(DISTINCT ({GRAIN[mart]}, 0)) AS keys FROM ({MARTS[mart]})"
    ((found),) = ask(counts, **everything())
    assert found["n"] == found["keys"] >= 1


@EACH_MART
def test_a_mart_begins_with_its_grain_and_its_question(mart):
    first, second = MARTS[mart].splitlines()[:2]
    assert first.startswith("-- Grain: one row per ") and second.startswith("-- Answers: ")


@EACH_MART
def test_a_mart_of_an_empty_warehouse_is_empty(mart, tmp_path):
    with connect(tmp_path) as connection:
        answer = connection.sql(f'SELECT * FROM "{mart}"').pl()
    assert answer.width and not answer.height


def test_dropped_shows_every_blame_with_the_text_it_repeats():
    columns = (
        "sample_id",
        "filter",
        "judged_id",
        "judged_text",
        "reason",
        "score",
        "witness_id",
        "witness_text",
    )
    assert sorted(only(ask(MARTS["dropped"], **FOREST), *columns), key=str) == [
        ("c", "minhash", "c", "c", "like b", 0.8, "b", "b"),
        ("e", "rouge", "d", "d", "said before", 0.9, "a", "a"),
        ("g", "exact", "g", "g", None, None, "b", "b"),
        ("g", "quality", "g", "g", None, None, None, None),
    ]


def test_a_witness_that_is_gone_hides_no_drop():
    found = ask(MARTS["dropped"], sample=[sample("a")], verdict=[near("a", "elsewhere", 0.9)])
    assert only(found, "sample_id", "witness_id", "witness_text") == [("a", "elsewhere", None)]


def test_cost_per_kept_counts_what_was_paid_and_no_replays():
    calls = [
        call("1", cost_usd=0.5, attempts=3),
        call("2", cost_usd=0.25),
        call("3", cost_usd=9.0, replayed=True),
        call("4", reply=None, n_prompt_tokens=None, n_completion_tokens=None, attempts=6),
    ]
    (one, two) = sorted(ask(MARTS["cost_per_kept"], call=calls, **FOREST), key=lambda row: row["recipe"])
    assert one == {
        "run_id": "r",
        "recipe": "one",
        "made": 4,
        "kept": 1,
        "calls": 4,
        "replayed": 1,
        "failed": 1,
        "attempts": 10,
        "prompt_tokens": 20,
        "completion_tokens": 10,
        "unpriced": 0,
        "usd": 0.75,
        "usd_per_kept": 0.75,
        "calls_per_kept": 4.0,
    }
    assert (two["recipe"], two["kept"], two["calls"], two["usd"]) == ("two", 1, 0, 0.0)


def test_one_unknown_price_makes_the_cost_unknown_and_is_counted():
    (row,) = ask(MARTS["cost_per_kept"], sample=[sample("a")], call=[call("1", cost_usd=0.5), call("2")])
    assert (row["unpriced"], row["usd"], row["usd_per_kept"], row["calls_per_kept"]) == (1, None, None, 2.0)


def test_what_was_paid_for_nothing_is_there_without_a_price_per_kept():
    (row,) = ask(MARTS["cost_per_kept"], call=[call("1", cost_usd=0.5)])
    assert (row["made"], row["kept"], row["usd"], row["usd_per_kept"]) == (0, 0, 0.5, None)


def said(quantity, value, low, high):
    facts = {"scope": "run", "scope_id": "r", "metric": f"estimated_{quantity}", "value": value}
    return {**facts, "low": low, "high": high, "n": 5}


def test_an_estimate_stands_beside_what_the_calls_took():
    calls = [call("1", cost_usd=0.5), call("2", cost_usd=0.25), call("3", reply=None, cost_usd=None)]
    metrics = [said("requests", 2.0, 1.0, 2.5), said("cost_usd", 1.0, 0.5, 1.5), said("hours", 1.0, 0.5, 1.5)]
    metrics.append({"scope": "run", "scope_id": "r", "metric": "hours", "value": 1.1, "n": 3})
    found = {row["quantity"]: row for row in ask(MARTS["estimate"], call=calls, metric=metrics)}
    assert {name: (row["taken"], row["within"]) for name, row in found.items()} == {
        "requests": (3.0, False),
        "cost_usd": (0.75, True),
        "hours": (1.1, True),
    }
    assert found["requests"]["off_by"] == 0.5


def test_a_price_that_is_unknown_leaves_the_cost_of_the_run_unknown():
    (row,) = ask(MARTS["estimate"], call=[call("1", cost_usd=None)], metric=[said("cost_usd", 1.0, 0.5, 1.5)])
    assert (row["taken"], row["off_by"], row["within"]) == (None, None, None)


def test_the_trend_compares_with_the_last_known_value():
    values = [measured("a", 1.0), measured("b", None), measured("c", 4.0), measured("d", 5.0)]
    found = ask(MARTS["diversity_trend"], metric=values[::-1], run=runs("a", "b", "c", "d"))
    expected = [("a", None, None, None), ("b", 1.0, None, 1.0), ("c", 1.0, 3.0, 1.0), ("d", 4.0, 1.0, 2.5)]
    assert only(found, "run_id", "previous", "change", "usual") == expected


def test_the_trend_never_crosses_recipes_metrics_versions_or_encoders():
    others = [{"version": "2"}, {"encoder": "f"}, {"encoder": None}, {"scope_id": "two"}, {"metric": "vendi"}]
    values = [measured("a", 1.0), *(measured("b", 2.0, **other) for other in others)]
    values.append(measured("b", 3.0, scope="run"))
    found = ask(MARTS["diversity_trend"], metric=values, run=runs("a", "b"))
    assert len(found) == 6 and {row["previous"] for row in found} == {None}


def test_usual_is_the_median_of_the_eight_runs_before():
    names = "abcdefghij"
    values = [measured(name, float(i**2)) for i, name in enumerate(names)]
    found = ask(MARTS["diversity_trend"], metric=values, run=runs(*names))
    assert only(found, "run_id", "usual")[-1] == ("j", (16 + 25) / 2)


def test_the_trend_names_who_wrote():
    written = [
        sample("1", model="m"),
        sample("2"),
        sample("3", model="b"),
        sample("4", model="x", final=False),
    ]
    (row,) = ask(MARTS["diversity_trend"], sample=written, metric=[measured("r", 1.0)], run=runs("r"))
    assert (row["writer"], row["headline"]) == ("b+m+unknown", True)


def test_duplicate_groups_follow_a_witness_that_repeats_another():
    samples = [sample(name) for name in "abcdef"]
    chain = [near("b", "a", 0.9), near("c", "b", 0.8), verdict("d", "exact", witness_id="c", score=1.0)]
    verdicts = [*chain, near("f", "e", 0.75), verdict("e", "minhash", True), near("a", "a", 1.0)]
    found = ask(MARTS["duplicate_groups"], sample=samples, verdict=verdicts)
    assert only(found, "sample_id", "repeats", "least_score", "text") == [
        ("a", 3, 0.8, "a"),
        ("e", 1, 0.75, "e"),
    ]
    members = next(row for row in found if row["sample_id"] == "a")["members"]
    assert only(members, "sample_id", "filter", "score") == [
        ("b", "minhash", 0.9),
        ("c", "minhash", 0.8),
        ("d", "exact", 1.0),
    ]
    assert [member["sample_id"] for member in members] == ["d", "b", "c"]


def test_failed_calls_are_those_without_a_usable_reply():
    calls = [call("ok"), call("cut", finish_reason="length")]
    calls += [
        call("none", reply=None),
        call("late", reply=None, error="timeout"),
        call("odd", error="no JSON"),
    ]
    found = ask(MARTS["failed_call"], call=calls, run=runs("r"))
    assert only(found, "request_id", "error", "finished_at") == [
        ("late", "timeout", "0"),
        ("none", "unknown", "0"),
        ("odd", "no JSON", "0"),
    ]


def test_a_gate_whose_value_is_unknown_is_neither_passed_nor_failed():
    gates = [gate("good", True), gate("bad", False), gate("odd", None, blocks=False)]
    found = ask(
        MARTS["gate"], release=[{"release_id": "m", "gates": gates}, {"release_id": "n"}], run=runs("r")
    )
    assert only(found, "release_id", "gate", "outcome", "blocks", "value", "threshold") == [
        ("m", "bad", "failed", True, 0.1, 0.2),
        ("m", "good", "passed", True, 0.1, 0.2),
        ("m", "odd", "unknown", False, 0.1, 0.2),
    ]


def test_label_balance_shows_what_was_made_and_what_survives():
    samples = [
        asked("a", label="yes"),
        asked("b", label="yes"),
        asked("c", label="yes"),
        asked("d", label="no"),
    ]
    samples += [asked("e"), asked("f", label=["yes"]), {**asked("g", label="no"), "final": False}]
    found = ask(
        MARTS["label_balance"], sample=samples, verdict=[verdict("a", "quality"), verdict("b", "exact")]
    )
    columns = ("label", "made", "kept", "share_made", "share_kept", "kept_share")
    assert only(found, *columns) == [("no", 1, 1, 0.25, 0.5, 1.0), ("yes", 3, 1, 0.75, 0.5, 1 / 3)]


def test_a_label_set_of_which_nothing_survives_has_no_kept_share():
    (row,) = ask(MARTS["label_balance"], sample=[asked("a", label="x")], verdict=[verdict("a", "quality")])
    assert (row["kept"], row["share_kept"], row["kept_share"]) == (0, None, 0.0)


def test_scores_fall_into_the_bucket_that_begins_at_or_below_them():
    exact = [i / 20 for i in range(21)]
    verdicts = [near(f"s{i}", None, score) for i, score in enumerate(exact)]
    verdicts += [near(f"t{i}", None, score + 0.049) for i, score in enumerate(exact[:-1])]
    found = ask(MARTS["neighbour_score"], sample=[sample(v["sample_id"]) for v in verdicts], verdict=verdicts)
    assert only(found, "bucket", "n") == [(score, 2 if score < 1 else 1) for score in exact]


def test_neighbour_scores_tell_kept_from_dropped_and_leave_out_the_sample_itself():
    kept = {"filter": "minhash", "keep": True, "threshold": 0.7}
    verdicts = [near("a", "b", 0.72), {"sample_id": "b", "score": 0.71, **kept}, {"sample_id": "c", **kept}]
    verdicts += [near("d", "d", 1.0), verdict("e", "quality", score=0.7)]
    found = ask(MARTS["neighbour_score"], sample=[sample(name) for name in "abcde"], verdict=verdicts)
    columns = ("filter", "n", "kept", "dropped", "threshold", "bucket")
    assert sorted(only(found, *columns), key=str) == [
        ("minhash", 1, 1, 0, 0.7, None),
        ("minhash", 2, 1, 1, 0.7, 0.7),
    ]


def seen(sample_id, kind, cosine, neighbour_id, run_id="r", **columns):
    row = {"sample_id": sample_id, "kind": kind, "cosine": cosine, "neighbour_id": neighbour_id}
    return {"run_id": run_id, "encoder": "e", **row, **columns}


def test_the_nearest_by_now_is_the_most_similar_that_any_run_found_and_is_still_there():
    found = [
        seen("b", "prior", 0.4, "a"),
        seen("b", "all", 0.4, "a"),
        seen("a", "all", 0.4, "b"),
        seen("a", "all", 0.6, "c", "s"),
        seen("a", "all", 0.9, "gone", "t"),
        seen("b", "prior", 0.2, "a", encoder="f"),
    ]
    answer = ask(MARTS["nearest"], sample=[sample(name) for name in "abc"], neighbour=found)
    columns = ("sample_id", "encoder", "nn_cos_prior", "prior_id", "nn_cos_all", "all_id")
    assert only(answer, *columns) == [
        ("a", "e", None, None, 0.6, "c"),
        ("b", "e", 0.4, "a", 0.4, "a"),
        ("b", "f", 0.2, "a", None, None),
    ]


def test_what_was_nearest_once_stays_when_it_is_withdrawn():
    answer = ask(MARTS["nearest"], sample=[sample("b")], neighbour=[seen("b", "prior", 0.4, "gone")])
    assert only(answer, "nn_cos_prior", "prior_id", "nn_cos_all") == [(0.4, "gone", None)]


def test_thresholds_count_who_has_so_near_a_sample_before():
    found = [
        seen(name, "prior", cosine, "x") for name, cosine in zip("abcd", (0.8, 0.86, 0.95, 0.3), strict=True)
    ]
    found += [seen("a", "all", 1.0, "b")]
    answer = ask(MARTS["semantic_threshold"], sample=[sample(name) for name in "abcd"], neighbour=found)
    assert only(answer, "threshold", "n", "near") == [(0.8, 4, 3), (0.85, 4, 2), (0.9, 4, 1), (0.95, 4, 1)]


def test_openers_are_the_first_three_words_of_kept_final_samples_in_any_script():
    texts = [
        "Once upon a time",
        "“Once,” upon A time!",
        "Ngày xửa ngày xưa",
        "从前有一只猫",
        "two words",
        "gone is gone",
    ]
    samples = [sample(str(i), text=text) for i, text in enumerate(texts)]
    found = ask(MARTS["openers"], sample=samples, verdict=[verdict("5", "quality")])
    assert only(found, "opener", "n", "share") == [
        ("ngày xửa ngày", 1, 0.25),
        ("once upon a", 2, 0.5),
        ("从 前 有", 1, 0.25),
    ]


def test_openers_agree_with_the_words_of_the_statistics():
    from tasks.tokens import words

    texts = [
        "It's 3.5 o'clock",
        "naïve café—au lait",
        "ひらがなと カタカナ",
        "ab中文cd ef",
        "x_y z w v",
        "1,000 men rode",
        "हिन्दी में बात",
    ]
    found = ask(MARTS["openers"], sample=[sample(str(i), text=text) for i, text in enumerate(texts)])
    assert only(found, "opener") == sorted((" ".join(words(text)[:3]),) for text in texts)


def test_reject_reasons_are_counted_with_the_first_as_the_example():
    rejects = [{"origin": "f", "line": n, "reason": "no text", "content": f"row {n}"} for n in (9, 3, 7)]
    rejects.append({"origin": "f", "line": 1, "reason": "no JSON", "content": "{"})
    found = ask(MARTS["reject_reason"], reject=rejects, run=runs("r"))
    assert only(found, "origin", "reason", "n", "first_line", "example") == [
        ("f", "no JSON", 1, 1, "{"),
        ("f", "no text", 3, 3, "row 3"),
    ]


def test_slot_use_counts_samples_that_were_asked_and_kept():
    samples = [
        asked("a", words=["cat", "cat", "run"], topic="sea"),
        asked("b", words=["cat"], features=[]),
        {**asked("c", words=["cat"]), "final": False},
    ]
    verdicts = [verdict("a", "obedience", True, score=1.0), verdict("b", "obedience", score=0.5)]
    found = ask(MARTS["slot_use"], sample=samples, verdict=verdicts)
    assert only(found, "slot", "item", "asked", "kept", "obedience") == [
        ("topic", "sea", 1, 1, 1.0),
        ("words", "cat", 2, 1, 0.75),
        ("words", "run", 1, 1, 1.0),
    ]


def test_slot_use_counts_only_what_the_recipe_of_the_run_draws():
    asked = {"recipes": {"mine": {"recipe": {"slots": {"topic": {"choice": ["rain"]}}}}}}
    samples = [sample("a", run_id="r", recipe="mine", slots='{"topic": "rain", "request": "What is rain?"}')]
    runs = [{"run_id": "r", "parameters": json.dumps(asked)}]
    found = ask(MARTS["slot_use"], sample=samples, run=runs)
    assert [(each["slot"], each["item"]) for each in found] == [("topic", "rain")]


def test_slot_use_leaves_out_texts_above_and_what_rows_say_beside():
    samples = [
        sample("p", final=False, level="summary"),
        asked("a", summary="long ago", extra=["x"], **{'o"d$.': "y"}),
    ]
    found = ask(MARTS["slot_use"], sample=samples)
    assert only(found, "slot", "item", "asked", "obedience") == [('o"d$.', "y", 1, None)]


def test_a_lineage_is_compared_with_itself_before_under_the_same_version():
    values = [measured(run, v, scope="lineage") for run, v in zip("abc", (1.0, None, 4.0), strict=True)]
    values += [measured("b", 9.0), measured("c", 7.0, scope="lineage", version="2")]
    found = ask(MARTS["lineage_trend"], metric=values, run=runs("a", "b", "c"))
    assert only(found, "run_id", "version", "value", "previous", "change") == sorted(
        [("a", "1", 1.0, None, None), ("b", "1", None, 1.0, None), ("c", "1", 4.0, 1.0, 3.0), ("c", "2", 7.0, None, None)]
    )  # fmt: skip


def test_a_state_holds_while_the_run_keeps_what_it_kept():
    from tasks.tallies import fingerprint

    def texts(run_id, *ids):
        same = {"run_id": run_id, "recipe": "one", "statistic": "texts"}
        return [
            {**same, "item": "n", "n": len(ids)},
            {**same, "item": "fingerprint/1", "n": fingerprint(ids)},
        ]

    samples = [sample(name, run_id=name[0]) for name in ("a1", "a2", "b1", "b2", "c1", "c2")]
    tallies = [*texts("a", "a1", "a2"), *texts("b", "b1", "b2"), *texts("c", "c1"), *texts("d", "d1")]
    sums = [{"run_id": "a", "recipe": "one", "encoder": "e", "n": 2}]
    late = [verdict("b2", "late"), verdict("c1", "late")]  # of c another one is kept, and as many as then
    found = ask(MARTS["stored_state"], sample=samples, verdict=late, tally=tallies, moment=sums)
    assert only(found, "run_id", "kept_then", "kept_now", "with_vector", "holds") == [
        ("a", 2, 2, 2, True),
        ("b", 2, 1, 0, False),
        ("c", 1, 1, 0, False),
        ("d", 1, 0, 0, False),
    ]


FORESTS = st.lists(
    st.tuples(st.integers(-1, 6), st.booleans(), st.booleans(), st.sampled_from("uv")), max_size=8
)


AGREEING = ("clean_sample", "cost_per_kept", "dropped", "funnel", "label_balance", "openers", "slot_use")


@settings(max_examples=20)
@given(FORESTS)
def test_all_marts_agree_on_what_was_kept(forest):
    """A sample is (the place of its parent before it or -1, whether final, whether dropped, its run)."""
    samples, verdicts = [], []
    for i, (parent, final, drop, run) in enumerate(forest):
        name, above = f"s{i}", f"s{parent}" if 0 <= parent < i else None
        samples.append(sample(name, above, final=final, run_id=run, slots='{"label":"x"}', text="a b c"))
        verdicts += [verdict(name, "exact", not drop), verdict(name, "quality", not (drop and i % 2))]
    with opened(sample=samples, verdict=verdicts) as connection:
        answers = {mart: connection.sql(MARTS[mart]).pl().to_dicts() for mart in AGREEING}
    made = {(row["run_id"], row["made"], row["kept"]) for row in answers["funnel"]}
    kept = [row for row in answers["clean_sample"] if row["final"]]
    assert sum(n for _, _, n in made) == len(kept)
    assert sum(n - kept for _, n, kept in made) == len({row["sample_id"] for row in answers["dropped"]})
    for mart in ("cost_per_kept", "label_balance"):
        assert {(row["run_id"], row["made"], row["kept"]) for row in answers[mart]} == made
    assert sum(row["n"] for row in answers["openers"]) == len(kept)
    assert sum(row["kept"] for row in answers["slot_use"]) == len(kept)
