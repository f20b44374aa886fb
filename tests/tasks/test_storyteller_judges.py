from collections import Counter

from tasks.preference_replies import meant
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.score_replies import score_in
from tasks.storyteller import kind_of
from tasks.storyteller_judges import grade, judgement

ASKED, SAID = "How do I sharpen a knife on a stone?", "Soak the stone and push the knife."


def test_both_grading_prompts_are_recognised_with_request_and_answer():
    levels = {level.name: level for level in load_recipe("back_translation").levels}
    example = {"instruction": "Name a tree.", "input": "", "output": "Oak."}
    for name, examples in (("grade", []), ("grade_again", []), ("grade_again", [example] * 3)):
        found, hit = kind_of(
            render(levels[name].prompt, {"request": ASKED, "document": SAID, "examples": examples})
        )
        assert (found.name, hit["request"], hit["answer"]) == ("grade", ASKED, SAID)


def test_the_judging_prompt_is_recognised_and_an_empty_pair_asks_for_nothing():
    level = load_recipe("preferences").levels[1]
    values = {"question": ASKED, "choices": ["yes", "no"]}
    found, hit = kind_of(render(level.prompt, values | {"answer": ["Like this.", "Like that."]}))
    assert (found.name, hit["a"], hit["b"]) == ("judgement", "Like this.", "Like that.")
    for answers in ([], ["Like this."], ["Like this."] * 2):
        assert render(level.prompt, values | {"answer": answers}) == ""


def test_grades_are_mostly_good_and_the_lowest_for_what_has_nothing_to_do_with_it():
    grades = Counter(score_in(grade(seed, ASKED, SAID), "strict") for seed in range(500))
    assert set(grades) == {2, 3, 4, 5} and grades[4] + grades[5] > 450
    assert score_in(grade(1, ASKED, "Il était une fois un chat."), "strict") == 1


def test_the_same_answer_wins_in_both_orders_but_for_a_few():
    outcomes = Counter()
    for seed in range(600):
        a, b = f"Answer number {seed}.", f"Another one, {seed + 1}."
        told = [judgement(seed, ASKED, a, b), judgement(seed + 1, ASKED, b, a)]
        first, second = (meant(text[-3], bool(i)) for i, text in enumerate(told))
        outcomes["tie" if "tie" in (first, second) else first if first == second else "turned"] += 1
    assert outcomes["first"] > 200 and outcomes["second"] > 200
    assert 0 < outcomes["turned"] < 60 and 0 < outcomes["tie"] < 50


def test_the_same_text_twice_is_a_tie():
    assert judgement(1, ASKED, SAID, SAID).endswith("[[C]]")
