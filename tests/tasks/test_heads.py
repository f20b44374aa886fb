import polars as pl

from schemas.recipe import Recipe
from tasks.heads import heads

LEVELS = [
    {"name": "evolved", "parent": "task", "prompt": "x", "reply": "text"},
    {"name": "gain", "parent": "evolved", "prompt": "x", "reply": "text", "judge": {"filter": "gain"}},
    {"name": "answer", "parent": "evolved", "prompt": "x", "reply": "text", "final": True},
]
RECIPE = Recipe(
    name="t", title="", citation="", licence="", level=LEVELS, evolution={"level": "evolved"},
    source={"level": "task", "file": "-", "text": "t"},
)  # fmt: skip


def rows(*samples):
    names = ["sample_id", "parent_id", "root_id", "level", "text"]
    schema = {**dict.fromkeys(names, pl.String), "ordinal": pl.Int64}
    return pl.DataFrame(samples, schema=schema, orient="row")


ROOTS = rows(("r1", None, "r1", "task", "one", 0), ("r2", None, "r2", "task", "two", 1))


def found(*samples):
    frame = heads(ROOTS, pl.concat([ROOTS, rows(*samples)]) if samples else ROOTS, RECIPE)
    return dict(frame.select("root_id", "text").rows())


def test_a_tree_that_has_not_evolved_is_where_it_began():
    assert found() == {"r1": "one", "r2": "two"}


def test_an_evolved_text_with_a_kept_answer_takes_the_place_of_the_old_one():
    assert found(("e1", "r1", "r1", "evolved", "ONE", 100), ("a1", "e1", "r1", "answer", "x", 1)) == {
        "r1": "ONE",
        "r2": "two",
    }


def test_one_whose_answer_was_dropped_goes_back_unchanged_though_the_judge_liked_it():
    assert (
        found(("e1", "r1", "r1", "evolved", "ONE", 100), ("g1", "e1", "r1", "gain", "yes", 1))["r1"] == "one"
    )


def test_the_newest_survivor_counts_and_a_later_failure_does_not():
    evolved = [(f"e{i}", "r2", "r2", "evolved", f"two {i}", 100 * i) for i in (1, 2, 3)]
    answers = [(f"a{i}", f"e{i}", "r2", "answer", "x", i) for i in (1, 2)]
    assert found(*evolved, *answers)["r2"] == "two 2"


def test_the_next_round_grows_from_the_survivor_itself():
    frame = heads(
        ROOTS,
        pl.concat(
            [ROOTS, rows(("e1", "r1", "r1", "evolved", "ONE", 9), ("a1", "e1", "r1", "answer", "x", 1))]
        ),
        RECIPE,
    )
    assert dict(frame.select("root_id", "sample_id").rows())["r1"] == "e1"
    assert frame["level"].to_list() == ["task", "task"] and frame["ordinal"].to_list() == [0, 1]
