import hashlib
import importlib
import json
import math
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from schemas.recipe import Recipe
from tasks import explore, measurement, state
from tasks.features import FEATURES
from tasks.measurement import Design, design_of, measure
from tasks.recipe import load_recipe
from tasks.spread import unit

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"


def frame(texts, slots=None, **columns):
    ids = [hashlib.sha256(f"{i} {text}".encode()).hexdigest()[:32] for i, text in enumerate(texts)]
    told = [json.dumps(s) for s in slots] if slots else ["{}"] * len(texts)
    return pl.DataFrame({"sample_id": ids, "text": texts, "slots": told, **columns})


def stories(n, seed=0):
    """Texts of words drawn by a Zipf law: no two alike, no template."""
    chance = np.random.default_rng(seed)
    p = 1 / np.arange(1, 3001)
    drawn = chance.choice(3000, (n, 40), p=p / p.sum())
    return [" ".join(f"w{t}" for t in row) for row in drawn]


def vectors(n, d=16, seed=0):
    return unit(np.random.default_rng(seed).standard_normal((n, d)))


def values(found):
    return dict(found.select("metric", "value").rows())


def test_every_metric_is_one_row_with_the_encoder_where_vectors_were_used():
    found = measure(frame(stories(60)), vectors(60), "enc")
    assert found["metric"].is_unique().all()
    assert found["metric"].is_sorted()
    encoders = dict(found.select("metric", "encoder").rows())
    assert (encoders["vendi"], encoders["mean_words"]) == ("enc", None)
    versions = dict(found.select("metric", "version").rows())
    assert (versions["vendi"], versions["effective_clusters"]) == ("1", "1/directions-64x16")


@pytest.mark.parametrize("m", [1_000, 30])
def test_the_order_of_rows_changes_nothing_not_a_bit(monkeypatch, m):
    for size in ("M_ROUGE", "M_NOVELTY"):
        monkeypatch.setattr(measurement, size, m)
    for module in (state, explore):
        monkeypatch.setattr(module, "M", m)
    samples = frame(stories(90), split=["train", "heldout", "train"] * 30)
    x, earlier = vectors(90), vectors(200, seed=1)
    order = np.random.default_rng(0).permutation(90)
    plain = measure(samples, x, "enc", earlier=earlier)
    assert measure(samples[order], x[order], "enc", earlier=earlier).equals(plain)


def test_planted_duplicates_are_seen_by_neighbours_and_not_by_averages():
    texts, x = stories(300), vectors(300)
    copies = texts[:270] + texts[:30], np.vstack([x[:270], x[:30]])
    before, after = (values(measure(frame(t), v, "e")) for t, v in ((texts, x), copies))
    assert (before["rouge_nn_share"], before["nn_cosine_share"]) == (0, 0)
    assert after["rouge_nn_share"] == pytest.approx(0.2)
    assert after["nn_cosine_share"] == pytest.approx(0.2)
    assert after["repeated_4gram_share"] > before["repeated_4gram_share"] + 0.15
    assert after["vs2_unbiased"] == pytest.approx(before["vs2_unbiased"], rel=0.05)


def test_a_planted_template_is_seen():
    texts = stories(100)
    framed = ["once upon a time there was " + text for text in texts]
    before, after = (values(measure(frame(t))) for t in (texts, framed))
    assert before["opener_top10_share"] < 0.2
    assert after["opener_top10_share"] == 1
    assert after["repeated_4gram_share"] > before["repeated_4gram_share"] + 0.05
    assert after["mean_words"] == 46


def test_novelty_and_drift_appear_only_with_earlier_vectors():
    x = vectors(100)
    plain = values(measure(frame(stories(100)), x, "e"))
    assert not {"novelty_median", "cluster_js"} & set(plain)
    repeated = values(measure(frame(stories(100)), x, "e", earlier=np.vstack([x, vectors(300, seed=5)])))
    assert repeated["novelty_median"] == pytest.approx(0, abs=1e-6)
    one = unit(np.ones((100, 16)) + 0.1 * vectors(100))
    drifted = measure(frame(stories(100)), one, "e", earlier=vectors(1000, seed=5))
    assert values(drifted)["cluster_js"] > 0.3
    version = dict(drifted.select("metric", "version").rows())["cluster_js"]
    assert re.fullmatch(r"2/kmeans-50x16-[0-9a-f]{8}", version)


