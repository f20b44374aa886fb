import gzip
import json

import pytest

from schemas.errors import BadInput
from schemas.recipe import Source
from tasks.records import Bad
from tasks.source_rows import Reading, SourceRow
from tasks.superni_reader import superni

TASK = {
    "Contributors": ["us"], "Source": ["here"], "URL": [], "Categories": ["Sorting"], "Reasoning": [],
    "Definition": [" Sort the words. ", "A second wording."], "Input_language": ["English"],
    "Output_language": ["English"], "Instruction_language": ["English"], "Domains": [],
    "Positive Examples": [{"input": "b, a", "output": "a, b", "explanation": "A is first."}, {"input": 3}],
    "Negative Examples": [{"input": "d, c", "output": "d, c", "explanation": "Not sorted."}],
    "Instances": [{"id": f"t-{i}", "input": f"z, y{i}", "output": [f"y{i}, z", "sorted"]} for i in range(9)],
}  # fmt: skip


def read(*paths, count=999, order="file", seed=0, **options):
    source = Source(level="i", file="f", reader="superni", text="input", order=order, options=options)
    return list(superni(Reading(list(paths), source, count, seed)))


def written(tmp_path, task=TASK, name="task007_sort.json"):
    path = tmp_path / name
    content = (task if isinstance(task, str) else json.dumps(task)).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def test_every_instance_is_a_row_with_what_its_task_says(tmp_path):
    path = written(tmp_path)
    rows = read(path)
    assert len(rows) == 9 and rows[4].text == "z, y4" and rows[4].origin_id == "t-4" and rows[4].line == 5
    assert rows[0].fields == {
        "task": "task007_sort", "definition": "Sort the words.", "targets": ["y0, z", "sorted"],
        "positive": TASK["Positive Examples"][:1], "negative": TASK["Negative Examples"],
    }  # fmt: skip


def test_packed_files_and_single_outputs_are_read_too(tmp_path):
    task = {**TASK, "Definition": "Sort.", "Instances": [{"id": 7, "input": "b, a", "output": "a, b"}]}
    (row,) = read(written(tmp_path, task, "task008.json.gz"))
    assert row.fields["targets"] == ["a, b"] and row.fields["task"] == "task008" and row.origin_id == "7"


def test_the_cap_is_per_task_and_takes_the_first(tmp_path):
    paths = [written(tmp_path, name=name) for name in ("a.json", "b.json")]
    assert [row.line for row in read(*paths, cap=2)] == [1, 2, 1, 2]


def test_a_draw_is_from_all_tasks_without_repetition(tmp_path):
    paths = [written(tmp_path, name=name) for name in ("a.json", "b.json")]
    rows = read(*paths, count=10, order="random", seed=3)
    assert len({(row.origin, row.line) for row in rows}) == 10 and {row.fields["task"] for row in rows} == {
        "a",
        "b",
    }


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("{", "invalid JSON"),
        ("[1]", "JSON array"),
        ({**TASK, "Definition": []}, "Definition"),
        ({**TASK, "Instances": {"0": 1}}, "Instances"),
        ({**TASK, "Input_language": ["Hindi"]}, r"Input_language is \['Hindi'\]; used: \['English'\]"),
    ],
)
def test_a_file_that_is_no_task_is_one_reject_and_the_next_is_read(tmp_path, task, why):
    bad, *good = read(written(tmp_path, task), written(tmp_path, name="b.json"), languages=["English"])
    assert isinstance(bad, Bad) and bad.line == 0 and len(good) == 9
    with pytest.raises(ValueError, match=why):
        raise ValueError(bad.reason)


@pytest.mark.parametrize(
    ("instance", "why"),
    [
        ("b, a", "no text `input`"),
        ({"input": "b"}, "no list of texts"),
        ({"input": "b", "output": [1]}, "no list of texts"),
        ({"input": "  ", "output": ["a"]}, "empty"),
        ({"input": "b\0", "output": ["a"]}, "NUL"),
    ],
)
def test_an_instance_that_cannot_be_used_costs_itself_only(tmp_path, instance, why):
    found = read(written(tmp_path, {**TASK, "Instances": [instance, TASK["Instances"][0]]}))
    assert isinstance(found[0], Bad) and why in found[0].reason and found[0].line == 1
    assert isinstance(found[1], SourceRow)


def test_an_unknown_option_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"no option 'most'; known: \['cap', 'languages'\]"):
        read(written(tmp_path), most=3)
