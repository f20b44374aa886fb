import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled import OPINIONS, pairs, write

from schemas.errors import BadInput
from tasks.labelled_files import halves, key_of, normal, parse_map, read_labelled, renamed

ROWS = [("A fine day.", "Good"), ("A poor day.", " bad  one ")]
READ = {("A fine day.", "good"), ("A poor day.", "bad one")}


def read(paths, **columns):
    found = read_labelled(paths, columns.get("text", "text"), columns.get("label", "label"))
    return {(text, label) for _, text, label in found.rows.rows()}, found.rejects.rows(named=True)


def frame():
    return pl.DataFrame(ROWS, schema=["review", "verdict"], orient="row")


@pytest.mark.parametrize("name", ["d.jsonl", "d.json", "d.csv", "d.tsv", "d.parquet"])
def test_every_format_gives_the_same_rows_under_the_columns_that_were_named(tmp_path, name):
    path = tmp_path / name
    match path.suffix:
        case ".jsonl":
            frame().write_ndjson(path)
        case ".json":
            path.write_text(json.dumps(frame().to_dicts()))
        case ".csv":
            frame().write_csv(path)
        case ".tsv":
            frame().write_csv(path, separator="\t")
        case _:
            frame().write_parquet(path)
    assert read([path], text="review", label="verdict") == (READ, [])


@pytest.mark.parametrize(
    ("label", "read_as"), [(1, "1"), (0, "0"), (2.0, "2"), (True, "true"), ("  A\tB ", "a b")]
)
def test_a_label_is_a_word_a_whole_number_or_a_boolean(tmp_path, label, read_as):
    rows, rejects = read([Path(write(tmp_path / "d.jsonl", [("t", label)]))])
    assert rows == {("t", read_as)} and not rejects


@pytest.mark.parametrize("label", [None, 0.5, [], {"a": 1}, "", "  "])
def test_anything_else_is_refused_with_its_line_and_never_dropped_silently(tmp_path, label):
    write(tmp_path / "d.jsonl", [("t", "x"), ("u", label)])
    rows, (refused,) = read([tmp_path / "d.jsonl"])
    assert rows == {("t", "x")}
    assert refused["line"] == 2 and refused["reason"].startswith("label: ") and "u" in refused["content"]


@pytest.mark.parametrize("text", [None, 3, "", " \n", ["t"]])
def test_a_row_without_a_text_is_refused(tmp_path, text):
    write(tmp_path / "d.jsonl", [("t", "x"), (text, "y")])
    rows, (refused,) = read([tmp_path / "d.jsonl"])
    assert rows == {("t", "x")} and refused["reason"].startswith("text: ")


def test_broken_lines_and_lacking_columns_are_refused_one_by_one(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"text": "t", "label": "x"}\n{"text": \n{"text": "u"}\n')
    rows, refused = read([tmp_path / "d.jsonl"])
    assert rows == {("t", "x")}
    assert [each["line"] for each in refused] == [2, 3]
    assert refused[1]["reason"] == "has no column 'label'"


def test_a_column_that_no_row_has_is_an_error_that_names_those_there_are(tmp_path):
    write(tmp_path / "d.jsonl", [("t", "x")], text="review", label="verdict")
    with pytest.raises(BadInput, match=r"column 'text'; its columns: \['review', 'verdict'\]"):
        read([tmp_path / "d.jsonl"])
    with pytest.raises(BadInput, match="column 'label'"):
        read([tmp_path / "d.jsonl"], text="review")


def test_files_without_a_usable_row_are_an_error_that_says_why(tmp_path):
    write(tmp_path / "d.jsonl", [("t", None)])
    with pytest.raises(BadInput, match=r"no labelled row in .*d.jsonl: line 1 label: null"):
        read([tmp_path / "d.jsonl"])


def test_the_order_of_rows_and_files_changes_nothing(tmp_path):
    write(tmp_path / "a.jsonl", OPINIONS[:40])
    write(tmp_path / "b.jsonl", OPINIONS[40:])
    write(tmp_path / "c.jsonl", OPINIONS[::-1])
    both = read_labelled([tmp_path / "b.jsonl", tmp_path / "a.jsonl"], "text", "label").rows
    assert both.equals(read_labelled([tmp_path / "c.jsonl"], "text", "label").rows)


def test_the_halves_are_about_equal_and_share_no_text():
    rows = pairs([(f"text {i}", str(i % 2)) for i in range(1000)])
    train, test = halves(rows)
    assert 440 < train.height < 560 and train.height + test.height == 1000
    assert not set(train["key"]) & set(test["key"])


def test_rows_that_are_added_move_no_others_and_copies_stay_together():
    few = pairs([(f"t {i}", "x") for i in range(50)])
    many = pairs([(f"{t}  {i} ", "y") for i in reversed(range(100)) for t in "tT"])
    for before, after, other in zip(halves(few), halves(many), halves(many)[::-1], strict=True):
        assert set(before["key"]) <= set(after["key"])
        assert not set(before["key"]) & set(other["key"])


def test_a_map_renames_labels_and_only_those_it_names():
    told = parse_map(["POS=Positive", "a=b=c"])
    assert told == {"pos": "positive", "a=b": "c"}
    assert renamed(pairs([("t", "pos"), ("u", "neg")]), told)["label"].sort().to_list() == ["neg", "positive"]


def test_a_map_may_swap_two_labels():
    assert renamed(pairs([("t", "a"), ("u", "b")]), parse_map(["a=b", "b=a"])).sort("text")[
        "label"
    ].to_list() == [
        "b",
        "a",
    ]


@pytest.mark.parametrize("pair", ["pos", "=positive", "pos=", "", " = "])
def test_a_pair_that_maps_nothing_is_refused(pair):
    with pytest.raises(BadInput, match="DATA=RELEASE"):
        parse_map([pair])


def test_two_meanings_of_one_label_are_refused_and_two_labels_of_one_meaning_are_not():
    with pytest.raises(BadInput, match="'pos' twice"):
        parse_map(["pos=good", "Pos=bad"])
    assert parse_map(["1=good", "2=good"]) == {"1": "good", "2": "good"}


@given(st.text())
def test_the_normal_form_is_its_own_normal_form(text):
    assert normal(f"  {text}\n") == normal(text)
    assert key_of(text.strip() + " ") == key_of(text)


def test_accents_written_in_two_ways_are_one_label():
    assert (
        normal("ti\u00eau c\u01b0\u0323c")
        == normal("ti\u0065\u0302u c\u01b0\u0323c")
        == normal("TI\u00caU  C\u1ef0C")
    )
