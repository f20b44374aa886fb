import json
import logging

import numpy as np
import polars as pl
import pytest
from given import row
from growing import asked_run

from schemas.settings import Settings, Storyteller
from tasks.expand import expand
from tasks.growth import PLACES
from tasks.pool import rows_of
from tasks.recipe import load_recipe
from tasks.slots import draw
from tasks.steer import DESIGN, ROUNDS, Grown, due, rounds_for, steer
from warehouse.run import begin

OURS = "model = 'offline/storyteller'"


def planned_by(run, how, number, planned, grown=None, known=(), fresh=(), vectors=(), among="false"):
    grown = grown or {name: Grown() for name in planned}
    parts = map(list, (known, fresh, vectors))
    return steer.fn(run, how, number, planned, grown, *parts, among)


def trees(run, name, numbers, slots=None, text=None, keep=True, tokens=100, vector=None):
    """Parts of trees of one sample each, and of their embeddings."""
    recipe = load_recipe(name)
    tables = {"sample": [], "verdict": [], "call": [], "embedding": []}
    for i in numbers:
        asked = slots(i) if slots else draw(recipe, run.edition, i)
        sample_id = f"{name}-{i}"
        about = {"sample_id": sample_id, "run_id": run.run_id}
        level = {"root_id": sample_id, "recipe": name, "level": recipe.levels[0].name, "final": True}
        rest = {"ordinal": i * PLACES, "slots": json.dumps(asked), "language": "en", "origin": "generated"}
        words = " ".join(asked.get("words", ["text"])) if text is None else text(i)
        tables["sample"].append(row("sample", **about, **level, **rest, text=words, request_id=sample_id))
        kept = keep(i) if callable(keep) else keep
        tables["verdict"].append(row("verdict", **about, filter="quality", keep=kept))
        call = {"request_id": sample_id, "run_id": run.run_id, "recipe": name, "level": level["level"]}
        how = {"provider": "p", "model": "m", "messages": "[]", "sampling": "{}", "reply": words}
        counts = {"n_prompt_tokens": 0, "n_completion_tokens": tokens, "latency_s": 0.0, "attempts": 1}
        tables["call"].append(row("call", **call, **how, **counts, replayed=False))
        if vector is not None and kept:
            where = np.asarray(vector(i), dtype=np.float32)
            unit = (where / np.linalg.norm(where)).tolist()
            tables["embedding"].append(row("embedding", **about, encoder="e", truncated=False, vector=unit))
    frames = {table: pl.concat(rows) for table, rows in tables.items() if rows}
    parts = run.once(f"put-{name}", [], {"numbers": list(numbers), "tokens": tokens}, lambda: frames)
    return [p for p in parts if p.table != "embedding"], [p for p in parts if p.table == "embedding"]


def drawn(run, name, plan):
    """The slots of the trees of a plan, as they are asked."""
    from tasks.prompting import _drawn

    numbers = [i for shard in plan.shards for i in range(*shard)]
    recipe = load_recipe(name) if isinstance(name, str) else name
    return [_drawn(recipe, run.edition, i, plan.draws) for i in numbers]


@pytest.mark.parametrize("how", ["coverage", "diversity"])
@pytest.mark.parametrize("total", [3, 100, 5_003])
def test_where_nothing_lacks_all_rounds_together_are_the_plan_as_designed(run, how, total):
    grown, asked, numbers = {"tiny_stories": Grown()}, [], []
    for number in range(ROUNDS):
        plan = planned_by(run, how, number, {"tiny_stories": total}, grown)["tiny_stories"]
        numbers += [i for shard in plan.shards for i in range(*shard)]
        asked += drawn(run, "tiny_stories", plan) if total < 200 else []
        grown = {"tiny_stories": plan.grown}
    assert numbers == list(range(total)) and grown["tiny_stories"] == Grown(total, total)
    if asked:
        assert asked == [draw(load_recipe("tiny_stories"), run.edition, i) for i in range(total)]


