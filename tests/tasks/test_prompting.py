import json

import polars as pl
import pytest
from growing import asked_run, grown

from schemas.partition import Partition
from tasks.growth import PLACES
from tasks.prompting import ROUND, Draws, Grove, prompts_of
from tasks.recipe import load_recipe, recipe_of
from tasks.slots import draw
from warehouse.parts import polars_schema, write_part

RECIPE = """
name = "tiny"
title = "A test"
citation = "none"
licence = "CC0-1.0"
[source]
level = "page"
file = "self_instruct.jsonl"
text = "instruction"
fields = ["colour"]
[slots.tone]
choice = ["kind", "cold"]
[[level]]
name = "answer"
parent = "page"
children = 2
reply = "text"
system = "{% if child %}Be {{ tone }}.{% endif %}"
prompt = "{{ page }}, {{ colour }}, {{ child }}"
[[level]]
name = "judgement"
parent = "page"
gather = ["answer"]
children = 2
options = { swap = true }
reply = "text"
prompt = "{{ answer | join(' or ') }}?"
[[level]]
name = "grade"
parent = "answer"
reply = "text"
prompt = "{{ answer }} about {{ page }}"
judge = { filter = "grade", at_least = 4 }
[[level]]
name = "again"
parent = "answer"
reply = "text"
final = true
prompt = "{% for e in examples %}{{ e.text }} {% endfor %}"
examples = { judged_by = "grade", at_least = 5, n = 2 }
"""


def samples(run, level, *texts, parents=None, final=False):
    ids = [f"{level}{i}" for i in range(len(texts))]
    blank = dict.fromkeys(polars_schema("sample"))
    rows = [
        blank
        | {
            "sample_id": ids[i], "parent_id": parents[i] if parents else None,
            "root_id": "page0", "run_id": run.run_id, "recipe": "tiny", "level": level, "final": final,
            "ordinal": i, "text": text, "slots": json.dumps({"colour": "red"} | ({"page": "First"} if parents else {})), "language": "en",
            "origin": "generated",
        }
        for i, text in enumerate(texts)
    ]  # fmt: skip
    return write_part(run.root, run.run_id, "sample", pl.DataFrame(rows, schema=polars_schema("sample")))


def verdicts(run, name, **scores):
    blank = dict.fromkeys(polars_schema("verdict"))
    rows = [
        blank
        | {"sample_id": key, "run_id": run.run_id, "filter": name, "keep": score >= 3, "score": float(score)}
        for key, score in scores.items()
    ]
    return write_part(run.root, run.run_id, "verdict", pl.DataFrame(rows, schema=polars_schema("verdict")))


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    run = asked_run(tmp_path / "w", str(path))
    kept = run.model_copy(update={"parameters": {"recipes": {"tiny": run.parameters["recipes"][str(path)]}}})
    return kept, recipe_of(kept, "tiny")


def asked(tiny, level, parts: list[Partition], shard=(0, 10), number=0, fresh=(), draws=None):
    run, recipe = tiny
    (found,) = [each for each in recipe.levels if each.name == level]
    return prompts_of(run, Grove(recipe, shard, parts, list(fresh), number, draws), found)


def test_a_row_of_a_source_brings_its_fields_and_has_its_slots_drawn(tiny):
    run, recipe = tiny
    prompts = asked(tiny, "answer", [samples(run, "page", "First", "Second")])
    assert [prompt.text for prompt in prompts] == [
        "First, red, 0",
        "First, red, 1",
        "Second, red, 0",
        "Second, red, 1",
    ]
    tone = draw(recipe, run.edition, 0, {"colour": "red"})["tone"]
    assert prompts[0].slots == {"colour": "red", "page": "First", "tone": tone}
    assert [prompt.system for prompt in prompts[:2]] == [None, f"Be {tone}."]


def test_what_grows_from_a_row_has_its_licence_and_not_that_of_the_recipe(tmp_path):
    mine = tmp_path / "mine.jsonl"
    mine.write_text(json.dumps({"question": "Why do cats purr at night?"}))
    ours = grown(tmp_path / "ours", "explanation_traces", 1)["final"]
    theirs = grown(tmp_path / "theirs", "explanation_traces", 1, [mine])["final"]
    assert ours["licence"].to_list() == ["CC0-1.0"] and theirs["licence"].to_list() == [None]


def test_a_row_that_a_template_cannot_be_filled_with_is_dropped_with_the_reason_and_the_run_goes_on(tmp_path):
    mine = tmp_path / "mine.jsonl"
    odd = {"question": "Which of these do you like?", "choices": [str(i) for i in range(40)]}
    mine.write_text("\n".join(map(json.dumps, [odd, {"question": "Why do cats purr at night?"}])))
    tables = grown(tmp_path / "w", "explanation_traces", 2, [mine])
    (drop,) = tables["verdict"].filter(pl.col("filter") == "prompt").to_dicts()
    assert not drop["keep"] and "has no element 26" in drop["reason"]
    assert tables["final"].height == 1


