import json
import string

import pytest
from growing import grown
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replaying import replay

from schemas.errors import BadInput
from tasks.replay import replayed, tally
from tasks.replays.completions import Reply, reply_in

LIST = " name three kinds of BREAD.\n10. Draw a house by the lake.\n11 . Say why the sea is salty.\n12. Too short"


def openai(text, finish="stop", **more):
    return {"response": {"choices": [{"text": text, "finish_reason": finish}]}, **more}


@pytest.mark.parametrize(
    "row",
    [
        openai("Yes"),
        {"metadata": openai("Yes")},
        {"instance_metadata": openai("Yes"), "metadata": openai("No")},
        {"choices": [{"message": {"content": "Yes"}, "finish_reason": "stop"}]},
        {"response": {"text": "Yes", "finish_reason": "stop"}},
        {"text": "Yes", "finish_reason": "stop"},
        {"response": "Yes", "finish_reason": "stop", "output": "No"},
        {"raw_instances": "Yes", "finish_reason": "stop", "text": "No"},
    ],
)
def test_a_reply_is_found_wherever_a_script_left_it(row):
    assert reply_in(row) == Reply("Yes", "stop")


def test_a_request_that_failed_left_no_reply():
    assert reply_in({"metadata": {"prompt": "p", "response": None}}) == Reply(None)


def test_without_a_reply_the_fields_are_named(tmp_path):
    with pytest.raises(BadInput, match=r"no reply in response, metadata, .*found: \['prompt'\]"):
        replay(tmp_path, "tasks", [{"prompt": "p"}])


def test_a_list_of_tasks_is_read_and_filtered_as_published(tmp_path):
    found = replay(tmp_path, "tasks", [openai(LIST), openai(LIST, "length"), {"response": None}])
    read, cut, failed = found.decisions
    assert [piece["keep"] for piece in read.value] == [True, False, True, False]
    assert read.value[0]["text"] == "Name three kinds of bread."
    assert (cut.keep, cut.reason, failed.reason) == (False, "cut by length", "no reply: the request failed")
    assert found.counts["replies"] == 3 and found.counts["tasks kept"] == 2
    assert found.counts["tasks dropped: … words; tasks have … to …"] == 1
    assert found.counts["tasks dropped: cut by length"] == 1


def test_a_number_at_the_beginning_of_a_completion_is_part_of_its_task(tmp_path):
    """The prompt ended with a number, so the authors' code took nothing off; our recipes do, for chat models."""
    found = replay(tmp_path, "tasks", [openai(" 9. Name three kinds of bread.")]).only()
    assert found.value[0]["text"] == "9. name three kinds of bread."


def test_tasks_that_the_row_lists_are_compared_in_order(tmp_path):
    right = ["Name three kinds of bread.", "Say why the sea is salty."]
    rows = [
        openai(LIST, instructions=right),
        openai(LIST, instructions=right[::-1]),
        openai(LIST, instructions=[]),
    ]
    assert [bool(each.differing()) for each in replay(tmp_path, "tasks", rows).decisions] == [
        False,
        True,
        True,
    ]


def test_a_pool_with_its_replies_is_compared_task_by_task_and_a_reply_counts_once(tmp_path):
    told = ["Name three kinds of bread.", "Say why the sea is salty.", "Draw a house by the lake."]
    rows = [{"instruction": each, "metadata": openai(LIST, prompt="p")} for each in told]
    found = replay(tmp_path, "tasks", rows)
    assert [sorted(each.differing()) for each in found.decisions] == [[], [], ["instruction"]]
    assert found.counts["replies"] == 1 and found.counts["replies that came before"] == 2
    assert found.counts["tasks kept"] == 2


def test_a_list_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadInput, match="field 'instructions' is no list"):
        replay(tmp_path, "tasks", [openai(LIST, instructions="three")])


BLOCKS = """ Name two rivers of Asia.
4. Input:
<noinput>
4. Output:
The Mekong and the Indus.
###
5. Instruction: Sort these words by their length.
5. Input:
cat, a, no
5. Output:

###
6. Instruction: Describe the video in one sentence.
6. Input:
<noInput>
6. Output:
It is short.
###
7. Instruction: Say hello to my"""
ALPACA = [
    {"instruction": "Name two rivers of Asia.", "input": "", "output": "The Mekong and the Indus."},
    {"instruction": "Sort these words by their length.", "input": "cat, a, no", "output": ""},
]


def test_blocks_of_alpaca_are_read_as_published_and_an_empty_output_is_kept(tmp_path):
    row = {"response": {"text": BLOCKS, "finish_reason": "length"}, "instructions": ALPACA}
    found = replay(tmp_path, "alpaca", [row])
    assert not found.only().differing() and found.counts["tasks kept"] == 2
    assert [piece["reason"] for piece in found.only().value[2:]] == [
        "holds 'video', which a text model cannot do",
        "cut by length",
    ]


