import json

import polars as pl
import pytest

from schemas.errors import BadInput
from schemas.llm import OFFLINE
from tasks import pool
from tasks.pool import bootstrap_level, lineage, pool_of, read_seeds, seed_samples
from tasks.recipe import load_recipe


@pytest.fixture
def seeds(tmp_path, monkeypatch):
    """A function that writes a seed file and returns its name."""
    monkeypatch.setattr(pool, "SEEDS", tmp_path)

    def write(text):
        read_seeds.cache_clear()
        (tmp_path / "mine.jsonl").write_text(text)
        return "mine.jsonl"

    yield write
    read_seeds.cache_clear()


def test_seeds_are_read(seeds):
    tasks = [{"id": "a", "instruction": "Name one."}, {"id": "b", "instruction": "Name two."}]
    assert read_seeds(seeds("\n".join(map(json.dumps, tasks)) + "\n\n")) == tasks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: it needs a task a line"),
        ("\n\n", "is empty"),
        ("{}\n", "line 1: no seed task .KeyError"),
        ('{"instruction": "a b"}\nnot json\n', "line 2: no seed task"),
        ('{"instruction": "  "}\n', "empty instruction"),
        ("[1]\n", "line 1"),
    ],
)
def test_a_faulty_seed_file_is_one_line_with_its_place(seeds, text, said):
    with pytest.raises(BadInput, match=said):
        read_seeds(seeds(text))


def test_a_missing_seed_file_names_the_known_ones():
    with pytest.raises(BadInput, match=r"no seed file .*nope.jsonl; known: \[.*'self_instruct.jsonl'"):
        read_seeds("nope.jsonl")


def test_only_self_instruct_feeds_on_itself():
    assert bootstrap_level(load_recipe("self_instruct")).name == "instruction"
    assert bootstrap_level(load_recipe("tiny_stories")) is None


def test_the_pool_begins_with_the_seeds_which_are_samples_of_the_run(run):
    known = pool_of(run, "self_instruct", [], "false")
    rows = seed_samples(run, "self_instruct")
    assert known["sample_id"].to_list() == rows["sample_id"].to_list()
    assert rows["origin_id"][0] == "seed_task_0"
    assert not rows["final"].any()


def test_the_storyteller_counts_only_among_itself():
    texts = pl.DataFrame({"model": [OFFLINE, "gpt", None]})
    count = lambda condition: texts.sql(f"SELECT count(*) FROM self WHERE {condition}").item()  # noqa: E731
    assert count(lineage(OFFLINE, "warehouse")) == 1
    assert count(lineage("gpt", "warehouse")) == 2
    assert count(lineage("gpt", "run")) == 0
