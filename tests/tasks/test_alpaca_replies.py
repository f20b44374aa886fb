import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks.alpaca_replies import alpaca
from tasks.replies import Told

ALPACA = Path(__file__).parents[2].parent / "shared" / "data" / "alpaca" / "alpaca_data.json"
GOOD = ("Name two birds that swim.", "", "Ducks and swans.")
OTHER = ("Count the letters of the word.", "gate", "4")


def block(number, instruction, given_text, output):
    parts = (f"Instruction: {instruction}", f"Input:\n{given_text or '<noinput>'}", f"Output:\n{output}")
    return "\n".join(f"{number}. {part}" for part in parts)


def rendered(tasks, first=4):
    """A reply as the model of the authors goes on: the beginning of its first block stands in the prompt."""
    text = "\n###\n".join(block(number, *task) for number, task in enumerate(tasks, first))
    return text.removeprefix(f"{first}. Instruction:")


def read(text, finish="stop", prompt="", **options):
    return alpaca(Told(text, finish, {}, None, prompt, options))


def parts(pieces):
    return [(piece.instruction, piece.input, piece.output) for piece in pieces]


def test_a_list_goes_on_from_the_number_that_the_prompt_ends_with():
    pieces = read(rendered([GOOD, OTHER]))
    assert parts(pieces) == [GOOD, OTHER] and [piece.reason for piece in pieces] == [None, None]
    assert pieces[1].text == "Count the letters of the word.\n\ngate\n\n4"
    pieces = read(rendered([GOOD, OTHER], 9), prompt="8. Output:\nx\n###\n9. Instruction:")
    assert parts(pieces) == [GOOD, OTHER]


def test_a_beginning_that_the_model_repeats_is_no_part_of_the_task():
    for before in ("4. Instruction:", "\n4. Instruction:", "###\n4. Instruction:"):
        assert parts(read(before + rendered([GOOD, OTHER]))) == [GOOD, OTHER]


@pytest.mark.parametrize("marker", ["<noinput>", "<NoInput>", " <NOINPUT> "])
def test_the_marker_of_no_input_becomes_empty_in_any_case(marker):
    (piece,) = read(f" Name two birds that swim.\n4. Input:\n{marker}\n4. Output:\nDucks and swans.")
    assert (piece.input, piece.reason) == ("", None)


def test_the_last_block_of_a_reply_cut_by_length_is_dropped_and_kept_as_a_sample():
    pieces = read(rendered([GOOD, OTHER]), "length")
    assert parts(pieces[:1]) == [GOOD]
    assert [piece.reason for piece in pieces] == [None, "cut by length"]
    assert "gate" in pieces[1].text
    assert [piece.reason for piece in read(" Name two", "length")] == ["cut by length"]
    assert [piece.reason for piece in read(rendered([GOOD]) + "\n###\n", "length")] == [None]


def test_a_reply_that_ends_with_the_separator_has_no_empty_task():
    assert parts(read(rendered([GOOD]) + "\n###\n")) == [GOOD]
    assert [piece.reason for piece in read("")] == ["empty reply"]
    assert [piece.reason for piece in read(" ", "length")] == ["empty reply"]


@pytest.mark.parametrize(
    ("text", "n"),
    [
        (" Name two birds that swim.\n4. Output:\nDucks.", 5),  # no input
        (" Name two birds that swim.\n5. Input:\n<noinput>\n4. Output:\nDucks.", 5),  # another number
        (rendered([GOOD]) + "\n4. Output:\nSwans.", 9),  # doubled
        (rendered([GOOD]) + "\n4. Instruction: Count to ten.", 9),
        ("Sure, here are the tasks!", 3),
        (" 说出两种会游泳的鸟。\n4. 输入:\n<noinput>\n4. 输出:\n鸭子。", 3),
    ],
)
def test_a_block_that_does_not_split_into_seven_pieces_is_refused(text, n):
    (piece,) = read(text)
    assert piece.reason == f"{n} pieces instead of 7 in block 4" and piece.text


def test_a_refused_block_does_not_shift_the_numbers_of_those_after_it():
    text = rendered([GOOD, GOOD, OTHER]).replace("5. Input:", "Input:")
    assert [piece.reason is None for piece in read(text)] == [True, False, True]