def test_a_published_task_that_is_not_read_is_a_difference(tmp_path):
    row = {"response": BLOCKS, "instructions": ALPACA[:1]}
    told, found = replay(tmp_path, "alpaca", [row]).only().differing()["tasks"]
    assert len(told) == 1 and len(found) == 2


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (
            "4. Instruction:" + BLOCKS,
            "9 pieces instead of 7 in block 4",
        ),  # a head that the prompt had already
        (BLOCKS.replace("4. Output", "4. Output: b\n4. Output"), "9 pieces instead of 7 in block 4"),
        (BLOCKS.replace("4. Input:", ""), "5 pieces instead of 7 in block 4"),
        ("", "3 pieces instead of 7 in block 4"),
    ],
)
def test_doubled_and_missing_numbers_cost_the_block_as_published(tmp_path, reply, why):
    (first, *_) = replay(tmp_path, "alpaca", [{"response": reply, "finish_reason": "stop"}]).only().value
    assert (first["keep"], first["reason"]) == (False, why)


def test_the_first_number_is_the_one_with_which_the_prompt_ends(tmp_path):
    row = {
        "response": " Name two rivers of Asia.\n2. Input:\n<noinput>\n2. Output:\nYes.",
        "prompt": "###\n2. Instruction:",
    }
    assert replay(tmp_path, "alpaca", [row]).only().keep
    assert not replay(tmp_path, "alpaca", [{**row, "prompt": ""}]).only().keep


FLAGS = [
    {"instruction": "a", "is_classification": " Yes"},
    {"instruction": "b", "is_classification": "YES\n"},
    {"instruction": "c", "is_classification": " Yes."},
    {"instruction": "d", "is_classification": "yes, it is"},
    {"instruction": "e", "is_classification": ""},
    {"instruction": "f", "is_classification": True},
]


def test_only_the_three_spellings_of_yes_are_a_yes(tmp_path):
    found = replay(tmp_path, "flag", FLAGS)
    assert [each.value for each in found.decisions] == ["Yes", "Yes", "No", "No", "No", "Yes"]
    assert found.counts["classification"] == 3 and found.counts["other"] == 3
    assert found.counts["yes only to our recipes, which allow a full stop"] == 1
    assert not any(each.compared for each in found.decisions)


def test_a_flag_beside_its_reply_is_compared(tmp_path):
    rows = [
        openai(" Yes", instruction="a", is_classification=True),
        openai(" Yes.", instruction="b", is_classification=True),
        openai("No", instruction="c", is_classification="No"),
        openai("No", instruction="d"),
    ]
    found = replay(tmp_path, "flag", rows)
    assert [each.differing() for each in found.decisions] == [{}, {"flag": (True, False)}, {}, {}]
    assert found.counts["compared: flag"] == 3


def test_a_row_without_flag_or_reply_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no field 'is_classification' and no reply"):
        replay(tmp_path, "flag", [{"instruction": "a"}])


def test_26_of_the_175_human_tasks_are_classification(public_data):
    begun = replayed("flag", [str(public_data("self_instruct/seed_tasks.jsonl"))], {})
    counts = tally(begun.decisions)
    assert (counts["classification"], counts["other"], counts["rows"]) == (26, 149, 175)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(alphabet=string.ascii_letters + "4569 .\n:#<>", max_size=120),
    st.sampled_from(["stop", "length", None]),
)
def test_no_reply_is_too_strange_and_every_piece_is_kept_or_has_a_reason(tmp_path, text, finish):
    for stage in ("tasks", "alpaca"):
        found = replay(tmp_path, stage, [{"text": text, "finish_reason": finish}]).only()
        assert found.keep == any(piece["keep"] for piece in found.value)
        assert all(piece["keep"] == (piece["reason"] is None) for piece in found.value)
        assert found.keep or found.reason


def test_what_our_own_recipes_read_from_their_replies_is_read_again(tmp_path):
    made = grown(tmp_path / "w", "alpaca", 40)
    dropped = made["verdict"].filter(~made["verdict"]["keep"]).filter(filter="format")["sample_id"].to_list()
    kept = [row for row in made["sample"].sort("ordinal").to_dicts() if row["sample_id"] not in dropped]
    rows = [
        {
            "prompt": json.loads(call["messages"])[-1]["content"],
            "response": call["reply"],
            "finish_reason": call["finish_reason"],
            "instructions": [
                {name: row[name] for name in ("instruction", "input", "output")}
                for row in kept
                if row["request_id"] == call["request_id"]
            ],
        }
        for call in made["call"].to_dicts()
    ]
    found = replay(tmp_path, "alpaca", rows)
    assert found.counts["tasks kept"] >= 40 and len(rows) > 3
    assert [each.differing() for each in found.decisions if each.differing()] == []
