import json
from collections import Counter

import polars as pl
import pytest
from growing import grown
from likeness import near_share

from tasks.recipe import load_recipe

MANNERS = load_recipe("explanation_traces").slots["manner"].choice
ANSWER_LINE = 'slots.ending.choice=["End with a line that begins with Answer: and holds the bare answer."]'


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return grown(tmp_path_factory.mktemp("traces"), "explanation_traces", 140)


def test_there_are_sixteen_system_messages_of_which_one_is_empty():
    assert len(set(MANNERS)) == 16 and MANNERS.count("") == 1
    assert near_share(MANNERS[1:], 0.5, n=3) == 0


def test_it_grows_explained_answers_that_are_kept_and_distinct(made):
    final = made["final"]
    assert final.height > 0.8 * 140 and near_share(final["text"].to_list()) < 0.05
    for row in final.iter_rows(named=True):
        assert row["messages"][-1] == {"role": "assistant", "content": row["output"]}
        assert row["instruction"] == json.loads(row["slots"])["question"]


def test_two_messages_are_for_multiple_choice_only_and_all_are_used(made):
    slots = [json.loads(row) for row in made["sample"].filter(pl.col("level") == "answer")["slots"]]
    used = Counter(each["manner"] for each in slots)
    assert set(used) == set(MANNERS)
    special = [each for each in slots if each["manner"] in (MANNERS[7], MANNERS[9])]
    assert special and all(len(each["choices"]) == 4 for each in special)


def test_choices_are_the_input(made):
    for row in made["final"].iter_rows(named=True):
        choices = json.loads(row["slots"])["choices"]
        assert row["input"] == "\n".join(f"({'ABCD'[i]}) {choice}" for i, choice in enumerate(choices))


def test_the_message_that_was_asked_under_is_trained_on_and_the_empty_one_leaves_none(made):
    asked = {call["request_id"]: json.loads(call["messages"]) for call in made["call"].iter_rows(named=True)}
    for row in made["final"].iter_rows(named=True):
        manner = json.loads(row["slots"])["manner"]
        system = [{"role": "system", "content": manner}] if manner else []
        assert row["messages"][:-2] == system == asked[row["request_id"]][:-1]


def test_prompt_erasing_puts_a_general_message_in_its_place(tmp_path):
    erased = grown(tmp_path, "explanation_traces", 40, changes=['levels.answer.train_system="Be careful."'])
    assert {row[0]["content"] for row in erased["final"]["messages"]} == {"Be careful."}
    assert len({json.loads(call)[0]["content"] for call in erased["call"]["messages"]}) > 10


def test_hidden_thoughts_are_asked_for_but_not_trained_on(tmp_path):
    hidden = grown(
        tmp_path, "explanation_traces", 60, changes=['levels.answer.options.thoughts="hide"', ANSWER_LINE]
    )
    assert hidden["final"].height > 48
    for row in hidden["final"].iter_rows(named=True):
        thoughts = json.loads(row["slots"])["thoughts"]
        assert thoughts and thoughts not in row["messages"][-1]["content"]


def test_distilled_replies_answer_and_explain(tmp_path):
    both = grown(
        tmp_path, "explanation_traces", 60, changes=['levels.answer.options.thoughts="distil"', ANSWER_LINE]
    )
    per_call = Counter(both["final"]["request_id"])
    assert set(per_call.values()) == {2} and len(per_call) > 48
    assert len(set(both["final"]["instruction"])) > len(set(both["final"]["parent_id"]))
