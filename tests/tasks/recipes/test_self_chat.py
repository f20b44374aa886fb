import json

from growing import grown
from likeness import near_share

from tasks.recipe import load_recipe
from tasks.source_rows import seed_file

QUESTIONS = [json.loads(line) for line in seed_file("questions.jsonl").read_text("utf-8").splitlines()]


def test_our_questions_are_many_and_of_many_subjects():
    asked = [row["question"] for row in QUESTIONS]
    assert len(asked) == len(set(asked)) >= 130
    assert len({row["topic"] for row in QUESTIONS}) >= 20
    assert near_share(asked, 0.5, n=3) == 0


def test_questions_with_choices_have_four_of_them_and_no_other_has_any():
    choices = [row for row in QUESTIONS if row["kind"] == "choice"]
    assert len(choices) >= 25
    assert all(len(set(row["choices"])) == 4 for row in choices)
    assert not any("choices" in row for row in QUESTIONS if row["kind"] == "open")


def test_it_grows_conversations_that_are_kept_and_distinct(tmp_path):
    made = grown(tmp_path, "self_chat", 120)
    final = made["final"]
    assert made["call"].height == 120 and final.height > 100
    assert near_share(final["text"].to_list()) < 0.05
    for row in final.iter_rows(named=True):
        assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"] * (
            len(row["messages"]) // 2
        )
        assert json.loads(row["slots"])["question"] in row["messages"][0]["content"]
        assert "[Human]" not in row["text"] and "[AI]" not in row["text"]
    assert len({len(messages) for messages in final["messages"]}) >= 3


def test_the_markers_of_a_prompt_and_of_its_parser_are_the_same():
    (level,) = load_recipe("self_chat").levels
    assert all(f"begins with {level.options[name]}" in level.prompt for name in ("human", "ai"))


def test_other_markers_find_nothing(tmp_path):
    made = grown(tmp_path, "self_chat", 20, changes=['levels.conversation.options.human="[You]"'])
    dropped = made["verdict"].filter(~made["verdict"]["keep"])
    assert made["final"].height == 0 and dropped.height == 20
    assert set(dropped["reason"]) == {"no whole exchange between its first and its last segment"}
