import gzip
import json

import pytest

from schemas.errors import BadInput
from schemas.recipe import Source
from tasks.records import Bad
from tasks.source_rows import Reading, SourceRow
from tasks.trees_reader import trees

PROMPT = {"message_id": "q", "text": " Why? ", "role": "prompter", "lang": "en", "replies": []}


def read(path, count=999, order="file", seed=0, **options):
    source = Source(
        level="tree", file="f", reader="trees", text="text", fields=["tree"], order=order, options=options
    )
    return list(trees(Reading([path], source, count, seed)))


def written(tmp_path, *rows, name="trees.jsonl"):
    path = tmp_path / name
    content = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return path


def test_a_tree_is_a_row_with_the_words_of_its_prompt(tmp_path):
    path = written(tmp_path, {"message_tree_id": "t1", "tree_state": "ready_for_export", "prompt": PROMPT})
    (row,) = read(path)
    assert (row.text, row.line, row.origin_id, row.origin) == ("Why?", 1, "t1", str(path))
    assert row.fields["tree"]["replies"] == []


def test_a_packed_export_reads_the_same(tmp_path):
    plain = read(written(tmp_path, {"prompt": PROMPT}))
    packed = read(written(tmp_path, {"prompt": PROMPT}, name="trees.jsonl.gz"))
    assert [row.fields for row in plain] == [row.fields for row in packed] and len(plain) == 1


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"tree_state": "growing", "prompt": PROMPT}, "tree_state is 'growing'"),
        ({"prompt": {**PROMPT, "review_result": False}}, "did not pass the review"),
        ({"prompt": {**PROMPT, "lang": "de"}}, "lang is 'de'; used: \\['en'\\]"),
        ({"prompt": {**PROMPT, "deleted": True}}, "was deleted"),
        ({"prompt": "Why?"}, "no tree"),
        ({"text": "Why?"}, "no tree"),
        ({"prompt": {**PROMPT, "role": "owl"}}, "role 'owl'"),
        ({"prompt": {**PROMPT, "rankings": [3, "ab"]}}, "rankings of an unknown shape"),
        ({"prompt": {**PROMPT, "events": {"ranking": ["x"]}}}, "rankings of an unknown shape"),
        ('{"prompt": ', "invalid JSON"),
        ({"prompt": {**PROMPT, "text": "a\0b"}}, "NUL"),
    ],
)
def test_a_tree_that_is_not_used_says_why_and_the_next_one_is_read(tmp_path, row, why):
    path = written(tmp_path, row, {"prompt": PROMPT})
    bad, good = read(path, languages=["en"], states=["ready_for_export"])
    assert isinstance(bad, Bad) and bad.line == 1
    pytest.raises(ValueError, _raise, bad.reason).match(why)
    assert isinstance(good, SourceRow)


def _raise(reason):
    raise ValueError(reason)


def test_without_a_wish_every_language_and_state_is_read(tmp_path):
    path = written(tmp_path, {"tree_state": "growing", "prompt": {**PROMPT, "lang": "vi"}})
    assert isinstance(read(path, states=[])[0], SourceRow)


def test_an_unknown_option_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no option 'lang'; known"):
        read(written(tmp_path, {"prompt": PROMPT}), lang="en")


def test_a_draw_takes_as_many_trees_as_were_asked_for(public_data):
    path = public_data("oasst/en_100_tree.jsonl")
    first, second = (read(path, 10, "random", seed) for seed in (1, 2))
    assert len(first) == len(second) == 10 and first != second
    assert [row.line for row in first] == sorted({row.line for row in first})
    assert len(read(path)) == 100
