import json
import re

import pytest

from tasks.instruction_replies import instances as parsed
from tasks.replies import Told
from tasks.storyteller_answers import flag, free, input_first, output_first
from tasks.storyteller_phrases import Pen, book
from tasks.storyteller_tasks import families, family_of, new_task, phrases


def some(n, seed=1):
    pen = Pen(seed, phrases(), {})
    return [new_task(pen).capitalize() for _ in range(n)]


def read(text, instruction, is_classification="No"):
    slots = {"flag": is_classification, "instruction": instruction}
    return [piece for piece in parsed(Told(text, "stop", slots))]


def asks(kind, name, key="name"):
    (family,) = [family for family in families() if family.kind == kind and family.entry[key] == name]
    pen = Pen(3, phrases(), {})
    return [pen.fill(ask).capitalize() for ask in family.entry["ask"]]


def test_the_flag_of_its_own_tasks_is_right():
    for task in some(1500):
        assert flag(task) == ("Yes" if family_of(task).kind == "labels" else "No"), task


@pytest.mark.parametrize(
    ("instruction", "said"),
    [
        ("Classify the animals as mammal, bird or fish.", "Yes"),
        ("Is this word a fruit or a vegetable?", "Yes"),
        ("Tell whether the two sentences rhyme.", "Yes"),
        ("Write a short poem about the first snow.", "No"),
        ("Explain to a child why the sky is blue.", "No"),
        ("Turn the sentence into the past tense.", "No"),
    ],
)
def test_the_flag_of_other_tasks_is_mostly_right(instruction, said):
    assert flag(instruction) == said


def test_the_flags_of_the_published_seed_tasks_are_nine_in_ten_right(public_data):
    lines = public_data("self_instruct/seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    right = [
        (flag(" ".join(row["instruction"].split())) == "Yes") == row["is_classification"] for row in rows
    ]
    assert sum(right) / len(right) > 0.88


def test_the_instances_of_its_own_tasks_can_be_read_and_are_mostly_fit():
    pieces = []
    for seed, task in enumerate(some(800)):
        is_classification = flag(task)
        told = (output_first if is_classification == "Yes" else input_first)(seed, task)
        pieces += read(told, task, is_classification)
    assert sum(piece.reason is None for piece in pieces) / len(pieces) > 0.97
    assert not [piece for piece in pieces if re.search(r"[{}]", piece.text)]
    with_input = sum(bool(piece.input) for piece in pieces) / len(pieces)
    assert 0.5 < with_input < 0.9


def test_every_label_comes_and_its_inputs_belong_to_it():
    for family in families():
        if family.kind != "labels":
            continue
        question = Pen(1, phrases(), {}).fill(family.entry["ask"][0])
        told = output_first(5, question)
        pieces = read(told, question, "Yes")
        assert {piece.output for piece in pieces} == set(family.entry["label"]), question
        for piece in pieces:
            field, _, text = piece.input.partition(": ")
            assert field == (family.entry["field"] or "Sentence 1")
            templates = family.entry["label"][piece.output]
            patterns = [".+".join(map(re.escape, re.split(r"\{\w+\}", t))) for t in templates]
            text = text if family.entry["field"] else piece.input
            assert any(re.fullmatch(p.replace(r"a\ .", r"an?\ ."), text, re.I | re.S) for p in patterns), text


def test_numbers_get_the_right_label():
    for seed in range(40):
        for piece in read(output_first(seed, "Say whether the number of pens is odd or even."), "", "Yes"):
            number = int(re.search(r"\d+", piece.input)[0])
            assert piece.output == ("Odd" if number % 2 else "Even")


def test_inputs_are_about_the_things_of_the_question():
    others = [
        output_first(seed, "Decide whether the review of a shiny spoon is positive or negative.")
        for seed in range(30)
    ]
    assert sum("spoon" in text for text in others) > 20
    assert len(set(others)) > 10
    pairs = [
        input_first(seed, "Rewrite the line about the spoon in the passive voice.") for seed in range(30)
    ]
    assert sum("spoon" in text for text in pairs) > 20


def test_a_word_to_be_sorted_is_not_always_that_of_the_question():
    told = [
        output_first(seed, "Does the card of the fox show an animal, a food or a place?")
        for seed in range(20)
    ]
    assert len({read(text, "", "Yes")[0].input for text in told}) > 10


@pytest.mark.parametrize("seed", range(5))
def test_exercises_in_words_of_anybody_are_computed(seed):
    for piece in read(input_first(seed, "Sum the numbers in the list."), ""):
        assert sum(map(int, piece.input.split(", "))) == int(piece.output)
    for piece in read(input_first(seed, "Sort the words in alphabetical order."), ""):
        assert sorted(piece.input.split(", ")) == piece.output.split(", ")


def test_sums_that_stand_in_the_question_need_no_input():
    asked = "A cook ate 3 eggs. If a baker has 12 plums and gets 30 more on Monday, how many is that?"
    assert input_first(1, asked) == "Output: 42"
    assert input_first(1, "Who shares 7 plums equally among 2 cooks?") == "Output: 3 each, and 1 are left"
    assert input_first(1, "Who shares 7 plums equally among 0 cooks?") == "Output: It cannot be known."


def test_input_and_output_of_a_changed_text_speak_of_the_same_things():
    for seed in range(20):
        for piece in read(input_first(seed, "Put the sentence about the fox into the future tense"), ""):
            assert "will" in piece.output and "will" not in piece.input
            shared = {*re.findall(r"\w+", piece.input)} & {*re.findall(r"\w+", piece.output)}
            assert len(shared) >= 3


def test_an_odd_one_out_is_odd():
    for seed in range(30):
        for piece in read(input_first(seed, "Find the word that does not fit"), ""):
            if "red, blue" not in piece.input:
                assert piece.input.split(", ").count(piece.output) == 1


@pytest.mark.parametrize(
    ("instruction", "looks"),
    [
        ("List seven things that float on water.", r"(\d\. [A-Z].*\n){6}7\. .*"),
        ("Give me three tips for baking bread.", r"(\d\. .*\n){2}3\. .*"),
        ("Write a letter to the mayor about a broken bench.", r"(Dear|Hello) (.*\n)+.*"),
        ("Write a short poem about the first snow.", r"(.*\n){3}.*"),
        ("How do I start with sailing?", r"1\. (.*\n2\. .*\n3\. .*\n4\. .*)"),
        ("Write a dialogue between a fox and a hen.", r"A: .*\nB: .*\nA: .*\nB: .*"),
    ],
)
def test_free_text_has_the_form_that_is_asked_for(instruction, looks):
    for seed in range(8):
        assert re.fullmatch(looks, free(seed, instruction)), free(seed, instruction)


def test_free_text_is_about_the_words_of_the_task():
    for task in some(400):
        if family_of(task).kind == "open" and family_of(task).entry["form"] != "list":
            question = family_of(task).question_in(task.lower())
            told = set(re.findall(r"[a-z]{4,}", free(3, task).lower()))
            assert told & set(re.findall(r"[a-z]{4,}", question)), (task, told)


def test_every_form_has_answers():
    forms = {family.entry["form"] for family in families() if family.kind == "open"}
    assert forms - {"list"} | {"other", "item"} == set(book("open")["answer"])


def test_a_strange_classification_gets_the_labels_that_it_names():
    told = read(output_first(1, "Is this animal a mammal, fish or an insect?"), "", "Yes")
    assert [piece.output for piece in told][-2:] == ["Fish", "Insect"]
    assert {piece.output for piece in read(output_first(1, "Classify it."), "", "Yes")} == {"Yes", "No"}
