import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.json_rows import Unreadable
from tasks.record_shapes import ANSWERS, ASKED, DIALOGUES, TEXTS, content_of

FIELD = st.sampled_from(
    [*ASKED, *ANSWERS, *TEXTS, *DIALOGUES, "input", "system", "instances", "turns", "replies", "rank", "role"]
    + ["from", "value", "deleted", "lang", "other"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELD, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(FIELD, VALUES, max_size=5))
def test_any_row_is_read_or_refused_with_a_reason(row):
    try:
        content = content_of(row)
    except Unreadable as error:
        assert str(error)
    else:
        assert content.text.strip()
        assert content.messages or content.body


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"instruction": "Add.", "input": "1, 2", "output": "3"}, ("Add.", "1, 2", "3")),
        ({"instruction": "Sing.", "input": None, "output": "La"}, ("Sing.", "", "La")),
        ({"instruction": "Sing.", "output": ""}, ("Sing.", "", "")),
        ({"instruction": "Add.", "input": "1, 2", "response": "3"}, ("Add.", "1, 2", "3")),
        (
            {"instruction": "Why?", "context": "Rain.", "response": "Wet", "category": "qa"},
            ("Why?", "Rain.", "Wet"),
        ),
        ({"prompt": "Say hi", "completion": "hi"}, ("Say hi", "", "hi")),
        ({"question": "1+1?", "answer": "#### 2"}, ("1+1?", "", "#### 2")),
        ({"prompt": "Say hi", "chosen": "hi", "rejected": "no"}, ("Say hi", "", "hi")),
        ({"instruction": "a", "output": "b", "text": "a b"}, ("a", "", "b")),
        (
            {"instruction": "Sum", "instances": [{"input": "1 2", "output": "3"}], "name": "x"},
            ("Sum", "1 2", "3"),
        ),
    ],
)
def test_pairs_of_every_dialect_become_instruction_input_output(row, expected):
    content = content_of(row)
    assert (content.instruction, content.input, content.output) == expected
    asked = "\n\n".join(part for part in expected[:2] if part)
    assert content.messages == [("user", asked), ("assistant", expected[2])]
    assert content.text == "\n\n".join(part for part in expected if part)


SAID = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
]
SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt"}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": SAID},
        {"messages": SAID, "text": "as one string", "instruction": "and apart", "output": "too"},
        {"conversations": [{"from": SHAREGPT[turn["role"]], "value": turn["content"]} for turn in SAID]},
        {"prompt": SAID[:2], "completion": SAID[2:]},
        {"prompt": "Hi", "chosen": SAID, "rejected": SAID[:2]},
    ],
)
def test_conversations_of_every_dialect_become_messages(row):
    content = content_of(row)
    assert content.messages == [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello")]
    assert content.text == "Be kind.\n\nHi\n\nHello"
    assert content.instruction is content.output is None


def test_a_system_prompt_of_a_pair_is_a_turn_but_not_part_of_the_text():
    content = content_of({"system_prompt": "Be kind.", "question": "Hi", "response": "Hello"})
    assert content.messages == [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello")]
    assert content.text == "Hi\n\nHello"


def test_a_transcript_becomes_messages():
    content = content_of({"chosen": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Bye\n\nAssistant: Bye!"})
    assert content.messages == [
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Bye"),
        ("assistant", "Bye!"),
    ]


def test_a_tree_gives_its_best_ranked_thread_without_a_trailing_question():
    def node(text, role, rank, *replies, deleted=False):
        return {
            "text": text,
            "role": role,
            "rank": rank,
            "replies": list(replies),
            "deleted": deleted,
            "lang": "de",
        }

    tree = node("Frage", "prompter", None,
                node("gelöscht", "assistant", 0, deleted=True),
                node("schlecht", "assistant", 2),
                node("gut", "assistant", 1, node("Und?", "prompter", None)),
                node("ungereiht", "assistant", None))  # fmt: skip
    content = content_of({"message_tree_id": "x", "prompt": tree})
    assert content.messages == [("user", "Frage"), ("assistant", "gut")]
    assert content.language == "de"


def test_plain_texts_are_kept_untouched():
    assert content_of({"text": " Once upon\n a time "}).text == " Once upon\n a time "
    assert content_of({"text": "x"}).messages is None
    assert content_of({"prompt": "Write.", "text": "Once"}).text == "Once"


def test_a_raw_tinystories_record_brings_what_was_asked():
    wish = {"prompt:": "Write ...", "words": ["dog", "run"], "features": ["Dialogue"]}
    content = content_of({"story": "A dog ran.", "instruction": wish, "summary": "A dog.", "source": "GPT-4"})
    assert content.text == "A dog ran."
    assert content.asked == {"words": ["dog", "run"], "features": ["Dialogue"]}


def test_questions_without_answers_have_no_output():
    assert content_of({"prompt": "Write a poem", "key": 1}).output is None
    assert content_of({"turns": ["One?", "Two?"]}).messages == [("user", "One?"), ("user", "Two?")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"headline": "x", "body": "y"}, "unknown shape: fields headline, body; known: messages"),
        ({}, "unknown shape: fields none; known: messages"),
        ({"instruction": "x", "output": 3}, "output is a JSON number, not a string"),
        ({"instruction": ["x"], "output": "y"}, "instruction is a JSON array, not a string"),
        ({"instruction": "x", "output": ["y"]}, "output is a JSON array, not a string"),
        ({"instruction": "x", "input": {}, "output": "y"}, "input is a JSON object, not a string"),
        ({"instruction": "x", "output": None}, "output is null, not a string"),
        ({"text": None}, "text is null"),
        ({"text": 5}, "text is a JSON number, not a string"),
        ({"text": " \n"}, "empty text"),
        ({"instruction": "", "input": "", "output": ""}, "empty text"),
        ({"messages": []}, "empty text"),
        ({"messages": "hi"}, "messages is a JSON string, not an array"),
        ({"messages": ["hi"]}, r"messages\[0\] is a JSON string, not an object"),
        ({"messages": [{"role": "user", "content": None}]}, r"messages\[0\] has a JSON null as its content"),
        (
            {"messages": [{"role": "king", "content": "x"}]},
            r"messages\[0\] has the unknown role 'king'; known: user",
        ),
        ({"instruction": "x", "instances": [{}, {}]}, "2 instances in one row; give each a row"),
    ],
)
def test_what_is_no_sample_says_why(row, reason):
    with pytest.raises(Unreadable, match=reason):
        content_of(row)
