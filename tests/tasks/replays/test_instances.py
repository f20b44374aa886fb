import pytest
from growing import grown
from replaying import replay, written

from schemas.errors import BadInput

DO = "Do it now please."
PAIR = [{"input": "a", "output": "b"}]


def row(raw, finish="stop", **more):
    metadata = {"response": {"choices": [{"text": raw, "finish_reason": finish}]}}
    return {
        "instruction": DO,
        "raw_instances": raw,
        "instance_metadata": metadata,
        "is_classification": "No",
        **more,
    }


def pairs(decision):
    return [(piece["input"], piece["output"]) for piece in decision.value if piece["keep"]]


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        (row("Example 1\nInput: a\nOutput: b\nExample 2\nInput 2: c\nOutput 2: d"), [("a", "b"), ("c", "d")]),
        (row("Input: a\nOutput: b"), [("a", "b")]),
        (row("Output: b"), [("", "b")]),
        (row("Example 1\nOnly an answer."), [("", "Only an answer.")]),
        (row("A text without any marker."), []),
        (row("Example 1\nInput: a cut example"), []),  # before a second input there is no output
        (row("Example 1\nInput: a\nOutput: b\nExample 2\nInput: c\nOutput: d", "length"), [("a", "b")]),
        (row("Input: a\nOutput: b\nInput: c\nOutput: d"), [("a", "b")]),
        (row("Example 1\nInput: a\nOutput: a\nExample 2\nInput: c\nOutput:"), []),
        (row("Example 1\nInput: a:\nOutput: b\nExample 2\nOutput: d:"), []),
        (row("Example 1\nInput: a\nOutput: b\nExample 2\nInput: a\nOutput: c\nExample 3\nOutput: d"), []),
        (
            row("Example 1\nOutput: b\nExample 2\nOutput: c"),
            [("", "b"), ("", "c")],
        ),  # an empty input may differ
        (row("Example 1\nInput: a\nOutput: b\nExample 2\nInput: a\nOutput: b"), [("a", "b")]),
        (row("x\nClass label: A\nin a\nClass label: B", is_classification=True), [("in a", "A"), ("", "B")]),
        (row("x\nClass label: A\nin a\nClass label: B", "length", is_classification=" Yes"), [("in a", "A")]),
        (row("Positive", is_classification=True), []),
        (row(""), []),
    ],
)
def test_instances_are_parsed_and_filtered_as_the_authors_do(tmp_path, reply, kept):
    found = replay(tmp_path, "instances", [reply]).only()
    assert pairs(found) == kept
    assert found.keep == bool(kept) and bool(found.reason) != bool(kept)


def test_a_reply_without_any_marker_is_one_output_where_our_recipes_read_it(tmp_path):
    assert pairs(replay(tmp_path, "instances", [row("A text.")], unmarked=True).only()) == [("", "A text.")]


def test_counts_are_of_instances_and_of_those_without_an_input(tmp_path):
    counts = replay(
        tmp_path, "instances", [row("Example 1\nOutput: b\nExample 2\nInput: a\nOutput: c"), row("x")]
    ).counts
    assert (counts["instances"], counts["instances with an empty input"]) == (2, 1)
    assert (counts["rows kept"], counts["rows dropped"]) == (1, 1)
    assert counts["dropped: no marker of an example or an output"] == 1


def test_flags_come_from_a_file_and_the_last_one_counts(tmp_path):
    flags = [
        {"instruction": DO, "is_classification": " No"},
        {"instruction": DO, "is_classification": " Yes"},
    ]
    beside = [written(tmp_path / "flags.jsonl", flags)]
    reply = row("Class label: A\nb", is_classification=None)
    assert pairs(replay(tmp_path, "instances", [reply], flags=beside).only()) == [("b", "A")]


def test_a_task_without_a_flag_is_dropped_and_says_so(tmp_path):
    found = replay(tmp_path, "instances", [row("Output: b", is_classification=None)]).only()
    assert (found.keep, found.reason) == (False, "no flag for this instruction; 0 flags are known")


@pytest.mark.parametrize("own", [{}, {"instance_metadata": None}])
def test_how_the_reply_of_the_instruction_ended_is_not_how_its_instances_ended(tmp_path, own):
    other = {"response": {"choices": [{"text": "x", "finish_reason": "length"}]}}
    reply = row("Input: a\nOutput: b", metadata=other, **own)
    assert pairs(replay(tmp_path, "instances", [reply]).only()) == [("a", "b")]


@pytest.mark.parametrize(
    ("told", "differs"),
    [(PAIR, False), ([], True), ([{"input": "a", "output": "c"}], True), (PAIR * 2, True)],
)
def test_published_instances_are_compared_whatever_their_order(tmp_path, told, differs):
    extra = {"input": "x", "output": "y"}
    found = replay(
        tmp_path,
        "instances",
        [row("Example 1\nInput: x\nOutput: y\nExample 2\nInput: a\nOutput: b", instances=[*told, extra])],
    )
    assert bool(found.only().differing()) == differs


def test_published_instances_come_from_a_file_too(tmp_path):
    rows = [
        {"instruction": DO, "input": "a", "output": "b"},
        {"instruction": "Another.", "input": "", "output": "c"},
    ]
    published = [written(tmp_path / "published.jsonl", rows)]
    kept, lost = replay(
        tmp_path, "instances", [row("Input: a\nOutput: b"), row("Output: d", instruction="Nobody knows it.")], published=published
    ).decisions  # fmt: skip
    assert not kept.differing() and lost.differing() == {"instances": ([], [("", "d")])}


def test_any_five_of_more_are_a_draw_that_could_be(tmp_path):
    raw = "\n".join(f"Example {i}\nInput: {i}\nOutput: o{i}" for i in range(1, 8))
    some = [{"input": str(i), "output": f"o{i}"} for i in range(1, 10)]
    draws = [some[:5], some[2:7], some[:4], some[4:9], [*some[:4], some[0]]]
    found = replay(tmp_path, "instances", [row(raw, instances=draw) for draw in draws])
    assert [bool(each.differing()) for each in found.decisions] == [False, False, True, True, True]
    assert found.counts["instances"] == 25


def test_instances_of_another_shape_are_refused(tmp_path):
    with pytest.raises(BadInput, match="field 'instances' is no list of objects"):
        replay(tmp_path, "instances", [row("Output: b", instances=["b"])])


def test_what_our_own_recipe_read_from_its_replies_is_read_again(tmp_path):
    made = grown(tmp_path / "w", "self_instruct", 60, rounds=2)
    samples = {each["sample_id"]: each for each in made["sample"].to_dicts()}
    dropped = set(made["verdict"].filter(~made["verdict"]["keep"]).filter(filter="format")["sample_id"])
    read = [each for each in samples.values() if each["level"] == "instance"]
    calls = made["call"].filter(level="instance").to_dicts()
    rows = []
    for call in calls:
        mine = [each for each in read if each["request_id"] == call["request_id"]]
        flag = samples[mine[0]["parent_id"]]
        kept = [
            {"input": each["input"], "output": each["output"]}
            for each in mine
            if each["sample_id"] not in dropped
        ]
        rows.append(
            {
                "instruction": samples[flag["parent_id"]]["text"],
                "is_classification": flag["text"],
                "raw_instances": call["reply"],
                "finish_reason": call["finish_reason"],
                "instances": kept,
            }
        )
    found = replay(tmp_path, "instances", rows, unmarked=True)
    assert len(rows) > 20 and {each["is_classification"] for each in rows} == {"Yes", "No"}
    assert found.counts["compared: instances"] == len(rows)
    assert [each.differing() for each in found.decisions if each.differing()] == []
