import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replaying import replay

from schemas.errors import BadInput

HEAD = "The conversation of two.\n"
RAW = "Sure:\n[Human] Why?\n[AI] So.\n[Human] And then?\n[AI] Then this.\nAnd that.\n[Human] Bye!"
PUBLISHED = HEAD + "[|Human|] Why?\n[|AI|] So.\n[|Human|] And then?\n[|AI|] Then this.\nAnd that.\n[|Human|] "


def said(decision):
    return [turn["content"] for turn in decision.value]


def test_a_raw_transcript_is_cut_as_published(tmp_path):
    found = replay(tmp_path, "self_chat", [{"topic": "t", "transcript": RAW, "input": PUBLISHED}])
    assert said(found.only()) == ["Why?", "So.", "And then?", "Then this.\nAnd that."]
    assert not found.only().differing()
    assert (found.counts["dialogues"], found.counts["messages"]) == (1, 4)


@pytest.mark.parametrize(
    ("raw", "turns"),
    [
        ("[Human] a [AI] b [Human] c [AI] d", ["a", "b"]),
        ("[Human] a [AI] b [Human] c [AI] d [AI] e [Human] f [AI] g [Human]", ["a", "b"]),
        ("[Human] a [AI] b [Human] c [Human] d [AI] e [Human]", ["a", "b"]),
        ("[Human] a [AI] b", []),
        ("a [AI] b", []),
        ("[Human] a [AI] [Human] c [AI] d [Human]", ["a", "", "c", "d"]),
    ],
)
def test_it_is_cut_where_a_segment_has_not_one_marker_of_the_ai(tmp_path, raw, turns):
    found = replay(tmp_path, "self_chat", [{"reply": raw}]).only()
    assert said(found) == turns and found.keep == bool(turns) == (found.reason is None)


def test_turns_without_words_pass_as_published_and_are_counted(tmp_path):
    counts = replay(tmp_path, "self_chat", [{"reply": "[Human] a [AI] [Human] c [AI] d [Human]"}]).counts
    assert counts["messages after a turn without words, which our recipe cuts"] == 4


def test_a_published_transcript_alone_is_read_and_written_again(tmp_path):
    assert (
        said(replay(tmp_path, "self_chat", [{"topic": "t", "input": PUBLISHED}]).only())[-1]
        == "Then this.\nAnd that."
    )
    broken = PUBLISHED.replace("And then?\n", "And then? [|AI|] What?\n")
    assert list(replay(tmp_path, "self_chat", [{"input": broken}]).only().differing()) == ["transcript"]


def test_a_published_transcript_that_differs_from_its_reply_is_reported(tmp_path):
    row = {"transcript": RAW, "input": PUBLISHED.replace("So.", "No.")}
    assert list(replay(tmp_path, "self_chat", [row]).only().differing()) == ["transcript"]


def test_markers_of_raw_replies_are_options(tmp_path):
    rows = [{"reply": "Q: a A: b Q:"}]
    assert said(replay(tmp_path, "self_chat", rows, human="Q:", ai="A:").only()) == ["a", "b"]


def test_a_row_without_a_transcript_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no reply in"):
        replay(tmp_path, "self_chat", [{"topic": "t", "input": "no markers"}])


TURN = st.text(alphabet="ab ?.\n", max_size=20)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TURN, TURN), min_size=1, max_size=4))
def test_what_baize_would_publish_of_a_transcript_is_reproduced(tmp_path, turns):
    raw = "".join(f"[Human] {a}\n[AI] {b}\n" for a, b in turns) + "[Human] Bye"
    told = HEAD + "".join(f"[|Human|] {a.strip()}\n[|AI|] {b.strip()}\n" for a, b in turns) + "[|Human|] "
    rows = [{"reply": raw, "input": told}, {"input": told}]
    assert not any(each.differing() for each in replay(tmp_path, "self_chat", rows).decisions)
