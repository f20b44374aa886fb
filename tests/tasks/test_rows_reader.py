import json

from schemas.recipe import Source
from tasks.records import Bad
from tasks.rows_reader import rows
from tasks.source_rows import Reading


def read(tmp_path, lines, count=10, seed=1, **source):
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    asked = Source(**{"level": "row", "file": "-", "text": "instruction", "fields": ["input"], **source})
    return list(rows(Reading([path], asked, count, seed)))


def test_fields_go_by_the_names_of_the_row(tmp_path):
    (row,) = read(tmp_path, [{"id": 3, "instruction": " Sing. ", "input": "a song", "more": 1}])
    assert (row.text, row.fields, row.line, row.origin_id) == ("Sing.", {"input": "a song"}, 1, "3")


def test_what_the_row_calls_otherwise_is_found_by_its_meaning(tmp_path):
    (row,) = read(tmp_path, [{"prompt": "Sing.", "context": "a song", "response": "la"}])
    assert (row.text, row.fields) == ("Sing.", {"input": "a song"})


def test_the_first_question_of_a_conversation_is_its_instruction(tmp_path):
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Sing."}, {"role": "assistant", "content": "la"}]  # fmt: skip
    (row,) = read(tmp_path, [{"messages": turns}])
    assert row.text == "Sing."


def test_a_field_of_0_or_false_is_no_empty_one(tmp_path):
    (row,) = read(tmp_path, [{"instruction": "Sing.", "label": 0}], fields=["label"])
    assert row.fields == {"label": 0}


def test_a_field_that_a_row_lacks_is_empty(tmp_path):
    (row,) = read(tmp_path, [{"instruction": "Sing."}], fields=["colour"])
    assert row.fields == {"colour": ""}


def test_a_row_without_the_text_is_refused_with_the_fields_it_has(tmp_path):
    (bad,) = read(tmp_path, [{"text": "only this"}], text="question")
    assert isinstance(bad, Bad) and "no text in field 'question'; known: ['text']" in bad.reason


def test_a_draw_takes_other_rows_with_another_seed_and_the_first_ones_when_told(tmp_path):
    lines = [{"instruction": f"task {i}"} for i in range(40)]
    drawn = [[row.text for row in read(tmp_path, lines, 5, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2] and len(drawn[0]) == 5
    assert [row.text for row in read(tmp_path, lines, 3, order="file")] == ["task 0", "task 1", "task 2"]
