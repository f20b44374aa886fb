import json
from pathlib import Path

import pytest

from schemas.recipe import Source
from tasks.records import Bad
from tasks.source_rows import Reading, readers

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
SOURCE = Source(level="instruction", file="self_instruct.jsonl", reader="instructions", text="instruction")


def read(path, count=10**6, **changes):
    return list(readers()["instructions"](Reading([path], SOURCE.model_copy(update=changes), count, 1)))


def test_an_input_stands_below_its_instruction(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [
        {"instruction": "Count the eggs.", "input": " three eggs "},
        {"instruction": "Sing.", "input": ""},
        {"instruction": "Go on.", "instances": [{"input": "one, two", "output": "three"}]},
        {"input": "no instruction"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    found = read(path)
    assert [row.text for row in found[:3]] == ["Count the eggs.\n\nthree eggs", "Sing.", "Go on.\n\none, two"]
    assert [row.fields for row in found[:3]] == [{}] * 3
    assert isinstance(found[3], Bad) and "instruction" in found[3].reason


def test_fields_that_the_recipe_asks_for_are_kept(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"instruction": "Count.", "input": "1, 2", "output": "2"}))
    (row,) = read(path, fields=["output"])
    assert (row.text, row.fields) == ("Count.\n\n1, 2", {"output": "2"})


def test_published_seed_tasks_are_read_whole():
    path = SHARED / "self_instruct" / "seed_tasks.jsonl"
    if not path.exists():
        pytest.skip(f"public data {path} is not here")
    tasks = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    inputs = [task["instances"][0]["input"].strip() for task in tasks]
    expected = [
        f"{task['instruction'].strip()}\n\n{given}".strip() for task, given in zip(tasks, inputs, strict=True)
    ]
    assert [row.text for row in read(path, order="file")] == expected
    assert (len(tasks), inputs.count("")) == (175, 50)


def test_the_first_thousand_rows_of_alpaca_are_read():
    path = SHARED / "alpaca" / "alpaca_data.json"
    if not path.exists():
        pytest.skip(f"public data {path} is not here")
    rows = json.loads(path.read_text("utf-8"))[:1000]
    expected = ["\n\n".join(filter(None, (row["instruction"], row["input"].strip()))) for row in rows]
    assert [row.text for row in read(path, 1000, order="file")] == expected