@pytest.fixture
def few(tmp_path):
    """A run whose stories are asked for words of three short lists, a block of 7."""
    files = [str(tmp_path / f"{i}.txt") for i in range(3)]
    for i in range(3):
        (tmp_path / f"{i}.txt").write_text("\n".join(f"{letter * 3}{'xyz'[i]}" for letter in "abcdefg"))
    change = f"tiny_stories:slots.words.each={json.dumps(files)}"
    return asked_run(tmp_path / "warehouse", "tiny_stories", changes=[change]), load_recipe(
        "tiny_stories", (change,)
    )


def test_what_no_kept_text_holds_is_asked_again_first_and_the_grid_goes_on_behind(few, caplog):
    run, recipe = few
    asked = [draw(recipe, run.edition, i) for i in range(10)]
    known, _ = trees(run, "tiny_stories", range(10), slots=asked.__getitem__, keep=lambda i: i not in (2, 3))
    with caplog.at_level(logging.INFO, "seedloom.steer"):
        plan = planned_by(run, "coverage", 1, {"tiny_stories": 80}, {"tiny_stories": Grown(10, 10)}, known)
    plan = plan["tiny_stories"]
    words = {word for i, slots in enumerate(asked) if i not in (2, 3) for word in slots["words"]}
    missing = [slots for slots in asked[2:4] if set(slots["words"]) - words]
    assert missing and plan.draws.again == missing and plan.draws.start == 10
    assert plan.draws.cell == 10 and plan.grown == Grown(20, 20 - len(missing))
    assert f"trees 10 to 20, {len(missing)} of them ask again" in caplog.text


def test_half_of_a_round_at_most_asks_again(few):
    run, recipe = few
    asked = [draw(recipe, run.edition, i) for i in range(10)]
    known, _ = trees(run, "tiny_stories", range(10), slots=asked.__getitem__, keep=False)
    plan = planned_by(run, "coverage", 1, {"tiny_stories": 44}, {"tiny_stories": Grown(5, 5)}, known)
    assert plan["tiny_stories"].draws.again == asked[:3], "of trees 5 to 11"


def test_a_label_that_is_dropped_more_often_gets_more_draws(run):
    def label(i):
        return {"label": ["positive", "negative"][i % 2], "kind": "review", "topic": "ball"}

    known, _ = trees(run, "labelled", range(80), slots=label, keep=lambda i: i % 4 != 1)
    plan = planned_by(run, "coverage", 2, {"labelled": 640}, {"labelled": Grown(80, 80)}, known)["labelled"]
    fresh = [slots["label"] for slots in drawn(run, "labelled", plan)[len(plan.draws.again) :]]
    assert fresh.count("negative") > 1.5 * fresh.count("positive") > 0


def test_editions_share_a_grid_when_earlier_runs_count_and_have_their_own_when_not(few):
    run, recipe = few
    plan = planned_by(run, "coverage", 0, {"tiny_stories": 40}, among=OURS)["tiny_stories"]
    assert plan.draws.design == DESIGN and plan.draws.cell == 0
    first = drawn(run, recipe, plan)
    assert [slots["words"] for slots in first] == [draw(recipe, DESIGN, i)["words"] for i in range(5)]
    committed(run, range(5), first.__getitem__)
    later = asked_again(run)
    plan = planned_by(later, "coverage", 0, {"tiny_stories": 40}, among=OURS)["tiny_stories"]
    assert plan.draws.cell == 5
    behind = {tuple(slots["words"]) for slots in drawn(later, recipe, plan)}
    assert len(behind) == 5 and not behind & {tuple(slots["words"]) for slots in first}
    assert planned_by(later, "coverage", 0, {"tiny_stories": 40})["tiny_stories"].draws.design == ""


def test_what_earlier_runs_asked_in_vain_is_asked_again(few):
    run, recipe = few
    asked = [draw(recipe, DESIGN, i) for i in range(7)]
    committed(run, range(7), asked.__getitem__, keep=lambda i: i != 4)
    plan = planned_by(asked_again(run), "coverage", 0, {"tiny_stories": 40}, among=OURS)["tiny_stories"]
    assert plan.draws.again == [asked[4]] and plan.draws.cell == 7
    assert planned_by(asked_again(run), "coverage", 0, {"tiny_stories": 40})["tiny_stories"].draws.again == []


