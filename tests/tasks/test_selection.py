import json
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.settings import Curation
from tasks.cosine_search import cosines
from tasks.selection import Pool, by_chance, pool_of, select, take
from tasks.tokens import words
from tasks.vectors import unit_rows
from warehouse.parts import polars_schema
from warehouse.run import begin

BLANK = {name: "" if kind == pl.String else None for name, kind in polars_schema("sample").items()}


def pool(n, strata=("a",), n_words=None, seed=0, d=8):
    """Rows that fall into the strata in turn."""
    chance = np.random.default_rng(seed)
    rows = pl.DataFrame(
        {
            "sample_id": [f"s{i:04}" for i in range(n)],
            "quality": np.sort(chance.random(n))[::-1],
            "stratum": [strata[i % len(strata)] for i in range(n)],
            "n_words": n_words or chance.integers(5, 50, n),
        }
    )
    return Pool(rows, unit_rows(chance.standard_normal((n, d))))


def taken(pool, select, rows=None, tokens=None, **curation):
    asked = Curation(select=select, select_rows=rows, select_tokens=tokens, **curation)
    return take(pool, asked, rows or pool.rows.height, np.inf if tokens is None else tokens)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(1, 60))
def test_quotas_are_equal_shares_and_what_a_small_stratum_leaves_goes_round(sizes, rows):
    strata = [f"t{i}" for i, size in enumerate(sizes) for _ in range(size)]
    made = pool(len(strata), strata)
    shares = Counter(made.rows["stratum"].gather(taken(made, "quota", rows)))
    assert sum(shares.values()) == min(rows, len(strata))
    level = max(shares.values())
    for i, size in enumerate(sizes):
        assert shares[f"t{i}"] in (min(size, level), min(size, level - 1))


def test_the_rows_of_a_quota_are_chance_and_not_quality():
    made = pool(2000, ("a", "b"))
    places = np.array(taken(made, "quota", 400))
    assert abs(places.mean() - 999.5) < 4 * 577 / 20


@pytest.mark.parametrize("how", ["quota", "random", "greedy_diverse"])
def test_what_is_taken_does_not_depend_on_the_order_of_rows_and_more_budget_takes_more_of_the_same(how):
    made = pool(300, ("a", "b", "c"))
    ids = made.rows["sample_id"]
    few, more = (taken(made, how, rows, semantic=0.99) for rows in (60, 90))
    assert more[:60] == few
    shuffled = np.random.default_rng(5).permutation(300)
    again = Pool(made.rows[shuffled], made.vectors[shuffled])
    assert (
        again.rows["sample_id"].gather(taken(again, how, 60, semantic=0.99)).to_list()
        == ids.gather(few).to_list()
    )


@pytest.mark.parametrize("how", ["quota", "random", "greedy_diverse"])
def test_a_budget_of_words_is_used_up_and_never_exceeded(how):
    made = pool(300, ("a", "b"))
    spent = made.rows["n_words"].gather(taken(made, how, tokens=1000, semantic=0.99)).sum()
    assert 940 < spent <= 1000
    both = taken(made, how, rows=10, tokens=10_000, semantic=0.99)
    assert len(both) == 10


def test_greedy_diverse_keeps_the_bound_and_the_threshold_moves_it():
    made = pool(400, ("a", "b"), d=3)
    for semantic, most in ((None, 0.9), (0.5, 0.5)):
        places = taken(made, "greedy_diverse", 400, semantic=semantic)
        among = cosines(made.vectors[places], made.vectors[places])[np.triu_indices(len(places), 1)]
        assert most - 0.1 < among.max() <= most + 1e-5


def test_rows_without_a_vector_are_not_taken_as_diverse_but_have_their_chance():
    made = pool(20)
    made.vectors[:10] = np.nan
    assert sorted(taken(made, "greedy_diverse", 20, semantic=1.0)) == list(range(10, 20))
    assert len(taken(made, "quota", 20)) == 20


