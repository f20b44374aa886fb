"""`preview`: a few trees of a recipe, prompt by prompt, without a word to the warehouse."""

import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from rich.markup import escape
from rich.rule import Rule

from flows.console import Common, clean, say, stdout
from schemas.errors import BadInput
from schemas.partition import Partition
from schemas.recipe import Recipe
from schemas.settings import Making, Settings
from tasks import language, obedience, quality
from tasks.bootstrap import bootstrap
from tasks.expand import Shard, expand
from tasks.pool import SEED_LEVEL, accepted, bootstrap_level, rows_of
from tasks.recipe import asked_recipe, load_recipe
from tasks.rouge import rouge
from tasks.sources import source
from warehouse.run import Run, begin

EDITION = "preview"
SHOWN = 4_000  # characters of a prompt or reply in the terminal
READ = ("level", "text", "instruction", "input", "output", "rejected", "messages")


class Preview(NamedTuple):
    """What a few trees are made of."""

    recipe: Recipe
    samples: pl.DataFrame
    verdicts: pl.DataFrame
    calls: pl.DataFrame


def previewed(recipe: str, n: int, making: Making, settings: Settings) -> Preview:
    """Grow and judge `n` trees in a warehouse of their own that is thrown away.

    Raises:
        SeedloomError: what a run would raise: an unknown recipe, an endpoint that cannot be asked.
    """
    if n < 1:
        raise BadInput(f"-n is {n}; it must be 1 or more")
    loaded = load_recipe(recipe, tuple(making.set))
    if making.source and loaded.source is None:
        raise BadInput(f"--source {making.source[0]}: recipe {loaded.name} does not grow from rows of files")
    with tempfile.TemporaryDirectory(prefix="seedloom-preview-") as folder:
        here = settings.model_copy(update={"root": Path(folder)})
        asked = {"recipes": {loaded.name: asked_recipe(loaded)}}
        run = begin(here.root, "corpus", loaded.name, EDITION, asked)
        parts = _grown(run, loaded, n, making, here)
        samples = rows_of(run, parts, "sample")
        verdicts = pl.concat([rows_of(run, parts, "verdict"), *_judged(run, loaded, samples)])
        return Preview(loaded, samples, verdicts, rows_of(run, parts, "call"))


def steps_of(preview: Preview) -> list[dict[str, Any]]:
    """One step a call, or a sample that no call made: prompt, reply, and what was read from it."""
    verdicts = preview.verdicts.select("sample_id", "filter", "keep", "score", "reason").to_dicts()
    by_sample: dict[str, list[dict[str, Any]]] = {}
    for verdict in verdicts:
        by_sample.setdefault(verdict.pop("sample_id"), []).append(verdict)
    read: dict[str | None, list[dict[str, Any]]] = {}
    for row in preview.samples.sort("ordinal").to_dicts():
        told = {name: row[name] for name in ("level", "text", "instruction", "input", "output", "rejected")}
        judged = by_sample.get(row["sample_id"], [])
        read.setdefault(row["request_id"], []).append(
            {**told, "messages": row["messages"], "verdicts": judged}
        )
    steps = [
        {
            "level": call["level"],
            "prompt": json.loads(call["messages"]),
            "reply": call["reply"],
            "error": call["error"],
            "cost_usd": call["cost_usd"],
            "n_prompt_tokens": call["n_prompt_tokens"],
            "n_completion_tokens": call["n_completion_tokens"],
            "read": read.pop(call["request_id"], []),
        }
        for call in preview.calls.to_dicts()
    ]
    made = [
        {"level": row["level"], "prompt": [], "reply": None, "error": None, "read": [row]}
        for row in read.pop(None, [])
        if row["level"] != SEED_LEVEL
    ]
    return [*made, *steps]


def show_preview(common: Common, recipe: str, n: int, making: Making) -> None:
    """Say the steps of a preview."""
    steps = steps_of(previewed(recipe, n, making, common.settings()))
    if common.as_json:
        return say(common, steps)
    for number, step in enumerate(steps, 1):
        stdout.print(Rule(f"{number}. {step['level']}"))
        for turn in step["prompt"]:
            _tell(f"prompt ({turn['role']})", turn["content"])
        _tell("reply", step["reply"])
        _tell("failed", step["error"])
        for row in step["read"]:
            _tell(f"read ({row['level']})", row["text"] if row["text"] != step["reply"] else "as it stands")
            _tell("verdicts", "; ".join(map(verdict_in_words, row["verdicts"])))
    return None


def verdict_in_words(verdict: dict[str, Any]) -> str:
    """A filter, what it decided, its score and its reason."""
    score = "" if verdict["score"] is None else f" {verdict['score']:.3g}"
    reason = f" ({verdict['reason']})" if verdict["reason"] else ""
    return f"{verdict['filter']}: {'keep' if verdict['keep'] else 'drop'}{score}{reason}"


def _tell(what: str, text: str | None) -> None:
    if text:
        stdout.print(f"[bold]{escape(what)}[/bold]\n{clean(text[:SHOWN])}\n")


def _grown(run: Run, recipe: Recipe, n: int, making: Making, settings: Settings) -> list[Partition]:
    """The tasks are called as plain functions: nothing of Prefect is started."""
    roots: list[Partition] = []
    if recipe.source is not None:
        roots = source.fn(run, recipe.name, n, making.source)
    elif bootstrap_level(recipe) is not None:
        found = bootstrap.fn(run, recipe.name, 0, n, [], "false", settings)
        roots = [*found, *rouge.fn(run, found, [], recipe.name, "false")]
        n = min(n, accepted(run, recipe.name, roots).height)
    return [*roots, *expand.fn(run, recipe.name, Shard(0, n), roots, settings)]


def _judged(run: Run, recipe: Recipe, samples: pl.DataFrame) -> list[pl.DataFrame]:
    """The verdicts that one sample alone decides; duplicates are a matter of the whole."""
    bounds = quality.Bounds(recipe.checks.min_words, recipe.checks.max_words)
    judged = [
        quality.judge(samples, run.run_id, bounds),
        obedience.judge(samples, run.run_id, recipe.checks.obedience),
    ]
    return (
        [*judged, language.judge(samples, run.run_id, recipe.language)] if recipe.checks.language else judged
    )
