import numpy as np
import polars as pl
import pytest
from given import row
from hypothesis import given
from hypothesis import strategies as st

from schemas.recipe import Recipe
from tasks import neighbours
from tasks.lacking import Tree
from tasks.worth import BOUND, PRIOR, Texts, apartness, divided, item_weights, money, novelty, topic_factors


def texts(vectors, prefix="s"):
    vectors = np.array(vectors, dtype=float)
    return Texts(
        [f"{prefix}{i}" for i in range(len(vectors))], vectors / np.linalg.norm(vectors, axis=1)[:, None]
    )


NOTHING = Texts([], np.zeros((0, 4)))


@pytest.fixture
def one_topic(monkeypatch):
    """Every text in one topic, so that novelty is of cosines alone."""
    monkeypatch.setattr("tasks.worth.topic_factors", lambda cells, counts: np.ones(len(cells)))


def calls(*facts):
    about = {"run_id": "r", "recipe": "a", "level": "b", "provider": "p", "model": "m", "messages": "[]"}
    rest = {"sampling": "{}", "latency_s": 0.0, "attempts": 1, "replayed": False, "reply": "text"}
    return pl.concat(
        [row("call", request_id=str(i), **(about | rest | each)) for i, each in enumerate(facts)]
    )


def test_money_is_dollars_then_tokens_then_requests():
    priced = {"cost_usd": 0.5, "n_prompt_tokens": 3, "n_completion_tokens": 4}
    counted = {**priced, "cost_usd": None}
    assert money(calls(priced, priced))["money"].to_list() == [0.5, 0.5]
    assert money(calls(priced, counted))["money"].to_list() == [7, 7]
    assert money(calls(counted, {**counted, "n_prompt_tokens": None}))["money"].to_list() == [1, 1]
    assert money(calls(*[{**priced, "cost_usd": 0.0}] * 2))["money"].to_list() == [7, 7], "free is no measure"


def test_a_call_that_failed_costs_nothing_where_money_is_known():
    failed = {"reply": None, "error": "refused"}
    assert money(calls({"cost_usd": 0.5}, failed))["money"].to_list() == [0.5, 0.0]


def test_a_reply_that_two_shards_used_is_paid_once():
    twice = pl.concat([calls({"cost_usd": 0.5}), calls({"cost_usd": 0.5, "recipe": "z"})])
    assert money(twice).rows() == money(twice[::-1]).rows() == [("0", "a", "b", 0.5)]
    assert money(calls({})[:0]).is_empty()


def test_novelty_is_distance_to_what_was_before(one_topic):
    before = texts(np.eye(4)[:2], "b")
    found = novelty(texts([[0, 0, 1, 0], [1, 0, 0, 0], [1, 0, 0, 1]]), before)
    assert found["s0"] == pytest.approx(1) and found["s1"] == pytest.approx(0, abs=1e-6)
    assert found["s2"] == pytest.approx(1 - 1 / np.sqrt(2), abs=1e-6)