def committed(run, numbers, slots, keep=True):
    """A steered run of the storyteller that made these trees."""
    run = run.model_copy(update={"parameters": {**run.parameters, "steer": "coverage"}})
    known, _ = trees(run, "tiny_stories", numbers, slots=slots, keep=keep)
    sample = rows_of(run, known, "sample").with_columns(model=pl.lit("offline/storyteller"))
    verdicts = [part for part in known if part.table == "verdict"]
    run.commit([*verdicts, *run.once("named", [], {}, lambda: {"sample": sample})])


def asked_again(run):
    """The next edition of a run, with the same recipe."""
    return begin(run.root, "corpus", "tiny_stories", "later", run.parameters)


def apart(i):
    """Far from all others."""
    return np.random.default_rng(i).standard_normal(64)


def alike(i):
    """Close to all of its kind."""
    return np.ones(64) + 0.01 * np.random.default_rng(i).standard_normal(64)


def two_recipes(run, numbers, tokens=(100, 100), where=(alike, apart)):
    names = ("tiny_stories", "textbook")
    made = [trees(run, n, numbers, tokens=t, vector=w) for n, t, w in zip(names, tokens, where, strict=True)]
    return [p for parts, _ in made for p in parts], [p for _, vectors in made for p in vectors]


KINDS = load_recipe("labelled").slots["kind"].choice
BOTH = {"tiny_stories": 400, "textbook": 400}


def n_new(plans, grown):
    return {name: plan.grown.trees - grown[name].trees for name, plan in plans.items()}


def test_a_recipe_whose_texts_repeat_gets_less_money_but_half_of_its_own(run, caplog):
    known, vectors = two_recipes(run, range(50))
    grown = {name: Grown(50, 50) for name in BOTH}
    with caplog.at_level(logging.INFO, "seedloom.steer"):
        plans = planned_by(run, "diversity", 1, BOTH, grown, known, known, vectors)
    assert n_new(plans, grown) == {"tiny_stories": 25, "textbook": 75}
    assert "diversity: tiny_stories: trees 50 to 75, 25.0 % of the money, 50.0 % as designed" in caplog.text


def test_recipes_alike_grow_as_designed(run):
    known, vectors = two_recipes(run, range(50), where=(apart, lambda i: apart(i + 1000)))
    grown = {name: Grown(50, 50) for name in BOTH}
    new = n_new(planned_by(run, "diversity", 1, BOTH, grown, known, known, vectors), grown)
    assert sum(new.values()) in (99, 100) and abs(new["textbook"] - 50) <= 5


def test_of_two_that_bring_the_same_the_cheaper_gets_more(run):
    known, vectors = two_recipes(run, range(50), (100, 150), (apart, lambda i: apart(i + 1000)))
    grown = {name: Grown(50, 50) for name in BOTH}
    new = n_new(planned_by(run, "diversity", 1, BOTH, grown, known, known, vectors), grown)
    assert new["tiny_stories"] > 55 and new["textbook"] < 45
    assert 12_400 - 250 < 100 * new["tiny_stories"] + 150 * new["textbook"] <= 12_500


@pytest.mark.parametrize("tokens", [(100, 100), (30, 310)])
def test_all_rounds_together_cost_what_the_design_costs_and_no_more(run, tokens):
    grown, known, vectors, fresh = {name: Grown() for name in BOTH}, [], [], []
    for number in range(ROUNDS):
        plans = planned_by(run, "diversity", number, BOTH, grown, known, fresh, vectors)
        fresh, embedded = [], []
        for name, plan, cost, where in zip(BOTH, plans.values(), tokens, (alike, apart), strict=True):
            if plan.grown.trees > grown[name].trees:
                numbers = range(grown[name].trees, plan.grown.trees)
                parts, here = trees(run, name, numbers, tokens=cost, vector=where)
                fresh, embedded = fresh + parts, embedded + here
            grown[name] = plan.grown
        known, vectors = known + fresh, vectors + embedded
    cost = sum(grown[name].trees * each for name, each in zip(BOTH, tokens, strict=True))
    assert 400 * sum(tokens) - sum(tokens) <= cost <= 400 * sum(tokens)
    assert grown["tiny_stories"].trees < 400 < grown["textbook"].trees
    assert grown["tiny_stories"].trees >= 200


