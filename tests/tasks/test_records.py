import json

from hypothesis import given
from hypothesis import strategies as st

from tasks.raw_rows import Raw
from tasks.records import SHOWN, Bad, Record, read, understood


def test_a_row_is_read_with_its_place_its_fields_and_what_they_mean(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"instruction": "Add.", "input": "1 2", "output": "3", "more": true}\n')
    (row,) = read([path])
    assert isinstance(row, Record)
    assert (row.origin, row.line, row.fields["more"]) == (str(path), 1, True)
    assert (row.content.instruction, row.content.input, row.content.output) == ("Add.", "1 2", "3")


def test_rows_read_are_records_and_refusals_and_none_is_passed_over(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n{broken\n[1]\n{"text": "two"}\n')
    rows = list(read([path]))
    assert [(type(row).__name__, row.line) for row in rows] == [
        ("Record", 1),
        ("Bad", 2),
        ("Bad", 3),
        ("Record", 4),
    ]
    assert all(row.reason for row in rows if isinstance(row, Bad))


def test_a_refusal_shows_how_the_row_begins():
    bad = understood("a", Raw(1, ("x" * 10 * SHOWN).encode()))
    assert isinstance(bad, Bad) and bad.content == "x" * SHOWN


@given(st.binary(max_size=60))
def test_no_bytes_at_all_are_an_exception(content):
    assert isinstance(understood("a", Raw(1, content)), Record | Bad)


@given(
    st.dictionaries(
        st.text(max_size=8), st.one_of(st.text(max_size=20), st.integers(), st.none()), max_size=4
    )
)
def test_no_object_at_all_is_an_exception(fields):
    assert isinstance(understood("a", Raw(1, json.dumps(fields).encode())), Record | Bad)
