import json
from collections import Counter

import polars as pl
import pytest
from growing import grown
from likeness import near_share

NAME = "mixture"


def slots(frame):
    return [json.loads(each) for each in frame["slots"]]


def sets(frame):
    return dict(Counter(each["set"] for each in slots(frame)))


@pytest.fixture
def files(tmp_path):
    for name, size in (("few", 10), ("many", 90)):
        rows = [
            {"id": f"{name}-{i}", "instruction": f"{name} {i}?", "output": f"yes {i}"} for i in range(size)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [tmp_path / "few.jsonl", tmp_path / "many.jsonl"]


def test_our_seeds_are_mixed_when_the_user_names_nothing(tmp_path):
    tables = grown(tmp_path, NAME, 120)
    found = sets(tables["final"])
    assert set(found) == {"self_instruct", "trees"} and sum(found.values()) == 120
    assert tables["call"].height == 0 and tables["verdict"]["keep"].all()
    assert near_share(tables["final"]["text"].to_list()) < 0.05


def test_a_user_s_files_are_mixed_by_size(tmp_path, files):
    tables = grown(tmp_path / "w", NAME, 50, files)
    assert sets(tables["final"]) == {"few": 5, "many": 45}
    assert all(turns[-1]["content"].startswith("yes") for turns in tables["final"]["messages"].to_list())


def test_every_row_says_where_it_came_from(tmp_path, files):
    tables = grown(tmp_path / "w", NAME, 20, files)
    for row, told in zip(tables["final"].to_dicts(), slots(tables["final"]), strict=True):
        assert told["row_origin"] == str(tmp_path / f"{told['set']}.jsonl")
        assert told["row_id"] == row["instruction"].removesuffix("?").replace(" ", "-")


def test_cap_and_temperature_are_changes_of_the_recipe(tmp_path, files):
    capped = grown(tmp_path / "a", NAME, 20, files, ["source.options.cap=10"])
    assert sets(capped["final"]) == {"few": 10, "many": 10}
    warm = grown(tmp_path / "b", NAME, 40, files, ["source.options.temperature=2"])
    assert sets(warm["final"]) == {"few": 10, "many": 30}


def test_a_set_that_is_used_up_is_told_among_the_rejects(tmp_path, files):
    tables = grown(tmp_path / "w", NAME, 60, files, ["source.options.rates=equal"])
    assert sets(tables["final"]) == {"few": 10, "many": 50}
    assert tables["reject"]["reason"].to_list() == [
        "set 'few' has 10 rows for a share of 30: all are taken, none twice"
    ]


def test_pre_training_text_is_mixed_in(tmp_path, files):
    changes = ["source.options.pretraining=labelled_rows.jsonl", "source.options.share=0.25"]
    final = grown(tmp_path / "w", NAME, 40, files, changes)["final"]
    texts = final.filter(pl.col("slots").str.json_path_match("$.pretraining") == "true")
    assert texts.height == 10 and set(texts["instruction"]) == {""}
    assert texts["output"].to_list() == texts["text"].to_list()


def test_a_release_of_ours_is_a_set(tmp_path, files):
    turns = [
        [{"role": "user", "content": f"Say {i}"}, {"role": "assistant", "content": f"It is {i}."}]
        for i in range(30)
    ]
    for split in ("train", "heldout"):
        folder = tmp_path / "releases" / "0a1b" / "messages"
        folder.mkdir(parents=True, exist_ok=True)
        frame = pl.DataFrame({"sample_id": [f"{split}{i}" for i in range(30)], "messages": turns})
        frame.write_parquet(folder / f"{split}.parquet")
    tables = grown(tmp_path / "w", NAME, 60, [*files, tmp_path / "releases" / "0a1b"])
    assert sets(tables["final"]) == {"few": 5, "many": 41, "0a1b": 14}


@pytest.mark.parametrize(
    "name",
    [
        "gsm8k/test.jsonl",
        "oasst/en_100_tree.jsonl",
        "gpteacher/Roleplay_roleplay-simple-deduped-roleplay-instruct.json",
    ],
)
def test_public_sets_of_any_shape_may_be_mixed(tmp_path, public_data, files, name):
    path = public_data(name)
    tables = grown(tmp_path / "w", NAME, 200, [files[1], path], ["source.options.cap=100"])
    found = sets(tables["final"])
    assert found.pop("many") == 90 and sum(found.values()) >= 100  # the other set takes what is lacking
