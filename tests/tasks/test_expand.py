import json

import polars as pl
from growing import asked_run, grown

from schemas.partition import Partition
from schemas.settings import Settings, Storyteller
from tasks.expand import SHARD, Shard, expand, plan, roots_of
from tasks.pool import clean, rows_of
from tasks.recipe import load_recipe
from tasks.sources import source

GOOD = Settings(storyteller=Storyteller(obey=1, repeat=0, bad=0))


def trees(run, settings=GOOD, name="tiny_stories_instruct", shard=Shard(0, 10)):  # noqa: B008
    parts = expand.fn(run, name, shard, [], settings)
    return parts, pl.concat([run.read(part) for part in parts if part.table == "sample"])


def test_count_is_of_final_samples_and_trees_have_the_product_of_their_children():
    recipe = load_recipe("tiny_stories_instruct")
    assert plan(recipe, 300, 0) == [Shard(0, 150)]
    assert plan(recipe, 301, 0) == [Shard(0, 151)]
    assert [shard.stop - shard.start for shard in plan(recipe, 2 * (SHARD + 1), 0)] == [SHARD, 1]


def test_a_pool_roots_as_many_trees_as_it_has_tasks():
    assert plan(load_recipe("self_instruct"), 300, SHARD + 5) == [Shard(0, SHARD), Shard(SHARD, SHARD + 5)]


def test_summary_then_two_sentences_then_a_story_each(run):
    _, samples = trees(run)
    counts = dict(samples.group_by("level").len().rows())
    assert counts == {"summary": 10, "sentence": 20, "story": 20}
    assert samples.filter("final")["level"].unique().to_list() == ["story"]


def test_every_child_knows_its_parent_its_root_and_what_was_asked(run):
    _, samples = trees(run)
    by_id = {row["sample_id"]: row for row in samples.iter_rows(named=True)}
    for row in samples.filter("final").iter_rows(named=True):
        sentence, slots = by_id[row["parent_id"]], json.loads(row["slots"])
        summary = by_id[sentence["parent_id"]]
        assert row["root_id"] == sentence["root_id"] == summary["sample_id"]
        assert (slots["sentence"], slots["summary"]) == (sentence["text"], summary["text"])
        assert slots["words"] == json.loads(summary["slots"])["words"]
        assert sentence["text"] in row["text"], "an obedient storyteller repeats the sentence to the letter"


def test_siblings_differ(run):
    _, samples = trees(run)
    sentences = samples.filter(pl.col("level") == "sentence")
    twice = sentences.group_by("parent_id").agg(pl.col("text").n_unique())
    assert twice["text"].to_list() == [2] * 10


def test_a_dropped_parent_has_no_children(run):
    parts, samples = trees(run, Settings(storyteller=Storyteller(bad=0.5)), shard=Shard(0, 40))
    living = clean(run, parts)["sample_id"]
    parents = samples["parent_id"].drop_nulls().unique()
    assert parents.is_in(living.implode()).all()
    assert samples.height > living.len(), "the storyteller was to answer badly"


def test_shards_together_are_the_same_trees_as_one(run):
    _, whole = trees(run)
    halves = pl.concat([trees(run, shard=Shard(i, i + 5))[1] for i in (0, 5)])
    assert whole.sort("sample_id").equals(halves.sort("sample_id"))


def test_instances_grow_from_the_accepted_tasks_alone(run):
    from tasks.bootstrap import bootstrap
    from tasks.pool import accepted
    from tasks.rouge import rouge

    found = bootstrap.fn(run, "self_instruct", 0, 20, [], "false", GOOD)
    pool = [*found, *rouge.fn(run, found, [], "self_instruct", "false")]
    tasks = accepted(run, "self_instruct", pool)
    parts = expand.fn(run, "self_instruct", Shard(0, tasks.height), pool, GOOD)
    samples = pl.concat([run.read(part) for part in parts if part.table == "sample"])
    flags = samples.filter(pl.col("level") == "flag")
    assert sorted(flags["parent_id"]) == sorted(tasks["sample_id"])
    assert set(flags["text"]) == {"Yes", "No"}
    finals = samples.filter("final")
    assert set(finals["instruction"]) <= set(tasks["text"])
    assert finals["output"].null_count() == 0


def test_a_shard_reads_only_the_rows_of_a_source_that_are_its_own(tmp_path):
    recipe = load_recipe("evol_instruct")
    parts = [
        Partition(table=table, path=f"{table}{i}", rows=rows, bytes=1, sha256=str(i))
        for i, (table, rows) in enumerate([("sample", 3), ("reject", 1), ("sample", 2), ("sample", 4)])
    ]

    def read(start, stop):
        return [part.path for part in roots_of(recipe, parts, Shard(start, stop))]

    assert read(0, 3) == ["sample0"]
    assert read(2, 4) == ["sample0", "sample2"]
    assert read(5, 9) == ["sample3"]
    assert roots_of(load_recipe("self_instruct"), parts, Shard(0, 3)) == parts


def test_shards_of_a_source_together_are_the_same_trees_as_one(tmp_path):
    whole = grown(tmp_path / "a", "explanation_traces", 20)["final"]
    run = asked_run(tmp_path / "b", "explanation_traces")
    roots = source.fn(run, "explanation_traces", 20, [])
    parts = [
        part
        for i in (0, 10)
        for part in expand.fn(run, "explanation_traces", Shard(i, i + 10), roots, Settings())
    ]
    assert set(rows_of(run, parts, "sample")["text"]) >= set(whole["text"])
