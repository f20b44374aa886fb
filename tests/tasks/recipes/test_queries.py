import json

import polars as pl
import pytest
from growing import grown
from likeness import near_share

from tasks.recipe import load_recipe
from tasks.round_trip import judge
from tasks.source_rows import seed_file

DOCUMENTS = [json.loads(line) for line in seed_file("documents.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return grown(tmp_path_factory.mktemp("queries"), "queries", 400)


def found(made, top=1):
    return judge(made["final"], made["sample"].filter(pl.col("level") == "document"), top, "r")


def test_our_documents_are_many_short_and_distinct():
    texts = [row["text"] for row in DOCUMENTS]
    assert len(texts) >= 130 and len({row["title"] for row in DOCUMENTS}) == len(texts)
    assert all(40 <= len(text.split()) <= 90 for text in texts)
    assert near_share(texts, 0.05) == 0, "not one shares a twentieth of its runs of five words with another"


def test_it_grows_eight_queries_a_passage_that_are_kept_and_distinct(made):
    final = made["final"]
    assert made["sample"].filter(pl.col("level") == "document").height == 50
    assert final.height > 0.9 * 400 and near_share(final["text"].to_list(), n=3) < 0.05
    texts = dict(made["sample"].filter(pl.col("level") == "document").select("sample_id", "text").iter_rows())
    for row in final.iter_rows(named=True):
        assert row["instruction"] == row["text"] and row["output"] == texts[row["root_id"]]


def test_most_queries_find_their_passage_and_bad_replies_do_not(made):
    verdicts = found(made)
    assert verdicts["keep"].mean() > 0.9
    lost = made["final"].join(verdicts.filter(~pl.col("keep")), on="sample_id", how="semi")
    assert lost.filter(pl.col("text").str.contains("(?i)sorry|apologize|here you go|asked for")).height > 0
    assert found(made, top=10)["keep"].sum() > verdicts["keep"].sum()


def test_the_prompt_shows_three_examples_and_256_words_of_the_document(tmp_path):
    (tmp_path / "long.txt").write_text(" ".join(f"w{n}" for n in range(400)), "utf-8")
    made = grown(tmp_path / "w", "queries", 8, source_files=[tmp_path / "long.txt"])
    (prompt, *_) = [json.loads(call)[-1]["content"] for call in made["call"]["messages"]]
    assert prompt.count("Document: ") == prompt.count("Query:") == 4
    assert "w255" in prompt and "w256" not in prompt
    assert made["final"]["output"][0].endswith("w399"), "what is trained on is the whole passage"


def test_the_sampling_is_promptagators_and_inpars_is_two_changes_away():
    (level,) = load_recipe("queries").levels
    assert (level.children, level.sampling.temperature, level.sampling.max_tokens) == (8, 0.7, 64)
    assert level.sampling.stop == ["\n"]
    (inpars,) = load_recipe(
        "queries", ("levels.query.children=1", "levels.query.sampling.temperature=0")
    ).levels
    assert (inpars.children, inpars.sampling.temperature) == (1, 0)


def test_sections_of_fairy_tales_go_through(tmp_path, public_data):
    """365 sections of the test split, a query each; the storyteller's find their section less often than ours."""
    folder = public_data("fairytaleqa/data-by-train-split/section-stories/test")
    made = grown(
        tmp_path,
        "queries",
        365,
        source_files=[folder],
        changes=["levels.query.children=1", "source.level=document"],
    )
    assert made["sample"].filter(pl.col("level") == "document").height == 365
    assert 0.6 < found(made)["keep"].mean() < 0.95
