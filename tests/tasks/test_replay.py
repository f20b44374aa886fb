import gzip
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replaying import replay, written

from schemas.errors import BadInput
from tasks.json_rows import Unreadable
from tasks.replay import Decision, kind_of, replayed, same, stages, tally, wanted

GOOD = {"instruction": "Name three kinds of bread."}
STAGES = "alpaca filters flag instances judgements rouge scores self_chat tasks trees"


def test_every_stage_says_what_it_decides_and_which_rows_it_wants():
    assert " ".join(stages()) == STAGES
    assert all(
        stage.what.endswith(".") and stage.wants and stage.name == name for name, stage in stages().items()
    )


def test_an_unknown_stage_names_the_known_ones():
    with pytest.raises(BadInput, match=r"no stage 'rogue' to replay; known: \['alpaca', .*'trees'\]"):
        replayed("rogue", ["x"], {})


def test_an_unknown_option_names_the_known_ones(tmp_path):
    with pytest.raises(BadInput, match=r"replay filters: no option 'seeds'; known: \['accepted', 'words'\]"):
        replay(tmp_path, "filters", [GOOD], seeds=["x"])


def test_a_value_that_is_no_choice_is_refused(tmp_path):
    with pytest.raises(BadInput, match="replay rouge: option split"):
        replay(tmp_path, "rouge", [GOOD], split="letters")


def test_a_row_that_cannot_be_read_is_counted_and_shown_and_the_next_one_is_judged(tmp_path):
    found = replay(
        tmp_path, "filters", ['{"instruction": ', {"text": "no"}, {"instruction": 3}, '{"a": NaN}', GOOD]
    )
    assert [decision.line for decision in found.decisions] == [5]
    assert [(bad.line, bad.reason.split(":")[0]) for bad in found.bad] == [
        (1, "invalid JSON at character 17"),
        (2, "no field 'instruction'; found"),
        (3, "field 'instruction' holds int"),
        (4, "invalid JSON"),
    ]
    assert found.counts["rows"] == 5 and found.counts["rows unreadable"] == 4


def test_a_file_of_another_shape_says_which_fields_are_wanted_and_which_were_found(tmp_path):
    with pytest.raises(
        BadInput, match=r"stage 'trees' \(1 refused\), which wants prompt .*found: \['instruction'\]"
    ):
        replay(tmp_path, "trees", [GOOD])


def test_an_empty_file_is_no_replay(tmp_path):
    with pytest.raises(BadInput, match="is empty"):
        replay(tmp_path, "filters", [])


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match="no file '.*nowhere.jsonl'"):
        replayed("flag", [str(tmp_path / "nowhere.jsonl")], {})


def test_a_file_beside_must_be_right_as_a_whole(tmp_path):
    seeds = written(tmp_path / "seeds.jsonl", [GOOD, "{"])
    with pytest.raises(BadInput, match=r"seeds.jsonl, row 2: invalid JSON"):
        replay(tmp_path, "rouge", [GOOD], seeds=[seeds])


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl.gz", "rows.csv"])
def test_other_formats_are_the_same_rows(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(json.dumps(GOOD).encode()))
    else:
        path.write_text(
            json.dumps([GOOD]) if name.endswith("json") else f"instruction\n{GOOD['instruction']}\n"
        )
    (decision,) = replayed("filters", [str(path)], {}).decisions
    assert decision.keep and decision.text == GOOD["instruction"] and decision.origin == str(path)


def test_counts_add_up_and_reasons_lose_what_varies():
    decisions = [
        Decision(
            "f",
            1,
            "a",
            False,
            "2 words; tasks have 4 to 150",
            counted={"n": 2},
            compared={"keep": (True, False)},
        ),
        Decision(
            "f",
            2,
            "b",
            False,
            "3 words; tasks have 4 to 150",
            counted={"n": 0},
            compared={"keep": (False, False)},
        ),
        Decision("f", 3, "c", True),
    ]
    assert tally(decisions, n_bad=4) == {
        "rows": 7,
        "rows unreadable": 4,
        "rows kept": 1,
        "rows dropped": 2,
        "n": 2,
        "dropped: … words; tasks have … to …": 2,
        "compared: keep": 2,
        "differs: keep": 1,
    }


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("12 words; tasks have 4 to 150", "… words; tasks have … to …"),
        ("holds 'go to', which a text model cannot do", "holds …, which a text model cannot do"),
        ("ROUGE-L 0.713 to an earlier task, above 0.7", "ROUGE-L … to an earlier task, above …"),
        ("cut by length", "cut by length"),
    ],
)
def test_a_kind_of_reason_is_free_of_numbers_and_quotes(reason, kind):
    assert kind_of(reason) == kind


def test_numbers_are_equal_within_a_billionth_and_nothing_else_is():
    assert same(0.3, 0.1 + 0.2) and same([0.3, "a"], (0.1 + 0.2, "a")) and same(5, 5.0)
    assert not same(0.3, 0.300000002) and not same([0.3], [0.3, 0.1]) and not same(0.5, None)
    assert not same(True, 0.5) and not same("a", "b") and same(None, None)


@given(st.floats(0, 1), st.floats(0, 1))
def test_sameness_of_scores_is_symmetric(a, b):
    assert same(a, b) == same(b, a) and same(a, a)
    assert same(a, b) or not math.isclose(a, b, abs_tol=1e-10, rel_tol=0)


def test_a_wanted_field_that_is_missing_says_what_there_is():
    with pytest.raises(Unreadable, match=r"no field 'x'; found: \['a', 'b'\]"):
        wanted({"b": 1, "a": 2}, "x")
