import json

import pytest

from flows.console import Common
from flows.previewing import previewed
from flows.recipe_page import check, cost_in_words, described, show
from schemas.errors import BadInput
from schemas.llm import LLM
from schemas.settings import Making, Settings
from tasks.recipe import FOLDER, recipe_names

MISTAKEN = """
name = "mine"
title = "t"
citation = "c"
licence = "l"
[[level]]
name = "a"
reply = "poem"
final = true
prompt = "{{ word }}"
"""


def page(recipe, settings=None):
    settings = settings or Settings()
    return described(previewed(recipe, 4, Making(), settings.model_copy(update={"llm": LLM()})), settings)


@pytest.mark.parametrize("name", recipe_names())
def test_the_page_of_every_recipe_says_what_it_is_and_what_it_costs(name):
    found = page(name)
    assert found["name"] == name and found["citation"]
    assert found["per 1,000 samples"].startswith(("about", "no request"))
    asking = {level["level"] for level in found["levels"] if level["made by"].startswith("a reply")}
    assert {prompt["level"] for prompt in found["prompts"]} == asking


def test_the_price_is_that_of_the_model_that_is_set(tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[price]]\nmodel = "big"\nusd_per_mtok_in = 10\nusd_per_mtok_out = 30\ndate = 2026-01-01\nsource = "x"\n'
    )
    preview = previewed("tiny_stories", 4, Making(), Settings())
    cheap = cost_in_words(preview, Settings())
    dear = cost_in_words(
        preview, Settings(llm=LLM(base_url="http://127.0.0.1:9/v1", model="big", prices=prices))
    )
    unknown = cost_in_words(preview, Settings(llm=LLM(base_url="http://127.0.0.1:9/v1", model="who")))
    assert "0 USD with 'offline/storyteller'" in cheap
    assert "no price of 'who' is known" in unknown
    n_in, n_out = _tokens(dear)
    usd = float(dear.split("; ")[1].split()[0])
    assert usd == pytest.approx((n_in * 10 + n_out * 30) / 1e6, rel=1e-3)


def _tokens(said):
    numbers = [int(word.replace(",", "")) for word in said.split() if word.replace(",", "").isdigit()]
    return numbers[1], numbers[2]


def test_a_person_reads_levels_prompt_and_citation(capsys):
    show(Common(), "tiny_stories_instruct", Making())
    told = capsys.readouterr().out
    for part in ("Eldan & Li 2023", "summary", "per 1,000 samples", "Do not write the story."):
        assert part in told


def test_a_script_gets_one_document(capsys):
    show(Common(as_json=True), "tiny_stories", Making())
    (found,) = json.loads(capsys.readouterr().out)
    assert found["prompts"][0]["messages"][0]["content"].startswith("Write a short story")


def test_every_mistake_is_explained_by_line_and_is_wrong_usage(tmp_path, capsys):
    file = tmp_path / "mine.toml"
    file.write_text(MISTAKEN)
    with pytest.raises(BadInput, match="2 mistakes") as error:
        check(Common(as_json=True), file)
    assert error.value.code == 2
    rows = json.loads(capsys.readouterr().out)
    assert [(row["line"], row["place"]) for row in rows] == [(8, "level.0.reply"), (10, "level.0.prompt")]


def test_a_file_that_is_no_toml_is_explained(tmp_path, capsys):
    file = tmp_path / "mine.toml"
    file.write_text("name = ")
    with pytest.raises(BadInput, match="1 mistake$"):
        check(Common(), file)
    assert "no TOML" in capsys.readouterr().out


def test_a_good_recipe_has_no_mistakes(capsys):
    check(Common(as_json=True), FOLDER / "tiny_stories.toml")
    assert json.loads(capsys.readouterr().out) == []
