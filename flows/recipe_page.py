"""What a recipe is: its levels, an example of each prompt, its cost; or what is wrong with its file."""

import json
from pathlib import Path
from typing import Any

import polars as pl
from rich.markup import escape
from rich.rule import Rule

from flows.console import Common, clean, say, stderr, stdout
from flows.previewing import Preview, previewed
from schemas.errors import BadInput
from schemas.llm import LLM
from schemas.recipe import Level, Recipe
from schemas.settings import Making, Settings
from tasks.calls.prices import cost_usd, load_prices, price_of
from tasks.recipe import checked_recipe, recipe_digest

TREES = 12  # grown on the storyteller to see how many requests and tokens a sample takes
PER = 1_000


def show(common: Common, name: str, making: Making) -> None:
    """Say a recipe's levels, an example of each prompt, its citation and its cost per 1,000 samples.

    Raises:
        BadInput: for an unknown recipe or one with mistakes.
    """
    settings = common.settings()
    here = settings.model_copy(update={"llm": LLM()})
    page = described(previewed(name, TREES, making, here), settings)
    if common.as_json:
        return say(common, [page])
    prompts = page.pop("prompts")
    say(common, [{"": key, "recipe": value} for key, value in page.items() if not isinstance(value, list)])
    say(common, page["levels"], "levels")
    for prompt in prompts:
        stdout.print(Rule(f"an example of the prompt of {prompt['level']}"))
        for turn in prompt["messages"]:
            stdout.print(f"[bold]{escape(turn['role'])}[/bold]\n{clean(turn['content'])}\n")
    return None


def check(common: Common, file: Path) -> None:
    """Say every mistake in a recipe file.

    Raises:
        BadInput: when there is one.
    """
    recipe, mistakes = checked_recipe(file)
    rows = [{"line": each.line, "place": each.place, "mistake": each.why} for each in mistakes]
    if rows or recipe is None:
        say(common, rows, str(file))
        raise BadInput(f"{file}: {len(rows)} mistake{'s' if rows[1:] else ''}")
    if common.as_json:
        return say(common, [])
    stderr.print(f"{file}: recipe {recipe.name!r}, version {recipe_digest(recipe)[:12]}, no mistakes")
    return None


def described(preview: Preview, settings: Settings) -> dict[str, Any]:
    """A page about a recipe, from a few trees that the storyteller grew."""
    recipe = preview.recipe
    examples = preview.calls.unique("level", keep="first", maintain_order=True)
    return {
        "name": recipe.name,
        "title": recipe.title,
        "citation": recipe.citation,
        "language": recipe.language,
        "licence": recipe.licence,
        "version": recipe_digest(recipe)[:12],
        "grows from": _origin(recipe),
        f"per {PER:,} samples": cost_in_words(preview, settings),
        "levels": [_level(level) for level in recipe.levels],
        "prompts": [
            {"level": call["level"], "messages": json.loads(call["messages"])} for call in examples.to_dicts()
        ],
    }


def cost_in_words(preview: Preview, settings: Settings) -> str:
    """Requests, tokens and dollars of 1,000 kept final samples, extrapolated from the storyteller's few."""
    dropped = preview.verdicts.filter(~pl.col("keep"))["sample_id"].unique()
    finals = preview.samples.filter(pl.col("final") & ~pl.col("sample_id").is_in(dropped.implode())).height
    calls = preview.calls
    if calls.is_empty():
        return "no request: no model is asked"
    if finals == 0:
        return "unknown: none of the storyteller's samples was kept"
    n_in, n_out = (int(calls[f"n_{kind}_tokens"].sum() * PER / finals) for kind in ("prompt", "completion"))
    model = settings.llm.model
    price = price_of(load_prices(settings.llm.prices), model, settings.llm.base_url)
    usd = cost_usd(price, n_in, n_out)
    money = f"no price of {model!r} is known" if usd is None else f"{usd:.4g} USD with {model!r}"
    requests = calls.height * PER / finals
    return f"about {requests:,.0f} requests, {n_in:,} prompt and {n_out:,} completion tokens; {money}"


def _origin(recipe: Recipe) -> str:
    if recipe.source is not None:
        return f"rows of {recipe.source.file}, or --source FILE (field {recipe.source.text!r})"
    slots = ", ".join(recipe.slots)
    pools = [level.bootstrap.seeds for level in recipe.levels if level.bootstrap]
    return f"a pool that begins with {pools[0]}" if pools else f"drawn slots: {slots}, {recipe.sampler}"


def _level(level: Level) -> dict[str, Any]:
    return {
        "level": level.name,
        "parent": level.parent or "",
        "children": level.children,
        "made by": f"a reply ({level.reply})" if level.reply else f"the maker {level.make}",
        "temperature": level.sampling.temperature if level.reply else "",
        "judges": level.judge.filter if level.judge else "",
        "final": "yes" if level.final else "",
    }
