import gzip
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks.dialogue_replies import Markers, dialogue, exchanges, transcript
from tasks.replies import Told

HH = Markers("\n\nHuman:", "\n\nAssistant:")
WHOLE = """[Human] Why is the sky blue?
[AI] Air scatters blue light most.
[Human] And at dusk?
[AI] Then the way is long.
Only red is left.
[Human] Thanks, bye!
[AI] Goodbye!"""


def told(text, finish="stop", **options):
    return Told(text, finish, {}, options=options)


def turns(*contents):
    return [
        {"role": role, "content": content}
        for role, content in zip(["user", "assistant"] * len(contents), contents, strict=False)
    ]


def test_the_first_and_the_last_segment_are_dropped():
    (piece,) = dialogue(told("Here you go:\n" + WHOLE))
    assert piece.reason is None
    assert piece.messages == turns(
        "Why is the sky blue?",
        "Air scatters blue light most.",
        "And at dusk?",
        "Then the way is long.\nOnly red is left.",
    )
    assert piece.text.startswith("Why is the sky blue?\n\nAir scatters") and "bye" not in piece.text


def test_a_reply_that_goes_on_without_a_marker_loses_its_first_exchange():
    """Baize's rule, to the letter: what stands before the first marker is no turn."""
    (piece,) = dialogue(told(WHOLE.removeprefix("[Human] ")))
    assert [turn["content"] for turn in piece.messages][0] == "And at dusk?"


@pytest.mark.parametrize(
    ("segment", "why"),
    [
        ("[Human] Only a question", "no marker of the AI"),
        ("[Human] Why? [AI] So. [AI] And so.", "two of them"),
        ("[Human] [AI] So.", "nothing asked"),
        ("[Human] Why? [AI]  \n", "nothing said"),
    ],
)
def test_a_conversation_is_cut_at_the_first_segment_without_exactly_one_marker(segment, why):
    told_text = f"[Human] One? [AI] Two.\n{segment}\n[Human] Three? [AI] Four.\n[Human] Bye"
    assert dialogue(told(told_text))[0].messages == turns("One?", "Two."), why


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Sorry, I cannot do that.",
        "[Human] Hi [AI] Hello",
        "[AI] Hello [AI] again",
        "[Human] a [Human] b [Human]",
    ],
)
def test_a_reply_without_a_whole_exchange_is_kept_with_its_reason(reply):
    (piece,) = dialogue(told(reply))
    assert piece.reason.startswith("no whole exchange") and piece.text == reply.strip() and not piece.messages


def test_what_the_length_cut_goes_with_the_last_segment():
    (piece,) = dialogue(told(WHOLE[:-40], "length"))
    assert piece.reason is None and len(piece.messages) in (2, 4)


def test_markers_are_an_option_in_any_language():
    (piece,) = dialogue(told("人：你好？\n机：你好。\n人：再见", human="人：", ai="机："))
    assert piece.messages == turns("你好？", "你好。")


@pytest.mark.parametrize("options", [{"humans": "x"}, {"human": "AI", "ai": "[AI]"}, {"human": ""}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(BadInput, match="no option 'humans'|cannot be told apart"):
        dialogue(told(WHOLE, **options))


MARKED = ("[Human]", "[AI]")
CONTENT = (
    st.text(string.ascii_letters + " .?!\nüß中[]", min_size=1)
    .map(str.strip)
    .filter(lambda text: text and not any(marker in text for marker in MARKED))
)


@given(st.lists(CONTENT, min_size=2, max_size=8).filter(lambda said: len(said) % 2 == 0))
def test_a_rendered_conversation_is_read_back_as_it_was(said):
    spoken = turns(*said)
    assert exchanges(transcript(spoken)) == spoken
    assert transcript(exchanges(transcript(spoken))) == transcript(spoken)


@given(
    st.lists(st.sampled_from(["[Human]", "[AI]", "hello", " ", "\n", "[Hum", "an]"]), max_size=30).map(
        "".join
    )
)
def test_whatever_comes_back_alternates_and_holds_no_marker(reply):
    found = exchanges(reply)
    assert [turn["role"] for turn in found] == ["user", "assistant"] * (len(found) // 2)
    assert not any("[Human]" in turn["content"] or "[AI]" in turn["content"] for turn in found)


def test_anthropics_pairs_share_all_turns_but_the_last(public_data):
    """2,303 of the 2,312 pairs; in the other 9 the two conversations differ in length."""
    with gzip.open(public_data("hh_rlhf/harmless-base_test.jsonl.gz"), "rt") as file:
        pairs = [json.loads(line) for line in file]
    read = [[exchanges(row[name] + HH.human, HH) for name in ("chosen", "rejected")] for row in pairs]
    assert len(pairs) == 2312
    assert sum(len(a) == len(b) and a[:-1] == b[:-1] for a, b in read) == 2303
    whole = sum(len(a) == 2 * row["chosen"].count(HH.human) for (a, _), row in zip(read, pairs, strict=True))
    assert whole == 2300  # the others hold a turn without words, or two answers in a row


def test_threads_of_people_survive_the_way_there_and_back(public_data):
    with public_data("oasst/en_100_tree.jsonl").open(encoding="utf-8") as file:
        trees = [json.loads(line) for line in file]
    threads = [thread for tree in trees for thread in _threads(tree["prompt"], [])]
    assert len(trees) == 100 and len(threads) > 300
    assert all(exchanges(transcript(thread)) == thread for thread in threads)


def _threads(node, above):
    role = {"prompter": "user", "assistant": "assistant"}[node["role"]]
    here = [*above, {"role": role, "content": node["text"].strip()}]
    below = [thread for reply in node["replies"] for thread in _threads(reply, here)]
    return below or [here if role == "assistant" else above]