def test_plans_do_not_depend_on_the_order_of_parts(run):
    known, vectors = two_recipes(run, range(40))
    grown = {name: Grown(40, 40) for name in BOTH}
    for how in ("coverage", "diversity"):
        plans = planned_by(run, how, 2, BOTH, grown, known, known, vectors)
        assert planned_by(run, how, 2, BOTH, grown, known[::-1], known[::-1], vectors[::-1]) == plans


def test_what_grows_from_rows_takes_no_more_than_there_are_and_the_others_take_its_money(run):
    planned = {"tiny_stories": 80, "back_translation": 80}
    grown = {"tiny_stories": Grown(40, 40), "back_translation": Grown(80, 80)}
    first, here = trees(run, "tiny_stories", range(40), vector=alike)
    second, there = trees(run, "back_translation", range(80), slots=lambda i: {}, vector=apart)
    plans = planned_by(run, "diversity", 7, planned, grown, first + second, first + second, here + there)
    assert n_new(plans, grown) == {"tiny_stories": 40, "back_translation": 0}
    over = {**grown, "tiny_stories": Grown(90, 90)}
    parts, more = trees(run, "tiny_stories", range(40, 90), vector=alike)
    plans = planned_by(run, "diversity", 7, planned, over, first + second + parts, parts, here + there + more)
    assert n_new(plans, over) == {"tiny_stories": 0, "back_translation": 0}, "the money is spent"


def test_a_recipe_of_which_no_tree_has_grown_grows_as_designed(run):
    planned = {"tiny_stories": 400, "textbook": 4, "labelled": 400}
    grown = {"tiny_stories": Grown(50, 50), "textbook": Grown(), "labelled": Grown(50, 50)}
    first, here = trees(run, "tiny_stories", range(50), vector=alike)
    second, there = trees(run, "labelled", range(50), vector=apart)
    plans = planned_by(run, "diversity", 1, planned, grown, first + second, first + second, here + there)
    assert n_new(plans, grown) == {"tiny_stories": 25, "textbook": 1, "labelled": 75}


def test_items_whose_texts_lie_close_are_drawn_less(run):
    def slots(i):
        return {"label": "positive", "kind": KINDS[i % 4], "topic": "ball"}

    def where(i):
        return alike(i) if i % 4 == 1 else apart(i)

    known, vectors = trees(run, "labelled", range(80), slots=slots, vector=where)
    plan = planned_by(
        run, "diversity", 1, {"labelled": 640}, {"labelled": Grown(80, 80)}, known, known, vectors
    )
    kinds = [slots["kind"] for slots in drawn(run, "labelled", plan["labelled"])]
    assert len(kinds) == 80 and 8 <= kinds.count(KINDS[1]) < 16 < kinds.count(KINDS[0])


def test_steered_trees_are_asked_for_what_was_planned(few):
    run, recipe = few
    asked = [draw(recipe, run.edition, i) for i in range(8)]
    known, _ = trees(run, "tiny_stories", range(8), slots=asked.__getitem__, keep=lambda i: i != 2)
    plan = planned_by(run, "coverage", 1, {"tiny_stories": 64}, {"tiny_stories": Grown(8, 8)}, known)[
        "tiny_stories"
    ]
    good = Settings(root=run.root, storyteller=Storyteller(obey=1, repeat=0, bad=0))
    parts = [p for shard in plan.shards for p in expand.fn(run, "tiny_stories", shard, [], good, plan.draws)]
    samples = rows_of(run, parts, "sample").sort("ordinal")
    words = [json.loads(slots)["words"] for slots in samples["slots"]]
    assert samples.height == 8 and words[0] == asked[2]["words"]
    assert words[1:] == [draw(recipe, run.edition, 0, cell=8 + i)["words"] for i in range(7)]


def test_many_recipes_are_steered_in_fewer_rounds_and_all_their_trees_still_grow():
    assert [rounds_for(n) for n in (1, 2, 4, 5, 8, 20)] == [8, 8, 8, 6, 4, 2]
    for n in (1, 5, 20):
        assert due(101, rounds_for(n) - 1, rounds_for(n)) == 101