def test_of_two_that_repeat_each_other_one_is_new_and_order_does_not_count(one_topic):
    fresh = texts([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    found = novelty(fresh, NOTHING)
    assert sorted(found.values()) == pytest.approx([0, 1, 1], abs=1e-6)
    assert novelty(fresh.at([2, 0, 1]), NOTHING) == found
    assert novelty(NOTHING, fresh) == {}


def test_novelty_over_many_blocks_is_that_of_all_pairs(one_topic):
    chance = np.random.default_rng(0)
    fresh, before = texts(chance.standard_normal((2500, 6))), texts(chance.standard_normal((40, 6)), "b")
    order = neighbours.bottom(fresh.ids, len(fresh.ids))
    rows = fresh.vectors[order]
    cosines = np.concatenate(
        [rows @ before.vectors.T, np.where(np.tri(len(rows), k=-1), rows @ rows.T, -1)], axis=1
    )
    found = novelty(fresh, before)
    expected = 1 - cosines.max(axis=1)
    assert [found[fresh.ids[i]] for i in order] == pytest.approx(expected.tolist(), abs=1e-5)


def test_apartness_does_not_count_a_text_against_itself(one_topic):
    found = apartness(texts([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]))
    assert [found[f"s{i}"] for i in range(3)] == pytest.approx([0, 0, 1], abs=1e-6)
    assert apartness(NOTHING) == {}
    many = texts(np.repeat(np.eye(4), 600, axis=0))
    assert max(apartness(many).values()) == pytest.approx(0, abs=1e-6)


def test_full_topics_count_less_and_rare_ones_more_within_bounds():
    counts = np.array([1000, 100, 120, 1])
    factors = topic_factors(np.array([0, 1, 2, 3]), counts)
    assert factors[0] == 1 / BOUND and factors[3] == BOUND
    assert topic_factors(np.array([0, 1]), np.array([30, 10, 10, 10])).tolist() == [0.5, 1.5]
    assert topic_factors(np.array([0]), np.array([3, 3, 3])).tolist() == [1.0]


def test_a_new_text_in_a_rare_topic_is_worth_more():
    chance = np.random.default_rng(1)
    crowd = texts(np.eye(64)[0] + 0.02 * chance.standard_normal((200, 64)), "b")
    found = novelty(texts([np.eye(64)[1], np.eye(64)[0]]), crowd)
    assert found["s0"] > 1.8 and found["s1"] < 0.1, "distance 1, twice for its topic"


def recipe(**slots):
    level = {"name": "a", "prompt": "x", "reply": "text", "final": True}
    return Recipe(name="t", title="", citation="", licence="", slots=slots, level=[level])


TOPICS = recipe(topic={"choice": ["far", "near"]})


def trees(**kept):
    """Trees of each topic: as many ids as were kept of the number asked, 60."""
    return [
        Tree({"topic": topic}, [f"{topic}{i}"] if i < n else [], [])
        for topic, n in kept.items()
        for i in range(60)
    ]


def test_an_item_whose_texts_lie_close_is_drawn_less():
    grown = trees(far=60, near=60)
    worth = {each: 0.6 if each.startswith("far") else 0.2 for tree in grown for each in tree.ids}
    weights = item_weights(TOPICS, grown, worth)["topic"]
    assert weights["near"] == pytest.approx((60 * 0.5 + PRIOR) / (60 + PRIOR), abs=1e-3)
    assert weights["far"] == pytest.approx((60 * 1.5 + PRIOR) / (60 + PRIOR), abs=1e-3)
    assert item_weights(TOPICS, grown[::-1], worth) == {"topic": weights}


def test_an_item_whose_texts_are_dropped_is_drawn_less_but_not_below_the_bound():
    grown = trees(far=60, near=0)
    weights = item_weights(TOPICS, grown, dict.fromkeys((f"far{i}" for i in range(60)), 0.5))["topic"]
    assert weights["near"] == 1 / BOUND and weights["far"] > 1.5


def test_items_alike_few_trees_and_nothing_kept_leave_the_grid_alone():
    grown = trees(far=60, near=60)
    alike = {each: 0.5 for tree in grown for each in tree.ids}
    assert item_weights(TOPICS, grown, alike) == {}
    apart = {each: 0.9 if each.startswith("far") else 0.1 for each in alike}
    assert item_weights(TOPICS, grown, apart) and item_weights(TOPICS, grown[50:75], apart) == {}
    assert item_weights(TOPICS, grown, {}) == {}
    labelled = [each._replace(slots={"label": each.slots["topic"]}) for each in grown]
    assert item_weights(recipe(label={"choice": ["far", "near"]}), labelled, apart) == {}, "labels stay even"


def test_recipes_alike_get_their_designed_share():
    designed = {"a": 0.7, "b": 0.3}
    assert divided(10, designed, {"a": 4.0, "b": 4.0}, {}) == pytest.approx({"a": 7, "b": 3})
    assert divided(10, designed, {}, {}) == pytest.approx({"a": 7, "b": 3})
    assert divided(10, designed, {"a": 0.0, "b": 0.0}, {}) == pytest.approx({"a": 7, "b": 3})


def test_money_goes_where_it_brings_most_between_half_and_twice():
    designed = {"a": 0.5, "b": 0.5}
    assert divided(10, designed, {"a": 3.0, "b": 2.0}, {}) == pytest.approx({"a": 6, "b": 4}, abs=0.01)
    assert divided(10, designed, {"a": 99.0, "b": 1.0}, {}) == pytest.approx({"a": 7.5, "b": 2.5})
    three = divided(10, {"a": 0.2, "b": 0.4, "c": 0.4}, {"a": 99.0, "b": 1.0, "c": 1.0}, {})
    assert three == pytest.approx({"a": 4, "b": 3, "c": 3})


def test_a_recipe_without_a_measure_is_worth_the_mean():
    assert divided(10, {"a": 0.5, "b": 0.5}, {"a": 3.0}, {}) == pytest.approx({"a": 5, "b": 5})


def test_what_a_recipe_cannot_use_goes_to_the_others_and_what_none_may_use_is_left():
    designed = {"a": 0.5, "b": 0.25, "c": 0.25}
    shares = divided(10, designed, dict.fromkeys(designed, 1.0), {"a": 1.0})
    assert shares == pytest.approx({"a": 1, "b": 4.5, "c": 4.5})
    assert divided(10, {"a": 0.8, "b": 0.2}, {}, {"a": 0.0}) == pytest.approx({"a": 0, "b": 4})


@given(
    st.lists(
        st.tuples(st.floats(0.01, 1), st.floats(0, 100), st.none() | st.floats(0, 5)), min_size=1, max_size=8
    ),
    st.floats(0, 50),
)
def test_no_more_is_given_than_there_is(recipes, amount):
    whole = sum(share for share, _, _ in recipes)
    designed = {str(i): share / whole for i, (share, _, _) in enumerate(recipes)}
    limits = {str(i): limit for i, (_, _, limit) in enumerate(recipes) if limit is not None}
    shares = divided(amount, designed, {str(i): worth for i, (_, worth, _) in enumerate(recipes)}, limits)
    assert sum(shares.values()) <= amount * (1 + 1e-9)
    for name, share in shares.items():
        assert share <= min(BOUND * designed[name] * amount, limits.get(name, amount)) * (1 + 1e-9)
        assert share >= min(designed[name] * amount / BOUND, limits.get(name, amount)) * (1 - 1e-9)