def test_obedience_coverage_and_balance_appear_where_something_was_asked():
    slots = [{"words": ["dog", "run"], "label": "a"}, {"words": ["cat", "cry"], "label": "b"}] * 10
    texts = ["the dogs ran", "the cats sang"] * 10
    found = values(measure(frame(texts, slots), design=Design(("words",), (5, 4))))
    assert found["slot_hit_rate"] == pytest.approx(3 / 4)
    assert found["pair_coverage"] == pytest.approx(1 / (20 * (1 - (1 - 1 / 20) ** 20)))
    assert found["label_min_share"] == 1
    assert not {"slot_hit_rate", "pair_coverage", "label_min_share"} & set(values(measure(frame(texts))))


def test_features_are_looked_for_in_the_answer_and_in_the_language_of_the_text():
    asked = [{"features": ["dialogue", "foreshadowing"]}] * 4
    texts = ['Say "hello there, my dear."'] * 4  # an instruction before its answer
    answers = ["“Chào bạn!” ếch nói.", "– Chào bạn!", "Ếch ngủ.", None]
    codes = ["vi", "vi", "vi", "en"]
    found = measure(frame(texts, asked, output=answers, language=codes))
    assert values(found)["feature_hit_rate"] == values(found)["feature_hit_rate_dialogue"] == 3 / 4
    assert "feature_hit_rate_foreshadowing" not in values(found)
    assert "feature_hit_rate" not in values(measure(frame(texts, asked)))
    assert "feature_hit_rate" not in values(measure(frame(texts, asked, language=["xx"] * 4)))


def test_seeds_are_compared_with_instructions():
    samples = frame(["x y z", "p q r"], instruction=["sort the list of names", None])
    found = values(measure(samples, design=Design(seeds=("Sort the list of names!",))))
    assert found["seed_echo"] == 0.5


def test_leaks_are_counted_where_a_split_is_known():
    texts = stories(10)
    samples = frame([*texts, texts[0], "short"], split=["train"] * 10 + ["heldout"] * 2)
    assert values(measure(samples))["leak_records"] == 1
    nothing_held_out = frame(texts, split=["train"] * 10)
    assert values(measure(nothing_held_out))["leak_records"] is None


def test_rows_without_a_vector_are_left_out_of_what_needs_one():
    x = vectors(50)
    holed = x.copy()
    holed[10:] = np.nan
    samples = frame(stories(50), truncated=[True] * 5 + [False] * 5 + [None] * 40)
    found = measure(samples, holed, "e")
    assert values(found)["vendi"] == pytest.approx(values(measure(samples[:10], x[:10], "e"))["vendi"])
    assert dict(found.select("metric", "n").rows())["vendi"] == 10
    assert values(found)["truncated_share"] == 0.5


@pytest.mark.parametrize("n", [0, 1])
def test_of_fewer_than_two_texts_everything_is_null_and_nothing_0(n):
    found = measure(frame(["one text here"] * n), vectors(n), "e", earlier=vectors(50))
    assert found.height >= 15
    assert found["value"].null_count() == found.height
    assert set(found["n"]) <= {0, n}


def test_no_value_is_infinite_or_nan():
    found = measure(frame(stories(8)), np.eye(8), "e")
    assert values(found)["vs2_unbiased"] is None
    numbers = [v for column in ("value", "low", "high") for v in found[column] if v is not None]
    assert all(math.isfinite(v) for v in numbers)


def test_values_lie_in_their_intervals():
    found = measure(frame(stories(200)), vectors(200), "e", earlier=vectors(300, seed=3)).drop_nulls("low")
    assert found.height > 10
    assert (found["low"] <= found["value"]).all()
    assert (found["value"] <= found["high"]).all()


