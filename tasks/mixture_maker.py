"""A row of somebody's data set as it is: maker `row`, which passes on what the reader understood.

A conversation stays one, a pair is a question and its answer, and a text is the answer to an empty question,
as pre-training text is (Ouyang et al. 2022, arXiv 2203.02155, mix it in against forgetting).
"""

from schemas.slot import Part
from tasks.makers import Given, maker
from tasks.options import checked
from tasks.replies import Piece


@maker("row", gives=("set", "row_origin", "row_id", "pretraining"))
def make_row(given: Given) -> list[Piece]:
    """The one sample of a row.

    Raises:
        BadInput: for an option; it has none.
    """
    checked(Part, given.options, 'make = "row"')
    parent, said = given.parent, given.parent["slots"]
    slots = {
        "set": said["set"], "pretraining": said["pretraining"],
        "row_origin": parent["origin"], "row_id": parent["origin_id"],
    }  # fmt: skip
    text, messages = parent["text"], said.get("messages") or None
    if messages is None:
        turns = [{"role": "user", "content": ""}, {"role": "assistant", "content": text}]
        return [Piece(text, None, "", text, "", turns, slots=slots)]
    answers = [
        turn["content"] for turn in messages if turn["role"] == "assistant" and turn["content"].strip()
    ]
    if not answers:
        return [Piece(text, "no answer", messages=messages, slots=slots)]
    instruction, output = said.get("instruction"), said.get("output")
    return [
        Piece(text, None, said.get("input") or "", output or answers[-1], instruction, messages, slots=slots)
    ]
