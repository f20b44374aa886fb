import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from schemas.ids import digest
from schemas.settings import Curation
from tasks.release import choose, release, row_digest, split
from warehouse.parts import polars_schema
from warehouse.run import begin

BLANK = dict.fromkeys(polars_schema("sample"))


def sample(run, i, **facts):
    row = {
        **BLANK,
        "sample_id": f"s{run.edition}{i}",
        "root_id": f"r{run.edition}{i // 2}",
        "run_id": run.run_id,
        "recipe": "mine",
        "level": "row",
        "final": True,
        "ordinal": i,
        "text": f"text {i} of {run.edition}",
        "messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": f"a{i}"}],
        "instruction": f"q{i}",
        "input": "",
        "output": f"a{i}",
        "slots": "{}",
        "language": "en",
        "origin": "mine.jsonl",
        "origin_id": f"user-{i}",
        "model": "m",
        "licence": "CC0-1.0",
    }
    return {**row, **facts}


def verdict(run, i, keep):
    row = dict.fromkeys(polars_schema("verdict"))
    return {**row, "sample_id": f"s{run.edition}{i}", "run_id": run.run_id, "filter": "quality", "keep": keep}


def made(run, n=40, dropped=(3, 4), **facts):
    samples = pl.DataFrame([sample(run, i, **facts) for i in range(n)], schema=polars_schema("sample"))
    rows = [verdict(run, i, i not in dropped) for i in range(n)]
    verdicts = pl.DataFrame(rows, schema=polars_schema("verdict"))
    return run.once("made", [], {"n": n}, lambda: {"sample": samples, "verdict": verdicts})


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=30), st.floats(0.05, 0.95))
def test_a_tree_is_never_on_both_sides_and_its_side_does_not_depend_on_the_others(roots, heldout):
    sides = split(pl.DataFrame({"root_id": roots}), heldout)
    assert sides.group_by("root_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert sides["root_id"].to_list() == roots
    more = split(pl.DataFrame({"root_id": [*roots, *(f"more {i}" for i in range(200))]}), heldout)
    stayed = more.head(len(roots))["split"] == sides["split"]
    assert stayed.all() or set(sides.filter(~stayed)["root_id"]) == set(
        sides.filter(pl.col("split") == "heldout")["root_id"]
    ), "only the tree that was held out for want of another may change sides"


def test_no_small_corpus_is_without_a_held_out_tree_by_chance():
    for n in range(2, 12):
        sides = split(pl.DataFrame({"root_id": [f"{n} {i}" for i in range(n)]}), 0.01)
        assert "heldout" in sides["split"].to_list()
    assert split(pl.DataFrame({"root_id": ["alone"]}), 0.01)["split"].to_list() == ["train"]


def test_the_held_out_share_is_the_one_asked_for():
    roots = pl.DataFrame({"root_id": [digest("root", i) for i in range(4000)]})
    n = split(roots, 0.1).filter(pl.col("split") == "heldout").height
    assert binomtest(n, 4000, 0.1).pvalue > 1e-4


def test_the_row_digest_is_that_of_the_rows_in_any_order(run):
    frame = pl.DataFrame([sample(run, i) for i in range(5)], schema=polars_schema("sample")).with_columns(
        split=pl.lit("train")
    )
    assert row_digest(frame) == row_digest(frame.reverse())
    assert row_digest(frame) != row_digest(frame.head(4))
    assert row_digest(frame) != row_digest(frame.with_columns(split=pl.lit("heldout")))


def test_dropped_samples_are_not_chosen(run):
    assert choose(run, made(run), ["mine"], "false").height == 38


def test_earlier_runs_of_the_lineage_are_gathered_and_others_are_not(run):
    run.commit(made(run))
    later = begin(run.root, "corpus", "test", "second", {})
    parts = made(later, dropped=())
    assert choose(later, parts, ["mine"], "model = 'm'").height == 38 + 40
    assert choose(later, parts, ["mine"], "model = 'other'").height == 40
    assert choose(later, parts, ["mine"], "false").height == 40


def frozen(run, parts, **curation):
    asked = Curation(min_train=1, heldout=0.3, **curation)
    parts = release.fn(run, parts, ["mine"], asked, "false")
    rows = {part.table: run.read(part) for part in parts}
    return rows["release"].to_dicts()[0], rows["member"]


def test_a_release_names_its_members_and_its_files(run):
    row, members = frozen(run, made(run))
    assert row["passed"]
    assert row["n_train"] + row["n_heldout"] == members.height == 38
    assert {file["path"] for file in row["files"]} >= {"messages/train.parquet", "alpaca/heldout.parquet"}
    assert row["row_digest"] in (run.root / row["path"] / "README.md").read_text()


def test_datasets_opens_a_release_by_the_name_of_its_form(run, tmp_path):
    from datasets import load_dataset

    row, _ = frozen(run, made(run))
    folder = str(run.root / row["path"])
    chats = load_dataset(folder, "messages", cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in chats.items()} == {
        "train": row["n_train"],
        "heldout": row["n_heldout"],
    }
    assert chats["train"][0]["messages"][0]["role"] == "user"
    alpaca = load_dataset(folder, "alpaca", split="train", cache_dir=str(tmp_path / "cache"))
    assert set(alpaca.column_names) >= {"instruction", "input", "output", "origin_id"}


def test_the_same_run_frozen_twice_is_the_same_release(run, tmp_path):
    again = begin(tmp_path / "other", "corpus", "test", "first", {})
    assert frozen(run, made(run))[0] == frozen(again, made(again))[0]


def both(run, parts, **curation):
    """The selected release and its control, with the ids of their members by side."""
    asked = Curation(min_train=1, heldout=0.3, **curation)
    rows = {part.table: run.read(part) for part in release.fn(run, parts, ["mine"], asked, "false")}
    found = []
    for row in rows["release"].sort("control_of", nulls_last=False).to_dicts():
        members = rows["member"].filter(pl.col("release_id") == row["release_id"])
        sides = {
            side: set(members.filter(pl.col("split") == side)["sample_id"]) for side in ("train", "heldout")
        }
        found.append((row, sides))
    return found


def test_a_selection_is_frozen_with_a_random_control_of_its_size_and_its_held_out_side(run):
    (row, sides), (control, by_chance) = both(run, made(run, 60), select="quota", select_rows=20)
    whole, members = frozen(run, made(run, 60))
    assert row["control_of"] is None
    assert control["control_of"] == row["release_id"]
    assert (row["name"], control["name"]) == ("test", "test/control")
    assert row["n_train"] == control["n_train"] == len(sides["train"]) == len(by_chance["train"]) == 20
    heldout = set(members.filter(pl.col("split") == "heldout")["sample_id"])
    assert sides["heldout"] == by_chance["heldout"] == heldout
    assert sides["train"] != by_chance["train"]
    assert whole["selection"] is None


def test_a_selection_and_its_control_have_files_and_cards_that_name_each_other(run):
    (row, _), (control, _) = both(run, made(run), select="random", select_rows=9)
    for one, other in ((row, control), (control, row)):
        files = {file["path"]: file["rows"] for file in one["files"]}
        assert files["text/train.parquet"] == 9
        text = (run.root / one["path"] / "README.md").read_text()
        assert f"`{other['release_id']}`" in text
        assert "| select | random |" in text
    assert json.loads(row["selection"])["control"] == control["release_id"]
    assert json.loads(row["selection"])["rows"] == 9


def test_a_selection_of_everything_and_its_control_are_still_two_releases(run):
    (row, sides), (control, by_chance) = both(run, made(run), select="quota", select_rows=1000)
    assert sides == by_chance
    assert row["release_id"] != control["release_id"]


def test_a_selection_that_was_frozen_is_found_again_and_another_is_made(run):
    parts = made(run)
    first = both(run, parts, select="random", select_rows=9)
    assert both(run, parts, select="random", select_rows=9) == first
    assert both(run, parts, select="random", select_rows=8)[0][0]["n_train"] == 8


@pytest.mark.parametrize(("facts", "gate"), [({"text": "the same"}, "exact")])
def test_a_gate_that_blocks_blocks(run, facts, gate):
    row, _ = frozen(run, made(run, **facts))
    assert not row["passed"]
    assert [g["name"] for g in row["gates"] if g["blocks"] and not g["passed"]] == [gate]


def test_earlier_samples_that_repeat_an_evaluation_set_of_this_run_are_not_released(run, tmp_path):
    words = [" ".join(f"w{i}x{j}" for j in range(20)) for i in range(4)]
    rows = [sample(run, i, text=text, root_id=f"r{i}") for i, text in enumerate(words)]
    old = pl.DataFrame(rows, schema=polars_schema("sample"))
    run.commit(run.once("made", [], {}, lambda: {"sample": old}))
    (tmp_path / "e.jsonl").write_text(json.dumps({"text": words[2]}) + "\n")
    later = begin(run.root, "corpus", "test", "second", {})
    asked = Curation(min_train=1, evaluation=[str(tmp_path / "e.jsonl")])
    rows = {part.table: later.read(part) for part in release.fn(later, made(later), ["mine"], asked, "true")}
    released = set(rows["member"]["sample_id"])
    assert {"sfirst0", "sfirst1", "sfirst3"} < released and "sfirst2" not in released
    said = rows["verdict"].select("sample_id", "run_id", "filter", "keep", "witness_id").rows()
    assert said == [("sfirst2", later.run_id, "leak", False, f"{tmp_path}/e.jsonl:1")]
