import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.features import COUNTED, FEATURES
from tasks.lemma import realised
from tasks.obedience import judge, obedience, obeyed
from warehouse.parts import conform, polars_schema, write_part

STORY = "The little dog ran to the lake. “A fish!” she cried. It was very cold, so he swam home."


def sample(slots, text, **columns):
    known = {"sample_id": f"{slots}{text}{columns}", "root_id": "r", "run_id": "run1", "recipe": "mine"}
    known |= {"level": "story", "final": True, "ordinal": 0, "text": text, "slots": json.dumps(slots)}
    known |= {"language": "en", "origin": "generated"}
    return dict.fromkeys(polars_schema("sample")) | known | columns


def verdicts_on(*rows, threshold=0.5):
    return judge(pl.DataFrame(rows, schema=polars_schema("sample")), "run1", threshold)


@pytest.mark.parametrize(
    ("slots", "score", "missing"),
    [
        ({"words": ["dog", "run", "cold"]}, 1, []),
        ({"words": ["dog", "swim", "tree"]}, 2 / 3, ["tree"]),
        ({"words": ["cat", "fly", "hot"]}, 0, ["cat", "fly", "hot"]),
        ({"sentence": "It was very cold, so he swam home."}, 1, []),
        ({"sentence": ' "The little dog ran to the lake."\n'}, 1, []),
        ({"sentence": "It was very cold"}, 1, []),
        ({"sentence": "It was so cold."}, 0, ["“It was so cold.”"]),
        ({"words": ["dog"], "sentence": "No such sentence."}, 1 / 2, ["“No such sentence.”"]),
        ({"words": ["dog", "cat"], "sentence": "A fish!", "features": ["bad ending"]}, 2 / 3, ["cat"]),
    ],
)
def test_the_score_is_the_share_of_what_was_asked(slots, score, missing):
    found = obeyed(slots, STORY)
    assert found.score == pytest.approx(score)
    assert found.missing == missing


@pytest.mark.parametrize(
    "slots",
    [
        {},
        {"words": []},
        {"words": "dog"},
        {"features": ["foreshadowing", "moral value", "a talking spoon"]},
        {"features": "dialogue"},
        {"sentence": ' "" '},
        {"sentence": None},
        {"extra": {"words": ["dog"], "sentence": "A fish!"}},
    ],
)
def test_a_sample_that_was_asked_nothing_gets_no_verdict(slots):
    assert obeyed(slots, STORY) is None
    assert verdicts_on(sample(slots, STORY)).is_empty()


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ('"Stop!" she said.', "“Stop!” she said."),
        ("“Stop!” she said.", '"Stop!" she said.'),
        ("She didn't say 'no'.", "She didn’t say ‘no’."),
        ("« Arrête ! » dit-elle.", "«Arrête\u00a0!» dit-elle."),
        ("''Stop!'' she said.", "``Stop!´´ she said."),
        ("「走开！」他说。", "“走开！”他说。"),
        ("Trời mưa to.", "Tr\u01a1\u0300i m\u01b0a to."),
        ("It was  very\ncold.", "It was very\u00a0cold."),
        ("他\u3000走了。", "他 走了。"),
    ],
)
def test_the_sentence_may_be_set_in_another_way(asked, there):
    assert obeyed({"sentence": asked}, f"Once upon a time. {there} The end.").score == 1


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ('"Stop!" she said.', "“Stop” she said."),
        ('"Stop!" she said.', "Stop! she said."),
        ('"Stop!" she said.', "“Stop!”, she said."),
        ("It was very cold.", "It was Very cold."),
        ("It was very cold.", "It was very cold!"),
        ("It was very cold.", "It was very, cold."),
        ("It was very cold.", "Itwas very cold."),
        ("She didn't go.", "She didnt go."),
    ],
)
def test_other_words_or_punctuation_are_another_sentence(asked, there):
    assert obeyed({"sentence": asked}, f"Once upon a time. {there} The end.").score == 0


QUIET = "The dog ran. It was cold, and he swam home."


