import polars as pl
import pytest

from tasks.boilerplate import is_refusal, prompt_marker


def judged(expression, text):
    return pl.DataFrame({"answer": [text]}).select(expression(pl.col("answer"))).item()


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I do not have feelings.",
        "as an artificial intelligence I have no opinion",
        "I'm sorry, but I can't assist with that request.",
        "I’m sorry, but I cannot.",
        "I am sorry but I am unable to open files.",
        "Sorry, I can't help you with that.",
        "I apologize, but I cannot provide medical advice.",
        "Unfortunately, I am not able to generate images.",
        "I'm just an AI, so I can't taste it.",
        "Sorry, the task involves creating a visual output.",
        "This task cannot be completed by a GPT model.",
        "No output as GPT models cannot create images.",
        "<no output>",
        "“I cannot fulfill this request.”",
    ],
)
def test_refusals_and_disclaimers_are_known_by_their_opening(text):
    assert judged(is_refusal, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Positive",
        "I'm sorry to hear that. It must be very difficult for you.",
        "Sorry, I won't be able to make it to the meeting.",
        "I can't believe it - I'm so frustrated right now!",
        "I can't help but smile when it rains.",
        "I cannot swim, said the fox. I'm sorry, but I can't come with you.",
        "I apologize for the inconvenience. We will send the correct item.",
        "You are as dimwitted as an AI-generated insult.",
        "Unfortunately, the prices of Amazon rose.",
        "The girl said: as an AI language model you know nothing.",
        "No output device was found, so the fox listened to the wind.",
        "对不起，我今天不能来。",
    ],
)
def test_apologies_and_sentences_inside_a_text_are_no_refusals(text):
    assert not judged(is_refusal, text)


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("Fine.\n\n### Response: fine", "### Response"),
        ("### Instruction:\nSay hi", "### Instruction"),
        ("yes<|im_end|>", "<|im_end|>"),
        ("one <|endoftext|> two", "<|endoftext|>"),
        ("[INST] hello [/INST]", "[INST]"),
        ("<<SYS>> be kind", "<<SYS>>"),
        ("<noinput>", "<noinput"),
        ("<nooutput - cannot create>", "<nooutput"),
        ("She watered them.\n\n6. Instruction: Write a poem", "6. Instruction:"),
        ("# Input\n\nA heading", None),
        ("### How to cook rice", None),
        ("Input: 2 + 3\nOutput: 5", None),
        ("if a < no and b > 1", None),
        ("the list [inst] is not", "[inst]"),
    ],
)
def test_markers_of_prompt_templates_are_found(text, marker):
    assert judged(prompt_marker, text) == marker
