import itertools
import json
from collections import Counter

import polars as pl
import pytest
from growing import grown
from likeness import near_share
from scipy.stats import chi2_contingency, chisquare

from schemas.errors import BadInput
from tasks.coverage import label_min_share
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.slots import draw

TASKS = (
    ("dialogue", "no dialogue"), ("plot twist", "no plot twist"), ("moral", "no moral"), ("conflict", "no conflict"),
    ("bad ending", "good ending"),
)  # fmt: skip


def choice(pair):
    return f"slots.label.choice={json.dumps(pair)}"


def drawn(n, *changes):
    return [draw(load_recipe("labelled", changes), "first", i) for i in range(n)]


def test_labels_come_equally_often_however_many_are_asked_for():
    counts = Counter()
    for slots in drawn(2000):
        counts[slots["label"]] += 1
        assert abs(counts["positive"] - counts["negative"]) <= 2


def test_a_label_goes_with_every_kind_of_text_and_every_topic_alike():
    slots = drawn(3000)
    for other in ("kind", "topic"):
        pairs = Counter((each["label"], each[other]) for each in slots)
        items = sorted({item for _, item in pairs})
        table = [[pairs[label, item] for item in items] for label in ("negative", "positive")]
        assert chi2_contingency(table).pvalue > 1e-4, other


def test_the_random_sampler_draws_labels_evenly_by_chance():
    counts = Counter(slots["label"] for slots in drawn(3000, "sampler=random"))
    assert chisquare(list(counts.values())).pvalue > 1e-4
    running = itertools.accumulate(
        1 if slots["label"] == "positive" else -1 for slots in drawn(3000, "sampler=random")
    )
    assert max(map(abs, running)) > 2


def test_the_label_and_its_meaning_are_in_the_prompt_and_not_told_to_the_second_look():
    recipe = load_recipe("labelled")
    for label in ("positive", "negative"):
        slots = {
            "label": label,
            "kind": "review",
            "topic": "lamp",
            "child": 0,
            "passage": "The lamp is here.",
        }
        prompt = render(recipe.levels[0].prompt, slots)
        assert f"Label: {label}\n" in prompt and "It is a review." in prompt and "About: lamp" in prompt
    looks = {render(recipe.levels[1].prompt, slots | {"label": label}) for label in ("positive", "negative")}
    assert len(looks) == 1


@pytest.mark.parametrize("pair", TASKS)
def test_the_labels_choose_the_task(pair):
    recipe = load_recipe("labelled", (choice(pair),))
    for label in pair:
        slots = {"label": label, "kind": "review", "topic": "lamp", "child": 0, "passage": "A."}
        assert "It is a story" in render(recipe.levels[0].prompt, slots)
        assert f"{' or '.join(sorted(pair))}?" in render(recipe.levels[1].prompt, slots)


def test_a_label_without_a_meaning_is_refused_by_name(tmp_path):
    with pytest.raises(BadInput, match="grumpy"):
        grown(tmp_path, "labelled", 4, changes=[choice(["grumpy", "merry"])])


def test_it_grows_balanced_texts_whose_label_is_kept_as_gold(tmp_path):
    made = grown(tmp_path, "labelled", 150)
    asked = made["sample"].filter("final")
    assert asked.height == 150 and made["sample"].filter(level="check").height > 140
    final = made["final"]
    assert final.height > 120 and near_share(final["text"].to_list()) < 0.05
    labels = [json.loads(slots)["label"] for slots in final["slots"]]
    assert label_min_share(labels) > 0.8
    for row, label in zip(final.iter_rows(named=True), labels, strict=True):
        assert row["instruction"] == "Which label fits the text: negative or positive?"
        assert (row["input"], row["output"]) == (row["text"], label)
        assert row["messages"][0]["content"] == f"{row['instruction']}\n\n{row['text']}"


def test_the_second_look_drops_what_was_written_for_the_other_label(tmp_path):
    verdicts = grown(tmp_path, "labelled", 150)["verdict"].filter(filter="label")
    looks = verdicts.drop_nulls("score")
    assert set(looks["score"]) == {0.0, 1.0}
    assert looks.select((pl.col("keep") == (pl.col("score") == 1)).all()).item()
    assert 0.01 < 1 - looks["keep"].mean() < 0.2 and looks["witness_id"].null_count() == 0


@pytest.mark.parametrize("pair", TASKS[:2])
def test_a_task_of_stories_grows_too(tmp_path, pair):
    final = grown(tmp_path, "labelled", 60, changes=[choice(pair)])["final"]
    assert final.height > 44 and set(final["output"]) == set(pair)
    assert near_share(final["text"].to_list()) < 0.05
