import json
from collections import Counter

import pytest
from growing import grown
from likeness import near_share

from schemas.errors import BadInput
from tasks.recipe import load_recipe
from tasks.slots import draw
from tasks.word_lists import word_list


def test_topics_and_audiences_are_many_and_their_own():
    assert len(word_list("topics")) >= 200 and len(word_list("audiences")) >= 20


def test_every_pair_of_topic_and_audience_comes_once_before_any_comes_twice():
    recipe = load_recipe("textbook")
    n = len(word_list("topics")) * len(word_list("audiences"))
    drawn = [(slots["topic"], slots["audience"]) for slots in (draw(recipe, "first", i) for i in range(n))]
    assert len(set(drawn)) == n


def test_a_list_of_ones_own_takes_the_place_of_ours(tmp_path):
    (tmp_path / "mine.txt").write_text("# mine\nwindmills\n", "utf-8")
    recipe = load_recipe("textbook", (f"slots.topic.choice_of={tmp_path / 'mine.txt'}",))
    assert draw(recipe, "first", 5)["topic"] == "windmills"
    with pytest.raises(BadInput, match="slots.*no word list 'nope'"):
        load_recipe("textbook", ("slots.topic.choice_of=nope",))


def test_it_grows_sections_that_are_kept_and_distinct(tmp_path):
    made = grown(tmp_path, "textbook", 100)
    assert (made["sample"].height, made["reject"].height) == (100, 0)
    final = made["final"]
    assert final.height > 80 and near_share(final["text"].to_list()) < 0.05
    for row in final.iter_rows(named=True):
        slots = json.loads(row["slots"])
        assert row["instruction"] == (
            f"Explain {slots['topic']} to {slots['audience']}, as a section of a textbook would, with one worked example."
        )
        assert row["messages"] == [
            {"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["text"]}
        ]  # fmt: skip
    audiences = Counter(json.loads(slots)["audience"] for slots in final["slots"])
    assert len(audiences) == len(word_list("audiences"))