def test_random_is_an_even_draw_that_another_word_draws_anew():
    rows = pool(4000).rows
    one, other = by_chance(rows, "random", 400, np.inf), by_chance(rows, "control", 400, np.inf)
    assert len(one) == len(set(one)) == 400
    assert 15 < len(set(one) & set(other)) < 70  # 40 in the mean
    assert abs(np.mean(one) - 1999.5) < 4 * 1155 / 20


def made(run, n, prefix="s", dropped=(), recipe="mine"):
    chance = np.random.default_rng(n)
    ids = [f"{prefix}{i}" for i in range(n)]
    samples = [
        {
            **BLANK, "sample_id": i, "parent_id": None, "root_id": i, "run_id": run.run_id, "recipe": recipe,
            "final": True, "ordinal": k, "text": " ".join(["word"] * (k % 7 + 1)), "model": "m",
            "slots": json.dumps({"label": "ab"[k % 2]}),
        }
        for k, i in enumerate(ids)
    ]  # fmt: skip
    verdicts = [
        {"sample_id": i, "run_id": run.run_id, "filter": "quality", "keep": True, "score": k / n}
        for k, i in enumerate(ids)
    ]
    vectors = [
        {"sample_id": i, "run_id": run.run_id, "encoder": "e", "truncated": False, "vector": v}
        for i, v in zip(ids, chance.standard_normal((n, 4)).tolist(), strict=True)
    ]
    tables = {"sample": samples, "verdict": verdicts, "embedding": vectors}
    frames = {name: pl.DataFrame(rows, schema=polars_schema(name)) for name, rows in tables.items()}
    return run.once("made", [], {}, lambda: frames), frames["sample"]


def sided(samples):
    side = pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("heldout")).otherwise(pl.lit("train"))
    return samples.with_columns(split=side)


def test_a_pool_knows_quality_words_vectors_and_strata_of_this_run_and_of_earlier_ones(run):
    parts, old = made(run, 12, "old")
    run.commit(parts)
    later = begin(run.root, "corpus", "test", "second", {})
    parts, new = made(later, 20, "new", recipe="other")
    both = pl.concat([old, new])
    found = pool_of(later, parts, both, True)
    assert found.rows.height == 32
    assert found.rows["quality"].to_list() == sorted(found.rows["quality"].to_list(), reverse=True)
    by_id = {row["sample_id"]: row for row in found.rows.iter_rows(named=True)}
    assert by_id["old6"]["quality"] == 0.5
    assert by_id["new8"]["n_words"] == 2
    assert np.isfinite(found.vectors).all()
    assert by_id["old1"]["stratum"].split("\x1f")[:2] == ["mine", '"b"']


def test_both_sides_of_a_selection_and_its_control(run):
    parts, samples = made(run, 100)
    samples = sided(samples)
    found = select(run, parts, samples, Curation(select="greedy_diverse", select_rows=30, semantic=0.999))
    heldout = samples.filter(pl.col("split") == "heldout")["sample_id"].to_list()
    for rows in (found.chosen, found.control):
        assert rows.filter(pl.col("split") == "heldout")["sample_id"].to_list() == heldout
        assert rows.filter(pl.col("split") == "train").height == 30
        assert rows["sample_id"].to_list() == [i for i in samples["sample_id"] if i in set(rows["sample_id"])]
    assert set(found.chosen["sample_id"]) != set(found.control["sample_id"])
    assert found.how["rows"] == found.how["control_rows"] == 30
    assert found.how["candidates"] == 80


def test_the_control_of_a_budget_of_words_has_as_many_words(run):
    parts, samples = made(run, 200)
    found = select(run, parts, sided(samples), Curation(select="quota", select_tokens=300))
    n_words = [
        sum(len(words(text)) for text in rows.filter(pl.col("split") == "train")["text"])
        for rows in (found.chosen, found.control)
    ]
    assert n_words == [found.how["tokens"], found.how["control_tokens"]]
    assert all(293 < n <= 300 for n in n_words)


def test_the_control_is_as_small_as_what_was_selected(run):
    parts, samples = made(run, 100)
    found = select(
        run, parts, sided(samples), Curation(select="greedy_diverse", select_rows=80, semantic=0.2)
    )
    assert found.how["rows"] < 40
    assert found.how["control_rows"] == found.how["rows"]
