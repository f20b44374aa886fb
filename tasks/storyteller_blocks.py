"""The offline storyteller's tasks in labelled parts: Alpaca's blocks, Unnatural Instructions' fields.

Instructions, inputs and outputs are those of its answers to Self-Instruct, in another form.
"""

import re

from tasks import storyteller_answers as answers
from tasks.storyteller_kinds import Kind
from tasks.storyteller_phrases import Pen, book, lists, tidy
from tasks.storyteller_tasks import family_of, new_task, phrases

LAST = 20  # number of the last task that is asked for
_EXAMPLE = re.compile(
    r"\AExample 1\nInput: (?P<given>.*?)\nOutput: (?P<output>.*?)(?:\nExample 2\n.*)?\Z", re.S
)
_LABELLED = re.compile(r"^Class label: (.*)\n((?:(?!Class label:).*\n?)*)", re.MULTILINE)


def blocks(seed: int, first: int) -> str:
    """Whole tasks in numbered blocks, on from the number that the prompt ends with."""
    pen = Pen(seed, phrases(), {})
    told = [_block(pen, new_task(pen), number) for number in range(first, max(first, LAST) + 1)]
    return _going_on(told, first)


def stock_blocks(seed: int, first: int) -> str:
    """The same few tasks again, with 0 to 3 words changed."""
    pen = Pen(seed, phrases(), {})
    stock = [tidy(pen.fill(task)) for task in pen.random.sample(book("stock")["task"], 6)]
    return _going_on([_block(pen, task, number) for number, task in enumerate(stock, first)], first)


def example(seed: int) -> str:
    """Instruction, input and constraints of one new example; the label of the first stands in the prompt."""
    pen = Pen(seed, {**phrases(), **book("unnatural")}, {})
    instruction, given = new_task(pen), ""
    for _ in range(20):  # until it is a task that needs an input
        given, _output = worked(pen, instruction)
        if given:
            break
        instruction = new_task(pen)
    return _fields(pen, instruction, given or pen.line(["{context}"]))


def stock_example(seed: int) -> str:
    """One of the same few examples, with 0 to 3 words changed."""
    stock = Pen(seed, lists(), dict(book("stock")["default"]))
    pen = Pen(seed, {**phrases(), **book("unnatural")}, {})
    return _fields(pen, stock.line(book("unnatural")["stock"]), pen.line(["{context}"]))


def in_other_words(seed: int, instruction: str) -> str:
    """The question of an instruction, without the sentences around it, in another frame."""
    pen = Pen(seed, {**phrases(), **book("unnatural")}, {})
    family = family_of(instruction)
    question = family.question_in(instruction.lower()) if family else None
    question = question or max(re.split(r"(?<=[.?!]) ", instruction), key=len).lower()
    ending = "" if question.endswith(("?", ".", "!")) else "."
    return tidy(pen.fill("{lead} ") + question + ending + pen.fill(" {close}")).strip()


def worked(pen: Pen, instruction: str) -> tuple[str, str]:
    """An input, empty where the task needs none, and the output."""
    seed = pen.random.getrandbits(32)
    if answers.flag(instruction) == "Yes":
        label, given = pen.pick(_LABELLED.findall(answers.output_first(seed, instruction)))
        return given.strip(), label
    told = answers.input_first(seed, instruction)
    hit = _EXAMPLE.match(told)
    return (hit["given"], hit["output"]) if hit else ("", told.removeprefix("Output: "))


def _block(pen: Pen, instruction: str, number: int) -> str:
    given, output = worked(pen, instruction)
    parts = (f"Instruction: {instruction}", f"Input:\n{given or '<noinput>'}", f"Output:\n{output}")
    return "\n".join(f"{number}. {part}" for part in parts)


def _going_on(told: list[str], first: int) -> str:
    return "\n###\n".join(told).removeprefix(f"{first}. Instruction:")


def _fields(pen: Pen, instruction: str, given: str) -> str:
    return f" {instruction}\nInput: {given}\nConstraints: {pen.line(['{constraint}'])}"


KINDS = (
    Kind(
        "blocks",
        re.compile(r"^(\d{1,6})\. Instruction:\s*\Z", re.MULTILINE),
        lambda seed, hit, obey: blocks(seed, int(hit[1])),
        lambda seed, hit, obey: stock_blocks(seed, int(hit[1])),
    ),
    Kind(
        "example",
        re.compile(r"^Example \d+\nInstruction:\s*\Z", re.MULTILINE),
        lambda seed, hit, obey: example(seed),
        lambda seed, hit, obey: stock_example(seed),
    ),
    Kind(
        "example output",
        re.compile(r"\AInstruction: (.*?)\nInput: .*\nConstraints: .*\nOutput:\s*\Z", re.DOTALL),
        lambda seed, hit, obey: answers.free(seed, hit[1]),
    ),
    Kind(
        "other words",
        re.compile(r"^Instruction: (.*)\nIn other words:\s*\Z", re.MULTILINE),
        lambda seed, hit, obey: in_other_words(seed, hit[1]),
    ),
)
