import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks.evolution_replies import STOP_WORDS, answer_fault, equality, evolved, evolved_answer
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.replies import Told

OLD = "Plan a dinner for two."


def evolve(text, finish="stop"):
    (piece,) = evolved(Told(text, finish, {"instruction": OLD}))
    return piece


def answered(text, finish="stop", **options):
    (piece,) = evolved_answer(Told(text, finish, {"evolved": OLD}, None, "", options))
    return piece


def test_an_evolved_instruction_is_the_whole_reply():
    piece = evolve("\n Plan a dinner for two\nwho eat no fish. \n")
    assert (piece.text, piece.reason) == ("Plan a dinner for two\nwho eat no fish.", None)


@pytest.mark.parametrize(
    "text",
    [
        "#Rewritten Prompt#: Plan a dinner.",
        "#Rewritten Prompt#:\nPlan a dinner.",
        "Plan a dinner like that of the given prompt.",
        "Here is the Rewritten Prompt: plan a dinner.",
        "REWRITTEN-PROMPT plan a dinner",
        "the given_prompt asks for a dinner",
        "Plan the dinners of the given prompts.",
        "#The Given Prompt# plan a dinner",
        "# new prompt # plan a dinner",
        "#Created Prompt#: plan a lunch",
        "rewritten  \n prompt: plan a dinner",
        "**Rewritten Prompt:** plan a dinner",
    ],
)
def test_words_of_the_prompt_in_any_form_eliminate(text):
    assert "from the prompt" in evolve(text).reason


@pytest.mark.parametrize(
    "text",
    [
        "Plan a prompt dinner, given that two guests come.",
        "Write a prompt for a painter.",
        "Compare C# with F# for a dinner app.",
        "Rewrite the menu so that it prompts questions.",
        "为两个人准备一顿没有鱼的晚餐。",
    ],
)
def test_other_texts_that_speak_of_prompts_or_marks_do_not(text):
    assert evolve(text).reason is None


@pytest.mark.parametrize(
    ("text", "finish", "fault"),
    [
        ("", "stop", "empty reply"),
        ("Plan a", "length", "cut by length"),
        ("plan a DINNER, for two", "stop", "no change"),
    ],
)
def test_what_is_no_evolution_is_refused(text, finish, fault):
    assert evolve(text, finish).reason == fault


@pytest.mark.parametrize("operation", load_recipe("evol_instruct").slots["operation"].choice)
def test_a_prompt_that_is_repeated_as_the_answer_eliminates(operation):
    prompt = render(
        load_recipe("evol_instruct").levels[0].prompt,
        {"operation": operation, "format": "SQL", "instruction": OLD},
    )
    assert "from the prompt" in evolve(prompt).reason


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Equal", 0.0),
        ("equal.", 0.0),
        ("**Equal**", 0.0),
        ("Not Equal", 1.0),
        ("NOT EQUAL.", 1.0),
        ("not-equal", 1.0),
        ("Unequal", 1.0),
        ("", None),
        ("They are equal", None),
        ("Equality is hard to tell", None),
        ("I think so", None),
        ("相等", None),
    ],
)
def test_only_a_clear_judgement_is_one(text, score):
    (piece,) = equality(Told(text, "stop", {}))
    assert piece.score == score and (piece.reason is None) == (score is not None)


def test_an_answer_belongs_to_its_instruction():
    piece = answered(" Soup, then rice. ")
    assert (piece.instruction, piece.input, piece.output) == (OLD, "", "Soup, then rice.")
    assert piece.text == OLD + "\n\nSoup, then rice." and piece.reason is None


def test_sorry_eliminates_below_80_words_only():
    assert "79 words" in answered("I am Sorry " + "word " * 76).reason
    assert answered("I am sorry " + "word " * 77).reason is None
    assert answered("word " * 5).reason is None
    assert answered("I am sorry " + "word " * 76, sorry_words=10).reason is None


@pytest.mark.parametrize(
    "text", ["", "...", "?! -- ,", "it is what it is.", "So, that's that!", "“Here”, and now."]
)
def test_nothing_but_punctuation_and_stop_words_eliminates(text):
    assert answered(text).reason == "only punctuation and stop words"


@pytest.mark.parametrize("text", ["42", "Yes.", "So it rains.", "是的", "Vâng", "x"])
def test_one_word_of_meaning_is_enough(text):
    assert answered(text).reason is None


def test_an_unfinished_answer_is_refused():
    assert answered("Soup, then", "length").reason == "cut by length"


def test_an_option_that_nobody_knows_is_refused():
    with pytest.raises(BadInput, match=r"'sorry'.*sorry_words"):
        answered("x", sorry=3)


@given(st.lists(st.sampled_from(sorted(STOP_WORDS)) | st.sampled_from(list(".,!?;:-"))))
def test_any_row_of_stop_words_and_marks_eliminates(parts):
    assert answer_fault(" ".join(parts)) == "only punctuation and stop words"
    assert answer_fault(" ".join([*parts, "otter"])) is None


@given(st.text(max_size=200))
def test_no_reply_is_too_strange(text):
    assert evolve(text).reason or evolve(text).text
    assert answered(text).reason or answered(text).output
    equality(Told(text, "stop", {}))