def test_a_shard_takes_its_own_roots(tiny):
    prompts = asked(tiny, "answer", [samples(tiny[0], "page", "First", "Second", "Third")], shard=(1, 2))
    assert {prompt.parent_id for prompt in prompts} == {"page1"}


def test_prompts_have_places_and_seeds_of_their_own(tiny):
    prompts = asked(tiny, "answer", [samples(tiny[0], "page", "First", "Second")])
    assert [prompt.ordinal for prompt in prompts] == [0, PLACES, 2 * PLACES, 3 * PLACES]
    assert len({prompt.seed for prompt in prompts}) == 4


def test_gathered_children_are_seen_as_a_list_and_by_every_other_child_reversed(tiny):
    run, _ = tiny
    parts = [samples(run, "page", "First"), samples(run, "answer", "x", "y", parents=["page0"] * 2)]
    prompts = asked(tiny, "judgement", parts)
    assert [prompt.text for prompt in prompts] == ["x or y?", "y or x?"]
    assert "answer" not in prompts[0].slots, "lists of siblings are not kept in every row"


def test_dropped_children_are_not_gathered_and_dropped_parents_are_not_asked_about(tiny):
    run, _ = tiny
    parts = [samples(run, "page", "First"), samples(run, "answer", "x", "y", parents=["page0"] * 2)]
    parts.append(verdicts(run, "format", answer0=1))
    assert [prompt.text for prompt in asked(tiny, "judgement", parts)] == ["y?", "y?"]
    assert [prompt.parent_id for prompt in asked(tiny, "grade", parts)] == ["answer1"]


def test_the_best_judged_are_shown_as_examples_and_never_the_asked_one_itself(tiny):
    run, _ = tiny
    parts = [samples(run, "page", "First"), samples(run, "answer", *"wxyz", parents=["page0"] * 4)]
    parts.append(verdicts(run, "grade", answer0=5, answer1=4, answer2=5, answer3=5))
    prompts = {prompt.parent_id: set(prompt.text.split()) for prompt in asked(tiny, "again", parts)}
    assert prompts["answer0"] == {"y", "z"}
    assert prompts["answer1"] < {"w", "y", "z"} and len(prompts["answer1"]) == 2


def test_rounds_of_an_evolution_have_places_seeds_and_slots_of_their_own(tmp_path):
    run = asked_run(tmp_path, "evol_instruct")
    recipe = recipe_of(run, "evol_instruct")
    blank = dict.fromkeys(polars_schema("sample"))
    row = blank | {
        "sample_id": "r", "root_id": "r", "run_id": run.run_id, "recipe": "evol_instruct",
        "level": recipe.source.level, "final": False, "ordinal": 3, "text": "Sing.", "slots": "{}",
        "language": "en", "origin": "x",
    }  # fmt: skip
    part = write_part(run.root, run.run_id, "sample", pl.DataFrame([row], schema=polars_schema("sample")))
    first = recipe.levels[0]
    one, two = (prompts_of(run, Grove(recipe, (0, 9), [part], [], number), first)[0] for number in (0, 1))
    assert (one.ordinal, two.ordinal) == (3 * PLACES, (ROUND + 3) * PLACES)
    assert one.seed != two.seed


def test_steered_trees_ask_again_first_and_then_take_the_next_cells(tmp_path):
    run = asked_run(tmp_path, "tiny_stories")
    recipe = load_recipe("tiny_stories")
    again = {"words": ["dog", "run", "red"], "features": []}
    draws = Draws(start=5, again=[again], cell=40, weights={})
    prompts = prompts_of(run, Grove(recipe, (5, 8), [], [], 0, draws), recipe.levels[0])
    cells = [prompt.slots["words"] for prompt in prompts]
    assert cells == [again["words"], *(draw(recipe, run.edition, i)["words"] for i in (40, 41))]
    assert len({prompt.seed for prompt in prompts}) == 3


def test_a_level_at_the_root_asks_for_all_its_children_of_one_draw(tmp_path):
    made = grown(tmp_path, "tiny_stories", 6, changes=["levels.story.children=3"])
    stories = made["sample"]
    assert stories.height == 6 and stories["text"].n_unique() >= 5
    assert stories.sort("ordinal")["ordinal"].to_list() == [place * PLACES for place in range(6)]
    assert stories["slots"].n_unique() == 2
