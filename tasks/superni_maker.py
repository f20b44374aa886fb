"""Instances of Super-NaturalInstructions as Tk-Instruct reads them (Wang et al. 2022, arXiv 2204.07705).

Definition, then positive examples, then negative ones, each with its explanation when asked for, then the
input. Examples are added in their order only while the whole still fits; the first that does not ends their
kind. A text that does not end with punctuation gets a full stop. The target is one of the outputs, drawn; all
of them are kept, since the published score is the maximum over them (ROUGE-L *with* stemmer, another one than
that of our novelty filter). What is compared of a sample is its input and target alone: the definition is the
same for all instances of a task.
"""

import random
import string
from typing import Any
from unicodedata import category

from pydantic import Field

from schemas.slot import Part
from tasks.instruction_replies import instance_text
from tasks.makers import Given, maker
from tasks.options import checked
from tasks.replies import Piece
from tasks.tokens import words


class Encoding(Part):
    """What is said beside the input."""

    definition: bool = True
    positive: int = Field(default=2, ge=0)  # examples at most
    negative: int = Field(default=0, ge=0)
    explanation: bool = False
    mixed: bool = False  # one of MIXED is drawn for each sample, instead of the four above
    max_words: int = Field(default=768, ge=1)  # of the whole; Tk-Instruct counts 1,024 tokens


MIXED = (
    Encoding(positive=0),
    Encoding(definition=False),
    Encoding(),
    Encoding(negative=2),
    Encoding(explanation=True),
)  # the five of Tk-Instruct's training


@maker("superni", gives=("task", "targets"))
def make_instance(given: Given) -> list[Piece]:
    """One sample of an instance.

    Raises:
        BadInput: for an unknown option.
    """
    asked = checked(Encoding, given.options, 'make = "superni"')
    row, given_input = given.parent["slots"], given.parent["text"]
    draw = random.Random(given.seed)
    chosen = draw.choice(MIXED).model_copy(update={"max_words": asked.max_words}) if asked.mixed else asked
    instruction = encode(row, given_input, chosen)
    target = draw.choice(row["targets"]) if row["targets"] else ""
    slots = {"task": row["task"], "targets": row["targets"]}
    text = instance_text("", given_input, target)
    return [Piece(text, _fault(instruction, target, chosen), "", target, instruction, slots=slots)]


def encode(row: dict[str, Any], given_input: str, encoding: Encoding) -> str:
    """The whole prompt: definition, as many examples as fit, input.

    Args:
        row: `definition`, `positive` and `negative`, lists of {input, output, explanation}.
        given_input: what is to be answered.
        encoding: what is said, and how long it may be in words.
    """
    head = f"Definition: {_stopped(row['definition'])}\n\n" if encoding.definition else ""
    tail = f"Now answer this one.\nInput: {_stopped(given_input)}\nOutput:"
    shown = ""
    for kind, most in (("positive", encoding.positive), ("negative", encoding.negative)):
        for number, example in enumerate(row[kind][:most], 1):
            block = _example(f"{kind.capitalize()} example {number}", example, encoding.explanation)
            if len(words(head + shown + block + tail)) > encoding.max_words:
                break
            shown += block
    return head + shown + tail


def _example(title: str, example: dict[str, Any], explanation: bool) -> str:
    lines = [f"{title}:", f"Input: {_stopped(example['input'])}", f"Output: {_stopped(example['output'])}"]
    why = example.get("explanation")
    if explanation and isinstance(why, str) and why.strip():
        lines.append(f"Explanation: {_stopped(why)}")
    return "\n".join(lines) + "\n\n"


def _stopped(text: str) -> str:
    text = text.strip()
    last = text[-1:] or " "
    return text if last in string.punctuation or category(last).startswith("P") else f"{text}."


def _fault(instruction: str, target: str, encoding: Encoding) -> str | None:
    if not target:
        return "empty target"
    n = len(words(instruction))
    return f"{n} words; at most {encoding.max_words}" if n > encoding.max_words else None