def test_dialogue_counts_as_one_more_item():
    asked = {"words": ["dog", "run", "swim"], "features": ["dialogue"]}
    assert obeyed(asked, STORY).score == 1
    found = obeyed(asked, QUIET)
    assert found.score == 3 / 4
    assert found.missing == ["dialogue"]
    assert obeyed({"features": ["Dialogue"]}, QUIET).missing == ["dialogue"]


@pytest.mark.parametrize("feature", sorted(set(FEATURES) - COUNTED))
def test_features_whose_rule_misses_much_are_not_held_against_a_text(feature):
    asked = {"words": ["dog", "cat"], "features": [feature, "dialogue"]}
    assert obeyed(asked, QUIET).asked == 3
    assert obeyed(asked, QUIET).missing == ["cat", "dialogue"]


def test_the_language_of_the_row_decides_how_dialogue_is_looked_for():
    text = "– Chào bạn!\nẾch nói."
    asked = {"features": ["đối thoại"]}
    rows = [sample(asked, text, language=code) for code in ("vi", "vi-VN", "en", "xx")]
    scores = dict(zip([row["sample_id"] for row in rows], [1.0, 1.0, 0.0], strict=False))
    judged = verdicts_on(*rows).select("sample_id", "score").rows()
    assert dict(judged) == scores


def test_the_threshold_decides_and_the_reason_says_what_is_lacking():
    good, half, bad = (
        sample({"words": words}, STORY) for words in (["dog", "run"], ["dog", "cat"], ["cat", "hot"])
    )
    verdicts = verdicts_on(good, half, bad, threshold=0.5)
    assert verdicts.select("keep", "score", "threshold", "reason").rows() == [
        (True, 1.0, 0.5, None),
        (True, 0.5, 0.5, None),
        (False, 0.0, 0.5, "lacks cat, hot"),
    ]
    assert set(verdicts["filter"]) == {"obedience"}
    assert conform("verdict", verdicts).height == 3


def test_without_a_threshold_the_score_is_only_recorded():
    verdicts = verdicts_on(sample({"words": ["cat"]}, STORY), threshold=None)
    assert verdicts.select("keep", "score", "threshold", "reason").rows() == [(True, 0.0, None, None)]


def test_of_a_pair_the_answer_is_judged_and_not_the_instruction_that_names_the_words():
    row = sample({"words": ["cat"]}, "Use the word cat.\n\nThe dog ran.", output="The dog ran.")
    assert verdicts_on(row)["score"].to_list() == [0.0]


def test_drafts_are_not_judged():
    assert verdicts_on(sample({"words": ["cat"]}, "a summary", final=False)).is_empty()


@given(
    st.lists(st.sampled_from(["dog", "run", "cold", "cat", "fly", "ice cream", "猫"]), min_size=1, max_size=6)
)
def test_the_score_lies_in_0_to_1_and_counts_every_word(words):
    found = obeyed({"words": words}, STORY)
    assert 0 <= found.score <= 1
    assert found.score == pytest.approx(sum(realised(word, STORY) for word in words) / len(words))


def test_the_stage_judges_once_per_part(run):
    frame = pl.DataFrame([sample({"words": ["dog"]}, STORY)], schema=polars_schema("sample"))
    part = write_part(run.root, run.run_id, "sample", frame)
    (verdicts,) = obedience.fn(run, [part], 0.5)
    assert run.read(verdicts)["score"].to_list() == [1.0]
    assert obedience.fn(run, [part], 0.5) == [verdicts]
    assert obedience.fn(run, [part], None) != [verdicts]


def test_real_stories_realise_a_word_that_was_taken_from_them(public_data):
    text = public_data("tinystories/valid_first_10k_lines.txt").read_text(encoding="utf-8")
    stories = [story for story in text.split("<|endoftext|>") if story.strip()][:200]
    for story in stories:
        taken = [word for word in story.split() if word.isalpha()][::10]
        sentence = story.strip().split("\n")[0]
        assert obeyed({"words": taken, "sentence": sentence}, story).score == 1
