import json
import logging

import polars as pl
import pytest

from schemas.errors import BadInput
from tasks.evaluation_sets import evaluation_digest, questions, read_evaluation
from warehouse.parts import polars_schema


def written(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return str(path)


def test_a_row_is_compared_whole_and_by_its_question(tmp_path):
    file = written(
        tmp_path / "eval.jsonl",
        {"question": "How many?", "answer": "Two."},
        {"instruction": "Sum it up.", "input": "A long story.", "output": "A story."},
        {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]},
        {"text": "Only a text."},
        {"prompt": "Write."},
    )  # fmt: skip
    found = read_evaluation([file])
    assert (found.n_rows, found.n_bad) == (5, 0)
    assert found.texts.rows() == [
        (f"{file}:1", "text", "How many?\n\nTwo."),
        (f"{file}:1", "question", "How many?"),
        (f"{file}:2", "text", "Sum it up.\n\nA long story.\n\nA story."),
        (f"{file}:2", "question", "Sum it up.\n\nA long story."),
        (f"{file}:3", "text", "Be kind.\n\nWhy?\n\nSo."),
        (f"{file}:3", "question", "Why?"),
        (f"{file}:4", "text", "Only a text."),
        (f"{file}:5", "text", "Write."),
    ]


def test_bad_rows_are_counted_and_said(tmp_path, caplog):
    file = written(tmp_path / "eval.jsonl", {"text": "Good."}, "{broken", {"colour": "red"})
    with caplog.at_level(logging.WARNING, "seedloom.leak"):
        assert (read_evaluation([file]).n_rows, read_evaluation([file]).n_bad) == (1, 2)
    assert f"2 of 3 rows of the evaluation sets cannot be read; the first: {file}:2" in caplog.text


def test_samples_have_the_same_questions_as_rows(tmp_path):
    rows = [
        {"sample_id": "pair", "instruction": "Sum it up. ", "input": " A story.", "text": "Sum it up.\n\nA story.\n\nShort."},
        {"sample_id": "alone", "instruction": "Write.", "input": "", "text": "Write."},
        {"sample_id": "chat", "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}, {"role": "user", "content": "Now?"}], "text": "Be kind.\n\nWhy?\n\nNow?"},
        {"sample_id": "said", "messages": [{"role": "assistant", "content": "So."}], "text": "So."},
        {"sample_id": "story", "text": "Once."},
    ]  # fmt: skip
    schema = {
        name: polars_schema("sample")[name]
        for name in ("sample_id", "text", "instruction", "input", "messages")
    }
    assert questions(pl.DataFrame(rows, schema=schema)).rows() == [
        ("pair", "Sum it up. \n\nA story."),
        ("chat", "Why?"),
    ]


def test_the_digest_follows_the_content_and_is_none_without_files(tmp_path):
    file = written(tmp_path / "eval.jsonl", {"text": "One."})
    before = evaluation_digest([file])
    assert evaluation_digest([]) is None
    assert evaluation_digest([str(tmp_path)]) == before == evaluation_digest([file, file])
    written(tmp_path / "eval.jsonl", {"text": "Two."})
    assert evaluation_digest([file]) != before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.jsonl", None, "no file .*none.jsonl"),
        ("empty.jsonl", "", "empty.jsonl: no row of it can be read"),
        ("bad.jsonl", '{"colour": "red"}\n', "bad.jsonl: no row of it can be read; the first: .*bad.jsonl:1 unknown shape"),
    ],
)  # fmt: skip
def test_a_set_that_holds_nothing_is_refused_at_once(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(BadInput, match=said):
        evaluation_digest([str(tmp_path / name)])
