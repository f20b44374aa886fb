"""Commands that only look: queries, releases, recipes, one sample, this installation, replays, previews."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from flows.console import Common
from schemas.settings import Making

app = App()
recipes = App(name="recipes", help="List, show and check recipes.")
app.command(recipes)
Flat = Parameter(name="*")
RELEASE = "left(release_id, 12) AS release, name, edition, passed, n_train, n_heldout, gain_nats"
Several = Parameter(negative="")


@app.command
def sql(query: str, /, *, common: Annotated[Common, Flat] = Common()) -> None:  # noqa: B008  (frozen)
    """Ask DuckDB: every table and mart is a view; `seedloom sql "show tables"` lists them.

    Args:
        query: A SQL query over one version of the warehouse.
    """
    from flows.looking import show_query

    show_query(common, query)


@app.command
def releases(*, common: Annotated[Common, Flat] = Common()) -> None:  # noqa: B008  (frozen)
    """List the releases: rows, gates, model, held-out loss."""
    from flows.looking import show_query

    chosen = "*" if common.as_json else RELEASE  # all columns at once are no table in a terminal
    show_query(common, f"SELECT {chosen} FROM model_gain ORDER BY finished_at")


@recipes.default
def list_recipes(*, common: Annotated[Common, Flat] = Common()) -> None:  # noqa: B008  (frozen)
    """List the recipes: name, levels, title, citation."""
    from flows.looking import show_recipes

    show_recipes(common)


@recipes.command(name="show")
def show_recipe(
    name: str,
    /,
    *,
    making: Annotated[Making, Flat] = Making(),  # noqa: B008  (frozen)
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """A recipe's levels, an example of each prompt, its citation and its cost per 1,000 samples.

    Args:
        name: Name of a recipe, or the path of its file.
    """
    from flows.recipe_page import show

    show(common, name, making)


@recipes.command(name="check")
def check_recipe(
    file: Path,
    /,
    *,
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Explain every mistake in a recipe file by line; exit code 2 when there is one.

    Args:
        file: TOML file of a recipe.
    """
    from flows.recipe_page import check

    check(common, file)


@app.command
def preview(
    recipe: str,
    /,
    *,
    n: Annotated[int, Parameter(name=["-n", "--count"])] = 3,
    making: Annotated[Making, Flat] = Making(),  # noqa: B008  (frozen)
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Prompts, replies, what was read of them and the verdicts for a few trees; the warehouse stays as it is.

    Args:
        recipe: Name of a recipe, or the path of its file.
        n: Trees that are grown.
    """
    from flows.previewing import show_preview

    show_preview(common, recipe, n, making)


@app.command
def replay(
    stage: str = "",
    files: list[str] = [],  # noqa: B006  (never changed)
    /,
    *,
    seeds: Annotated[list[str], Several] = [],  # noqa: B006
    flags: Annotated[list[str], Several] = [],  # noqa: B006
    published: Annotated[list[str], Several] = [],  # noqa: B006
    set: Annotated[list[str], Several] = [],  # noqa: B006
    out: Path | None = None,
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Push somebody else's intermediate files through one stage and compare with what they say was decided.

    Exit code 1 when a published decision is not reproduced. Nothing of the warehouse is read or written.

    Args:
        stage: Name of a stage; without one, all of them are listed with the rows they want and their options.
        files: Files, folders or globs: JSONL, JSON array, CSV or Parquet, also with .gz.
        seeds: Files of the seed tasks that a pool began with, for `rouge`.
        flags: Files of instructions with their classification flags, for `instances`.
        published: Files of instructions with input and output that were kept, for `instances`.
        set: Option of the stage, such as `threshold=0.7`; may be given several times.
        out: File to write each decision to, as JSON lines.
    """
    from flows.replaying import show_replay, show_stages

    if not stage:
        return show_stages(common)
    show_replay(common, stage, files, {"seeds": seeds, "flags": flags, "published": published}, set, out)


@app.command
def explain(sample_id: str, /, *, common: Annotated[Common, Flat] = Common()) -> None:  # noqa: B008  (frozen)
    """Why a sample was kept or dropped: verdicts, what it repeats word by word, other thresholds, its tree.

    In colour, what only the other text has is struck out and what only the sample has is green; without
    colour they stand in [-...-] and {+...+}.

    Args:
        sample_id: Id of a sample, or how it begins.
    """
    from flows.explaining import show_sample

    show_sample(common, sample_id)


@app.command
def doctor(*, common: Annotated[Common, Flat] = Common()) -> None:  # noqa: B008  (frozen)
    """Check this installation: settings and their origin, the warehouse, model servers on this machine."""
    from flows.doctor import examine

    examine(common)
