import pytest

from schemas.errors import BadInput
from tasks import source_rows
from tasks.recipe import load_recipe
from tasks.source_rows import reader, readers, seed_file, source_paths


def test_readers_are_found_in_the_modules_named_after_them():
    assert {"rows", "instructions", "trees", "mixture", "superni"} <= set(readers())


def test_declaring_a_reader_registers_it(monkeypatch):
    monkeypatch.setattr(source_rows, "READERS", {})

    @reader("mine")
    def mine(asked):
        return iter([])

    assert {"mine": mine} == source_rows.READERS


def test_a_recipe_that_draws_its_roots_reads_no_files(tmp_path):
    assert source_paths(load_recipe("tiny_stories"), [], tmp_path) == []


def test_files_of_the_user_go_before_those_of_the_recipe(tmp_path):
    mine = tmp_path / "mine.jsonl"
    mine.write_text("{}")
    recipe = load_recipe("evol_instruct")
    assert source_paths(recipe, [str(mine)], tmp_path) == [mine]
    assert source_paths(recipe, [], tmp_path) == [seed_file("self_instruct.jsonl")]
    with pytest.raises(BadInput, match="no file 'nope'"):
        source_paths(recipe, ["nope"], tmp_path)


def test_a_missing_seed_file_names_the_known_ones():
    with pytest.raises(BadInput, match=r"no file 'nope' in tasks/seeds; known: \['"):
        seed_file("nope")


def test_a_release_is_named_by_how_its_id_begins_and_read_once_without_its_heldout_rows(tmp_path):
    for name in ("abc1", "abc2"):
        for form in ("messages", "alpaca", "text"):
            for split in ("train", "heldout"):
                path = tmp_path / "releases" / name / form / f"{split}.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    recipe = load_recipe("evol_instruct")
    (found,) = source_paths(recipe, ["abc1"], tmp_path)
    assert found == tmp_path / "releases" / "abc1" / "alpaca" / "train.parquet"
    assert source_paths(recipe, [str(tmp_path / "releases" / "abc1")], tmp_path) == [found]
    (whole,) = source_paths(load_recipe("mixture"), ["abc1"], tmp_path)
    assert whole.parent.name == "messages"
    with pytest.raises(BadInput, match=r"--source abc: 2 releases begin so: \['abc1', 'abc2'\]"):
        source_paths(recipe, ["abc"], tmp_path)
