"""The card of a release: what is in it, who wrote it, under which licence, what was dropped and why."""

import json
from typing import Any

import polars as pl

from schemas.llm import OFFLINE
from schemas.partition import Partition
from warehouse.run import Run

HONESTY = (
    f"**Written by `{OFFLINE}`, a template generator that ships with seedloom, not by a language model.** "
    "Its diversity says nothing about any language model."
)


def card(run: Run, parts: list[Partition], chosen: pl.DataFrame, release: dict[str, Any]) -> str:
    """Markdown of the card, without front matter. No clock, no path: the same release, the same card."""
    counts = chosen.group_by("recipe", "model", "licence", "language", "split").len().sort(pl.all())
    none = pl.DataFrame(schema={"filter": pl.String, "keep": pl.Boolean})  # of a run whose calls all failed
    verdicts = pl.concat([none, *(run.read(p, none.columns) for p in parts if p.table == "verdict")])
    dropped = verdicts.filter(~pl.col("keep")).group_by("filter").len().sort("filter")
    metrics = [run.read(part) for part in parts if part.table == "metric"]
    sections = [
        f"# {run.name}, edition {run.edition}",
        *([HONESTY] if OFFLINE in chosen["model"].to_list() else []),
        f"Release `{release['release_id']}`, run `{run.run_id}`; {release['n_train']} rows to train on, "
        f"{release['n_heldout']} held out, split by tree. Row digest `{release['row_digest']}`.",
        *_selection(release),
        "## Recipes",
        table(_recipes(run)),
        "## Rows",
        table(counts),
        "## Dropped in this run, by filter",
        table(dropped),
        "## Gates",
        table(pl.DataFrame(release["gates"])),
        "## Metrics",
        table(_shown(metrics)),
    ]
    return "\n\n".join(sections) + "\n"


def _selection(release: dict[str, Any]) -> list[str]:
    """How the training rows were selected, and which release is its control; nothing for all rows."""
    if release.get("selection") is None:
        return []
    how = json.loads(release["selection"])
    control, selected = how.pop("control", None), how.pop("control_of", None)
    size = "rows" if how.get("select_tokens") is None else "words"
    relation = (
        f"This is the random control of release `{selected}`: as many training {size} by chance, the same "
        "held-out rows."
        if selected
        else f"Selected among the clean training rows; its random control is release `{control}`."
    )
    facts = [{"setting": name, "value": value} for name, value in how.items() if value is not None]
    relation += " Metrics, and gates on them, are those of all that the run kept, not of the selection."
    return ["## Selection", relation, table(pl.DataFrame(facts, strict=False))]


def _recipes(run: Run) -> pl.DataFrame:
    """What the texts were made by; none for curated data."""
    asked = run.parameters.get("recipes", {})
    rows = [
        {"recipe": name, "version": told["version"][:12], "citation": told["recipe"]["citation"]}
        for name, told in asked.items()
    ]
    return pl.DataFrame(rows)


def table(frame: pl.DataFrame) -> str:
    """A frame as a Markdown table; numbers with four significant digits."""
    if frame.is_empty():
        return "none"
    lines = [frame.columns, ["---"] * frame.width, *frame.rows()]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _shown(metrics: list[pl.DataFrame]) -> pl.DataFrame:
    if not metrics:
        return pl.DataFrame()
    columns = ["scope", "scope_id", "metric", "value", "n", "low", "high", "version"]
    return pl.concat(metrics).sort("scope", "scope_id", "metric").select(columns)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
