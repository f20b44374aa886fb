import json

import polars as pl
import pytest

from schemas.errors import BadInput
from tasks import run_state
from tasks.moments import difference
from tasks.run_state import encoder_of, kept_of, states_of
from tasks.tallies import of
from warehouse.parts import polars_schema


def frame(table, rows):
    return pl.DataFrame(rows, schema=polars_schema(table))


def samples_of(run, n):
    """n final samples of two recipes, each grown from a sample of its own that is not final."""
    blank = {column: "" if kind == pl.String else None for column, kind in polars_schema("sample").items()}
    same = {**blank, "run_id": run.run_id, "root_id": "r", "ordinal": 0}
    slots = json.dumps({"label": "x", "words": ["dog"]})
    above = [
        {**same, "sample_id": f"p{i}", "parent_id": None, "recipe": "one" if i % 2 else "two", "final": False, "slots": "{}"}
        for i in range(n)
    ]  # fmt: skip
    final = [
        {
            **row,
            "sample_id": f"s{i}",
            "parent_id": f"p{i}",
            "final": True,
            "text": f"a dog {i}",
            "slots": slots,
        }
        for i, row in enumerate(above)
    ]
    return [*above, *final]


def parts_in(run, rows, pieces):
    """The rows of each table in this many parts."""
    found = []
    for table, each in rows.items():
        size = -(-len(each) // pieces)
        for i in range(0, len(each), size):
            found += run.once(
                f"{table}{pieces}", [], {"i": i}, lambda t=table, e=each[i : i + size]: {t: frame(t, e)}
            )
    return found


def corpus(run, n=12):
    judged = {"run_id": run.run_id, "filter": "quality"}
    verdicts = [{**judged, "sample_id": f"s{i}", "keep": i > 2, "score": i / n} for i in range(n)]
    verdicts.append({**judged, "filter": "rouge", "sample_id": "p5", "keep": False, "score": 0.9})
    vectors = [
        {
            "sample_id": f"s{i}",
            "run_id": run.run_id,
            "encoder": "e",
            "truncated": i == 7,
            "vector": [1.0, float(i)],
        }
        for i in range(n)
    ]
    return {"sample": samples_of(run, n), "verdict": verdicts, "embedding": vectors}


def test_how_rows_are_split_into_parts_changes_nothing(run, monkeypatch):
    rows = corpus(run)
    whole, encoder = states_of(run, parts_in(run, rows, 1))
    monkeypatch.setattr(run_state, "SLAB", 2)
    monkeypatch.setattr(run_state, "WAITING", 2)
    split, _ = states_of(run, parts_in(run, rows, 5))
    assert encoder == "e" and list(split) == list(whole) == ["one", "two"]
    for name, state in whole.items():
        assert split[name].counts == state.counts
        assert split[name].texts.equals(state.texts) and split[name].ids == state.ids
        assert difference(split[name].sums, state.sums) < 1e-12


def test_only_what_is_kept_counts_and_the_funnel_knows_the_rest(run):
    states, _ = states_of(run, parts_in(run, corpus(run), 1))
    one = states["one"].counts  # s1, s3, ... s11, without s1 (quality) and s5 (its parent)
    assert (one["made", "n"], one["kept", "n"], one["texts", "n"], states["one"].sums.n) == (6, 4, 4, 4)
    assert of(one, "dropped") == {"quality": 1, "rouge": 1}
    assert of(one, "truncated") == {"n": 4, "hit": 1}
    assert of(one, "score/quality") == {f"{i / 12:.3f}": 1 for i in (3, 7, 9, 11)}
    assert one["label_made", "x"], one["label_kept", "x"] == (6, 4)


def test_a_filter_that_kept_all_of_a_recipe_is_known_to_have_judged_it(run):
    rows = corpus(run)
    rows["verdict"] = [row for row in rows["verdict"] if row["filter"] == "quality" and row["keep"]]
    kept = kept_of(run, parts_in(run, rows, 1))
    assert kept.verdicts.height == 2 and kept.ids.height == 12
    states, _ = states_of(run, parts_in(run, rows, 1))
    assert of(states["two"].counts, "dropped") == {"quality": 0}


def test_two_encoders_are_refused(run):
    rows = corpus(run, 4)
    rows["embedding"][0]["encoder"] = "other"
    with pytest.raises(BadInput, match=r"come from 2 encoders: \['e', 'other'\]"):
        encoder_of(run, parts_in(run, rows, 2))
    assert encoder_of(run, []) is None


def test_no_parts_are_no_recipes(run):
    assert states_of(run, []) == ({}, None)
