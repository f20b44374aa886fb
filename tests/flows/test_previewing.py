import json

import pytest

from flows.console import Common
from flows.previewing import previewed, show_preview, steps_of, verdict_in_words
from schemas.errors import BadInput
from schemas.llm import LLM
from schemas.settings import Making, Settings, Storyteller

GOOD = Storyteller(obey=1, repeat=0, bad=0)


def steps(recipe, n=2, making=Making(), **settings):  # noqa: B008
    return steps_of(previewed(recipe, n, making, Settings(storyteller=GOOD, **settings)))


def test_every_step_has_its_prompt_its_reply_what_was_read_and_the_verdicts():
    found = steps("tiny_stories_instruct", 1)
    assert [step["level"] for step in found] == ["summary", "sentence", "sentence", "story", "story"]
    for step in found:
        assert step["prompt"][0]["role"] == "user" and step["reply"]
        assert [verdict["filter"] for row in step["read"] for verdict in row["verdicts"]][0] == "format"
    story = found[-1]["read"][0]
    assert {verdict["filter"] for verdict in story["verdicts"]} == {
        "format",
        "quality",
        "obedience",
        "language",
    }
    assert story["output"] == found[-1]["reply"].strip()


@pytest.mark.parametrize("recipe", ["self_instruct", "evol_instruct", "trees"])
def test_pools_rows_of_files_and_makers_are_shown_too(recipe):
    found = steps(recipe)
    assert found and all(step["read"] for step in found)


@pytest.mark.parametrize("n", [0, -3])
def test_less_than_one_tree_is_refused(n):
    with pytest.raises(BadInput, match=f"-n is {n}; it must be 1 or more"):
        previewed("tiny_stories", n, Making(), Settings())


def test_a_reply_that_cannot_be_read_is_shown_with_its_reason():
    found = steps_of(previewed("tiny_stories", 2, Making(), Settings(storyteller=Storyteller(bad=1))))
    drops = [v for step in found for row in step["read"] for v in row["verdicts"] if not v["keep"]]
    assert drops and all(drop["reason"] for drop in drops)


def test_the_warehouse_stays_as_it_is(tmp_path):
    root = tmp_path / "warehouse"
    steps("tiny_stories", root=root)
    assert not root.exists()


def test_changes_and_files_count_in_a_preview_as_in_a_run(tmp_path):
    mine = tmp_path / "mine.jsonl"
    mine.write_text(json.dumps({"instruction": "Say why the moon is round.", "input": ""}))
    making = Making(source=[str(mine)], set=["evolution.rounds=1"])
    found = steps("evol_instruct", 1, making)
    assert found[0]["read"][0]["text"] == "Say why the moon is round.", "the row of the file comes first"
    assert "Say why the moon is round." in found[1]["prompt"][-1]["content"]
    assert len([step for step in found if step["level"] == "evolved"]) == 1


def test_files_that_a_recipe_does_not_read_are_refused():
    with pytest.raises(BadInput, match="tiny_stories does not grow from rows of files"):
        steps("tiny_stories", making=Making(source=["mine.jsonl"]))


def test_an_unknown_recipe_is_named():
    with pytest.raises(BadInput, match="no recipe 'nope'"):
        steps("nope")


def test_a_real_endpoint_is_asked(endpoint):
    endpoint.answer = lambda body: {"choices": [{"message": {"content": "A dog."}, "finish_reason": "stop"}]}
    found = steps("tiny_stories", 1, llm=LLM(base_url=endpoint.base_url, model="small"))
    assert found[0]["reply"] == "A dog."
    assert len(endpoint.seen) == 1


def test_a_person_reads_it_in_the_terminal_and_a_script_as_json(capsys, tmp_path):
    show_preview(Common(root=tmp_path), "tiny_stories", 1, Making())
    told = capsys.readouterr().out
    assert "prompt (user)" in told and "Write a short story" in told and "format: keep" in told
    show_preview(Common(root=tmp_path, as_json=True), "tiny_stories", 1, Making())
    (step,) = json.loads(capsys.readouterr().out)
    assert step["level"] == "story"


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ({"filter": "format", "keep": True, "score": None, "reason": None}, "format: keep"),
        (
            {"filter": "quality", "keep": False, "score": 0.25, "reason": "short"},
            "quality: drop 0.25 (short)",
        ),
    ],
)
def test_a_verdict_in_words(verdict, said):
    assert verdict_in_words(verdict) == said