def test_numbers_count_places_so_that_a_doubled_separator_takes_one():
    text = rendered([GOOD]) + "\n###\n###\n"
    assert [piece.reason for piece in read(text + block(6, *OTHER))] == [None, None]
    assert read(text + block(5, *OTHER))[1].reason == "1 pieces instead of 7 in block 6"


@pytest.mark.parametrize(
    "word", ["video", "Audio", "music", "flowchart", "diagram", "image", "go to", "plot"]
)
def test_what_a_text_model_cannot_do_is_refused_by_the_words_of_the_instruction_alone(word):
    (piece,) = read(rendered([(f"Describe the {word} of the day.", "", "No.")]))
    assert word.lower() in piece.reason
    (piece,) = read(rendered([("Describe the best part of it.", f"a {word}", f"{word} it is")]))
    assert piece.reason is None


@pytest.mark.parametrize(
    ("instruction", "fault"),
    [
        ("", "empty"),
        ("Name two birds", "3 words"),
        ("Write a program that counts birds", "Write a program"),
        ("(Name two birds that swim)", "punctuation"),
        ("说出 两种 会 游泳 的 鸟", "ASCII"),
        ("Tell me about the musician's diagrams", None),  # whole words only
    ],
)
def test_instructions_pass_the_filters_of_self_instruct(instruction, fault):
    (piece,) = read(rendered([(instruction, "", "x")]))
    assert piece.reason is None if fault is None else fault in piece.reason


def test_a_task_without_output_is_refused_unless_the_recipe_says_otherwise():
    reply = rendered([("Name two birds that swim.", "", "")])
    assert [piece.reason for piece in read(reply)] == ["empty output"]
    assert [piece.reason for piece in read(reply, empty_output=True)] == [None]


def test_another_script_passes_when_the_recipe_says_so():
    reply = rendered([("说出两种会游泳的鸟。", "", "鸭子和天鹅。")])
    assert "words" in read(reply)[0].reason
    assert [piece.reason for piece in read(reply, any_script=True)] == [None]


def test_an_option_that_nobody_knows_is_refused():
    with pytest.raises(BadInput, match=r"'blocks'.*empty_output"):
        read("", blocks=3)


SENTENCES = st.text(
    st.characters(exclude_characters="#\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=40
)
TASKS = st.lists(
    st.tuples(SENTENCES, SENTENCES, SENTENCES).map(lambda task: tuple(map(str.strip, task))), min_size=1
)


@given(TASKS, st.integers(1, 30))
def test_what_is_rendered_is_read_and_rendered_again_the_same(tasks, first):
    whole = " ".join(" ".join(task) for task in tasks)
    if re.search(r"\d\.\s+(Instruction|Input|Output):", whole) or any(
        task[1].lower() == "<noinput>" for task in tasks
    ):
        return
    pieces = read(rendered(tasks, first), prompt=f"{first}. Instruction:", empty_output=True)
    assert parts(pieces) == tasks
    assert rendered(parts(pieces), first) == rendered(tasks, first)


@given(
    st.text(alphabet="4567. \n#InstructionOupt:<noinput>", max_size=200), st.sampled_from(["stop", "length"])
)
def test_no_reply_is_too_strange_and_none_is_lost(text, finish):
    pieces = read(text, finish)
    assert pieces
    for piece in pieces:
        assert piece.reason is not None or (piece.instruction and piece.output)


def test_all_52002_published_rows_come_back_and_pass_the_filters():
    """Eight outputs hold a whole further task, whose separator the model forgot; they are not in seven pieces."""
    if not ALPACA.exists():
        pytest.skip(f"public data {ALPACA} is not here")
    rows = [
        (row["instruction"], row["input"], row["output"]) for row in json.loads(ALPACA.read_text("utf-8"))
    ]
    pieces = []
    for start in range(0, len(rows), 16):
        pieces += read(rendered(rows[start : start + 16]), empty_output=True)
    assert len(pieces) == len(rows) == 52_002
    kept = [piece.reason is None for piece in pieces]
    assert [task for task, keep in zip(rows, kept, strict=True) if keep] == parts(
        p for p in pieces if p.reason is None
    )
    assert sum(kept) == 51_994
    lost = [task for task, keep in zip(rows, kept, strict=True) if not keep]
    assert all(re.search(r"\d\.\s+(Instruction|Input|Output):", output) for _, _, output in lost)
    assert sum(output == "" for _, _, output in rows) == 28
