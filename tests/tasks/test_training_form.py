import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.recipe import Level
from tasks.replies import Piece
from tasks.training_form import trained_on

TURNS = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]


def form(piece, values=None, seed=1, **level):
    whole = {"name": "story", "prompt": "x", "reply": "text", "final": True, **level}
    return trained_on(Level.model_validate(whole), values or {}, piece, seed)


def test_a_level_that_is_not_final_is_trained_on_in_no_form():
    assert set(form(Piece("x", output="y"), final=False).values()) == {None}


def test_a_template_asks_and_the_text_answers():
    found = form(Piece("A dog ran."), {"words": ["dog"]}, instruction="Use {{ words[0] }}.")
    assert (found["instruction"], found["input"], found["output"]) == ("Use dog.", "", "A dog ran.")
    assert found["messages"] == [
        {"role": "user", "content": "Use dog."},
        {"role": "assistant", "content": "A dog ran."},
    ]


def test_what_the_reply_says_goes_before_templates_and_slots():
    piece = Piece("all", instruction="i", input="g", output="o")
    found = form(piece, {"instruction": "slot"}, instruction="t", input="t", output="t")
    assert (found["instruction"], found["input"], found["output"]) == ("i", "g", "o")


def test_without_either_the_instruction_is_that_of_the_slots_and_the_output_the_text():
    found = form(Piece("done"), {"instruction": "Do it."})
    assert (found["instruction"], found["input"], found["output"]) == ("Do it.", "", "done")


def test_a_reply_may_become_the_instruction_and_the_document_its_answer():
    found = form(
        Piece("What is rain?"),
        {"document": "Rain falls."},
        instruction="{{ reply }}",
        output="{{ document }}",
    )
    assert [turn["content"] for turn in found["messages"]] == ["What is rain?", "Rain falls."]


def test_the_system_message_trained_on_may_be_another_than_the_one_asked_with():
    found = form(Piece("a"), {"instruction": "i"}, system="Think.", train_system="You are helpful.")
    assert found["messages"][0] == {"role": "system", "content": "You are helpful."}
    assert form(Piece("a"), {"instruction": "i"}, train_system="")["messages"][0]["role"] == "user"


def test_a_whole_conversation_is_taken_as_it_is():
    found = form(Piece("hello hi", messages=TURNS), {"instruction": "i"})
    assert found["messages"] == TURNS
    assert found["output"] is found["instruction"] is None, "so that only what the assistant says is judged"


def test_the_losing_answer_of_a_pair_is_kept():
    found = form(Piece("x", messages=TURNS, output="hi", rejected="go away"))
    assert (found["output"], found["rejected"]) == ("hi", "go away")


def test_a_text_that_nobody_asked_for_has_no_conversation():
    assert set(form(Piece("plain text")).values()) == {None}


def test_the_words_of_the_user_follow_one_of_the_formats():
    formats = {"with_input": ["{{ instruction }} | {{ input }}"], "without_input": ["Q: {{ instruction }}"]}
    with_input = form(Piece("x", instruction="Add.", input="1 2", output="3"), format=formats)
    without = form(Piece("x", instruction="Sing.", output="la"), format=formats)
    assert with_input["messages"][0]["content"] == "Add. | 1 2"
    assert without["messages"][0]["content"] == "Q: Sing."


@pytest.mark.parametrize("part", ["Words", "Summary"])
def test_fields_are_drawn_and_put_below_the_instruction(part):
    fields = {"parts": {"Words": "dog, cat", "Summary": "A dog."}, "subset": "all"}
    found = form(Piece("x"), instruction="Tell a story.", fields=fields)
    assert found["instruction"].startswith("Tell a story.\n\n") and f"{part}:" in found["instruction"]


@given(st.text(min_size=1), st.integers(0, 2**62))
def test_the_same_seed_gives_the_same_form(text, seed):
    fields = {"parts": {"A": "a", "B": "b", "C": "c"}}
    assert form(Piece(text), seed=seed, fields=fields) == form(Piece(text), seed=seed, fields=fields)
