import json
from collections import Counter

import pytest
from growing import grown
from likeness import near_share
from scipy.stats import chisquare

LABELS = ("Words", "Features", "Summary", "Random sentence")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return grown(tmp_path_factory.mktemp("made"), "tiny_stories_instruct", 240)


def shown(row):
    """(label, text) of each field that the user's turn shows, in order."""
    *fields, last = row["messages"][0]["content"].split("\n")
    assert last == "Story:"
    return [tuple(field.split(": ", 1)) for field in fields]


def test_a_summary_has_two_sentences_and_each_of_them_a_story(made):
    counts = Counter(made["sample"]["level"])
    assert counts["summary"] == 120 and 200 < counts["sentence"] <= 240 and 180 < counts["story"] <= 240
    assert made["final"].height > 0.8 * 240 and near_share(made["final"]["text"].to_list()) < 0.15


def test_fields_are_those_of_the_tree_under_the_published_labels(made):
    for row in made["final"].iter_rows(named=True):
        slots = json.loads(row["slots"])
        texts = {
            "Words": ", ".join(slots["words"]), "Features": ", ".join(slots["features"]),
            "Summary": " ".join(slots["summary"].split()), "Random sentence": slots["sentence"],
        }  # fmt: skip
        found = shown(row)
        assert 1 <= len(found) == len(set(found)) and all(texts[label] == text for label, text in found)
        assert row["messages"][1]["content"] == row["text"] == row["output"]
        assert row["instruction"] == row["messages"][0]["content"].removesuffix("\nStory:")


def test_fields_come_by_even_coins_and_in_any_order(made):
    rows = [[label for label, _ in shown(row)] for row in made["final"].iter_rows(named=True)]
    sizes = Counter(map(len, rows))
    expected = {1: 4 / 15, 2: 6 / 15, 3: 4 / 15, 4: 1 / 15}
    assert (
        chisquare([sizes[n] for n in expected], [share * len(rows) for share in expected.values()]).pvalue
        > 1e-4
    )
    firsts = Counter(row[0] for row in rows if len(row) > 1)
    assert set(firsts) == set(LABELS) and chisquare(list(firsts.values())).pvalue > 1e-4


def test_all_fields_in_the_order_of_the_file_are_an_option(tmp_path):
    changes = ("levels.story.fields.subset=all", "levels.story.fields.order=file")
    final = grown(tmp_path, "tiny_stories_instruct", 8, changes=changes)["final"]
    assert final.height > 3
    assert all([label for label, _ in shown(row)] == list(LABELS) for row in final.iter_rows(named=True))