def test_the_design_of_a_recipe_is_read_from_its_file():
    found = design_of(load_recipe("tiny_stories"))
    assert found.slots == ("words",)
    assert len(found.sizes) == 3
    assert min(found.sizes) > 100
    assert design_of(None) == Design()


# docs/statistics.md


def documented():
    """The rows of the tables of the page: metric, definition, range, functions."""
    rows = [line.replace("\\|", "") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {c[0].strip("`"): (c, re.findall(r"`(tasks\.\w+\.\w+)`", c[3])) for c in cells}


def test_the_page_has_six_columns_and_a_function_for_every_metric():
    assert len(documented()) > 25
    for metric, (cells, functions) in documented().items():
        assert len(cells) == 6, metric
        assert all(cells), metric
        assert functions, metric


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`((?:tasks|schemas)\.\w+\.\w+)`", PAGE.read_text())))
)
def test_every_function_the_page_names_exists(name):
    module, function = name.rsplit(".", 1)
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("metric", sorted(documented()))
def test_the_docstring_behind_each_metric_states_its_range(metric):
    module, function = documented()[metric][1][0].rsplit(".", 1)
    text = getattr(importlib.import_module(module), function).__doc__
    assert re.search(r"Range: \S", text) or "in [0, 1]" in text, f"{function} does not say its range"


def test_every_metric_that_is_measured_is_on_the_page():
    slots = [{"words": ["dog", "run"], "label": "a", "features": list(FEATURES)}] * 30
    samples = frame(stories(30), slots, split=["train", "heldout"] * 15, truncated=[False] * 30)
    samples = samples.with_columns(language=pl.lit("en"))
    design = Design(("words",), (5, 4), ("a seed",))
    found = measure(samples, vectors(30), "e", design, earlier=vectors(60))
    of_runs = {"asked", "made", "kept", "kept_share", "dropped_<filter>", "keep_rate_gap", "valid_share"}
    of_runs |= {"quality_median", "dropped_share", "calls", "usd", "usd_per_kept", "label_share"}
    measured = {re.sub(r"^(feature_hit_rate)_.*", r"\1_<feature>", metric) for metric in found["metric"]}
    assert measured == set(documented()) - of_runs
    each = documented()["feature_hit_rate_<feature>"][0][1]
    assert {f"feature_hit_rate_{name}" for name in re.findall(r"`(\w+)`", each)} == {
        metric for metric in found["metric"] if metric.startswith("feature_hit_rate_")
    }


@pytest.mark.parametrize(
    "module",
    ["spread", "neighbours", "lexical", "clusters", "coverage", "overlap", "funnel", "features", "explore"],
)
def test_every_public_statistic_states_its_range(module):
    loaded = importlib.import_module(f"tasks.{module}")
    numbers = [
        f
        for name, f in vars(loaded).items()
        if callable(f)
        and not name.startswith("_")
        and getattr(f, "__module__", "") == loaded.__name__
        and str(getattr(f, "__annotations__", {}).get("return", ""))
        in ("float | None", "int | None", "float")
    ]
    assert numbers
    assert [f.__name__ for f in numbers if "Range: " not in f.__doc__] == []


def test_coverage_counts_the_cells_of_choices_too():
    slots = [{"topic": topic, "audience": who} for topic in "ab" for who in "cd"]
    found = values(measure(frame([f"text {i}" for i in range(4)], slots), design=design_of(GRID)))
    assert found["word_coverage"] > 1 and found["pair_coverage"] > 1
    assert "slot_hit_rate" not in found
    assert design_of(GRID).choices == ("topic", "audience") and design_of(GRID).sizes == (2, 2)


LEVEL = {"name": "a", "prompt": "x", "reply": "text", "final": True}
GRID = Recipe(
    name="t", title="", citation="", licence="", level=[LEVEL],
    slots={"topic": {"choice": ["a", "b"]}, "audience": {"choice": ["c", "d"]}},
)  # fmt: skip
