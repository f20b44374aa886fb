"""Recipes grown by a real flow: drawn, from a pool, from rows of files, by makers, all the way to a release."""

import json

import pytest
from given import ask

from flows.corpus import corpus
from schemas.settings import Curation, Making
from tasks.recipe import recipe_names
from warehouse.manifest import read_current

SMALL = Curation(min_train=1, heldout=0.2)
MINE = """
name = "weather"
title = "Sentences about the weather"
citation = "ours"
licence = "CC0-1.0"

[slots.words]
each = ["{words}"]

[checks]
min_words = 3
shingle = 3

[[level]]
name = "sentence"
reply = "sentence"
final = true
prompt = "Words: {{{{ words[0] }}}}\\nWrite one sentence that uses the word."
instruction = "A sentence with {{{{ words[0] }}}}, please."
"""


def test_every_recipe_goes_from_the_storyteller_to_a_release(root):
    release_id = corpus(recipe=recipe_names(), count=12, edition="all", curation=SMALL)
    kept = dict(
        ask(root, "SELECT recipe, count(*) FROM member JOIN sample USING (sample_id) GROUP BY recipe")
    )
    assert sorted(kept) == recipe_names(), "each has something in the release"
    assert all(n >= 5 for n in kept.values()), kept
    trained_on = "SELECT DISTINCT recipe FROM member JOIN sample USING (sample_id) WHERE messages IS NULL"
    assert {name for (name,) in ask(root, trained_on)} <= {"mixture"}
    card = (root / "releases" / release_id / "README.md").read_text()
    assert "arXiv 2305.07759" in card and "arXiv 2212.10560" in card
    assert (root / "releases" / release_id / "preference" / "train.parquet").exists()
    (row,) = ask(root, "SELECT parameters FROM run")
    assert set(json.loads(row[0])["recipes"]) == set(recipe_names())


@pytest.mark.parametrize("steer", ["off", "coverage"])
def test_a_recipe_dropped_into_a_folder_with_words_of_ones_own_makes_a_release(root, tmp_path, steer):
    words = tmp_path / "mine.txt"
    words.write_text("rain\nsnow\nwind\nfog\nhail\nsun\n")
    path = tmp_path / "weather.toml"
    path.write_text(MINE.format(words=words))
    corpus(recipe=[str(path)], count=24, edition="e", making=Making(steer=steer), curation=SMALL)
    asked = ask(root, "SELECT DISTINCT json_extract_string(slots, '$.words[0]') FROM sample WHERE final")
    assert {word for (word,) in asked} == {"rain", "snow", "wind", "fog", "hail", "sun"}
    assert ask(root, "SELECT count(*) > 6 FROM member") == [(True,)]


def test_rows_of_a_file_of_ones_own_are_what_a_sourced_recipe_grows_from(root, tmp_path):
    mine = tmp_path / "mine.jsonl"
    rows = [
        {"id": f"q{i}", "question": f"Why is the number {word} so well liked?"}
        for i, word in enumerate(["two", "six", "nine"])
    ]
    mine.write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    making = Making(source=[str(mine)], set=["levels.answer.sampling.max_tokens=2000"])
    corpus(recipe=["explanation_traces"], count=10, edition="e", making=making, curation=SMALL)
    origins = ask(root, "SELECT origin_id FROM sample WHERE NOT final ORDER BY origin_id")
    assert origins == [("q0",), ("q1",), ("q2",)]
    assert ask(root, "SELECT line FROM reject") == [(4,)]


def test_money_moves_between_recipes_but_a_steered_run_costs_no_more(root):
    names, count = ["tiny_stories", "textbook"], 64
    each = (
        "SELECT sum(n_prompt_tokens + n_completion_tokens) / count(*), count(*) FROM call WHERE recipe = '{}'"
    )
    corpus(recipe=names, count=count, edition="e", making=Making(steer="diversity"), curation=SMALL)
    cost, trees = zip(*(ask(root, each.format(name))[0] for name in names), strict=True)
    paid = sum(a * b for a, b in zip(cost, trees, strict=True))
    assert 0.97 * count * sum(cost) < paid < 1.0001 * count * sum(cost)
    assert trees != (count, count) and all(count / 2 <= n <= 2 * count for n in trees)
    committed = {part.path for part in read_current(root).parts["verdict"]}
    on_disk = {str(path.relative_to(root)) for path in root.rglob("*.parquet") if "verdict" in path.parts}
    assert on_disk == committed, "verdicts of earlier rounds, which later ones replace, are not left behind"


def test_a_steered_edition_goes_on_where_the_last_one_stopped(root):
    for edition in ("one", "two"):
        corpus(
            recipe=["tiny_stories"],
            count=16,
            edition=edition,
            making=Making(steer="coverage"),
            curation=SMALL,
        )
    asked = "SELECT json_extract_string(slots, '$.words[0]') FROM sample WHERE final"
    nouns = [noun for (noun,) in ask(root, asked)]
    assert len(nouns) == len(set(nouns)) == 32
