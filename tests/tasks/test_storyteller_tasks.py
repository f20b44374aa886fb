import itertools
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from rapidfuzz.distance import LCSseq

import tasks.storyteller_tasks
from tasks.instruction_replies import task_fault
from tasks.storyteller_phrases import Pen, book
from tasks.storyteller_tasks import (
    families,
    family_of,
    new_task,
    new_tasks,
    phrases,
    stock_tasks,
    unfit_tasks,
)
from tasks.tokens import words

SEEDS = Path(tasks.storyteller_tasks.__file__).parent / "seeds" / "self_instruct.jsonl"


def some(n, seed=1):
    pen = Pen(seed, phrases(), {})
    return [new_task(pen) for _ in range(n)]


def rouge(a, b):
    return 2 * LCSseq.similarity(a, b) / (len(a) + len(b))


def close_pairs(texts, above=0.7):
    told = {text: words(text) for text in texts}
    return [(a, b) for a, b in itertools.combinations(texts, 2) if rouge(told[a], told[b]) > above]


def test_the_tasks_are_numbered_on_one_per_line():
    for seed in range(30):
        lines = new_tasks(seed, 9).splitlines()
        assert 5 <= len(lines) <= 8
        assert [line.partition(". ")[0] for line in lines] == [str(9 + i) for i in range(len(lines))]


def test_new_tasks_pass_the_filters_of_self_instruct_and_are_tidy():
    for task in some(3000):
        assert task_fault(task) is None, task
        assert not re.search(r"[{}]|  |,\.|\.\.|\?\.|\ba [aeio]|[.?!] [a-z]", task), task
        assert re.fullmatch(r"[A-Z].*[.?]", task), task


def test_new_tasks_are_mostly_new_to_each_other():
    tasks = some(600)
    assert len(set(tasks)) == 600
    assert len({b for _, b in close_pairs(tasks)}) < 12


def test_every_kind_of_task_comes_at_its_share_and_every_family_comes():
    found = [family_of(task.capitalize()) for task in some(4000)]
    shares = Counter(family.kind for family in found)
    wanted = {"exercises": 0.17, "labels": 0.2, "pairs": 0.18, "open": 0.45}
    assert {kind: n / 4000 for kind, n in shares.items()} == pytest.approx(wanted, abs=0.03)
    assert {family.sign for family in found} == {family.sign for family in families()}


def test_every_question_of_every_family_leads_back_to_it_in_any_letter_case():
    for family in families():
        pen = Pen(2, phrases(), {})
        for ask in family.entry["ask"]:
            question = pen.fill(ask)
            found = [
                family_of(form(f"A cook sang. {question}. Be kind.")) for form in (str, str.lower, str.upper)
            ]
            assert {one.kind for one in found} == {family.kind}, question
            if family.kind != "open":
                assert all(one is family for one in found), question


def test_the_sign_of_a_closed_family_stands_in_its_questions_alone():
    closed = [family for family in families() if family.kind != "open"]
    pen = Pen(2, phrases(), {})
    for family in closed:
        for ask in family.entry["ask"]:
            question = pen.fill(ask).lower()
            assert [other for other in closed if other.sign.search(question)] == [family], question


def test_the_question_is_found_among_the_sentences_around_it():
    text = "a cook ate an egg. which is the longest word in the note of the old cook? be kind."
    assert family_of(text).question_in(text) == "which is the longest word in the note of the old cook?"
    assert family_of("Zzz.") is None
    vowel = "describe an umbrella without naming it, so that an owl can guess"
    assert family_of(vowel).question_in(vowel) == vowel


def test_an_open_task_in_other_words_is_known_by_the_sign_that_comes_first():
    assert family_of("Give me a poem on letters and jokes").entry["form"] == "poem"
    assert family_of("Give me a joke on letters and poems").entry["form"] == "joke"


def test_stock_tasks_come_again_with_at_most_three_words_changed():
    told = [line.partition(". ")[2] for seed in range(60) for line in stock_tasks(seed, 1).splitlines()]
    for stock in book("stock")["task"]:
        start = stock.split("{")[0].removesuffix(" a ")
        found = [words(task) for task in told if task.startswith(start)]
        assert len(found) > 5
        assert min(rouge(a, b) for a, b in itertools.combinations(found, 2)) > 0.7, stock
        assert all(task_fault(" ".join(task)) is None for task in found)


def test_unfit_tasks_are_refused_by_the_filters_and_stand_among_fit_ones():
    for seed in range(30):
        faults = [task_fault(line.partition(". ")[2]) for line in unfit_tasks(seed, 9).splitlines()]
        assert sum(fault is not None for fault in faults) == 3
        assert len(faults) == 6


def seeds():
    return [json.loads(line) for line in SEEDS.read_text(encoding="utf-8").splitlines()]


def test_the_seed_tasks_have_the_form_of_the_published_ones():
    rows = seeds()
    assert len(rows) >= 120
    assert [row["id"] for row in rows] == [f"seed_task_{i}" for i in range(len(rows))]
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        assert list(row) == ["id", "name", "instruction", "instances", "is_classification"]
        ((given, output),) = [instance.values() for instance in row["instances"]]
        assert output.strip() and given != output


def test_the_seed_tasks_are_mixed_like_the_published_ones():
    rows = seeds()
    assert 18 <= sum(row["is_classification"] for row in rows) <= 30
    assert 0.25 <= sum(not row["instances"][0]["input"] for row in rows) / len(rows) <= 0.4


def test_the_seed_tasks_pass_their_own_filters_and_are_new_to_each_other():
    instructions = [row["instruction"] for row in seeds()]
    assert {text: task_fault(text) for text in instructions if task_fault(text)} == {}
    assert close_pairs(instructions) == []


def test_the_seed_tasks_are_not_the_published_ones(public_data):
    lines = public_data("self_instruct/seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    theirs = [words(json.loads(line)["instruction"]) for line in lines]
    assert len(theirs) == 175
    for row in seeds():
        assert max(rouge(words(row["instruction"]), other) for other in theirs) < 0.6, row
