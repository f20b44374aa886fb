"""The command line: `seedloom`, or `python -m flows`.

Options of a flow are the fields of its form, with the same names and defaults. Commands that run no flow
never import Prefect. Tables and bars go to stderr or the terminal; with `--json`, stdout is one JSON
document.
"""

from importlib.metadata import version
from typing import Annotated, Literal

from cyclopts import App, Parameter

from flows.console import Common, finish, guarded
from schemas.settings import Curation, Training
from tasks.names import RECIPES

app = App(
    name="seedloom",
    help="From a few seed instructions to a diverse, deduplicated, measured, versioned training set, "
    "and on to a fine-tuned model.\n\nExit codes: 0 done, 1 failed, 2 wrong usage or input, "
    "3 a gate blocked, 4 a budget was reached, 130 interrupted.",
    version=lambda: version("seedloom"),
    suppress_keyboard_interrupt=False,
)
Flat = Parameter(name="*")


@app.command
def run(
    *,
    count: int = 300,
    edition: str = "",
    curation: Annotated[Curation, Flat] = Curation(),  # noqa: B008  (frozen)
    training: Annotated[Training, Flat] = Training(),  # noqa: B008  (frozen)
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """The whole job on this machine: a corpus from the default recipes, then a model trained on it.

    Args:
        count: Final samples asked for, of each recipe.
        edition: Names the run; the same edition resumes, a new one makes new data. Default: the date.
    """
    from flows.starting import run_corpus, run_model

    release_id = run_corpus(common, recipe=RECIPES, count=count, edition=edition, curation=curation)
    run_model(common, release=release_id, training=training)
    finish(common, release_id)


@app.command
def corpus(
    *,
    recipe: list[str] = RECIPES,
    count: int = 300,
    edition: str = "",
    curation: Annotated[Curation, Flat] = Curation(),  # noqa: B008  (frozen)
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Grow a corpus from seeds and recipes, and freeze it as a release.

    Args:
        recipe: Name of a recipe, see `seedloom recipes`; may be given several times.
        count: Final samples asked for, of each recipe.
        edition: Names the run; the same edition resumes, a new one makes new data. Default: the date.
    """
    from flows.starting import run_corpus

    finish(common, run_corpus(common, recipe=recipe, count=count, edition=edition, curation=curation))


@app.command
def curate(
    files: list[str],
    /,
    *,
    name: str,
    licence: str = "",
    shingle: Literal[3, 5] = 3,
    edition: str = "",
    curation: Annotated[Curation, Flat] = Curation(),  # noqa: B008  (frozen)
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Filter, deduplicate, measure and freeze a data set that exists.

    Args:
        files: Files, folders or globs: JSONL, JSON array, CSV or Parquet, with Alpaca fields, chat
        `messages`,
            ShareGPT `conversations` or plain `text`.
        name: Name of the data set.
        licence: Licence of the texts, for the card.
        shingle: Words per shingle: 3 for short texts such as instructions, 5 for long ones.
        edition: Names the run; the same edition resumes. Default: the date.
    """
    from flows.starting import run_curate

    asked = {"files": files, "name": name, "licence": licence, "shingle": shingle, "edition": edition}
    finish(common, run_curate(common, **asked, curation=curation))


@app.command
def model(
    *,
    release: str = "",
    training: Annotated[Training, Flat] = Training(),  # noqa: B008  (frozen)
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Train on a release that passed its gates, and evaluate; the same settings train it once.

    Args:
        release: Id of a release, or how it begins. Default: the newest that passed and was not trained yet.
    """
    from flows.starting import run_model

    finish(common, run_model(common, release=release, training=training))


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

    show_query(common, "SELECT * FROM model_gain ORDER BY finished_at")


@app.command
def recipes(*, common: Annotated[Common, Flat] = Common()) -> None:  # noqa: B008  (frozen)
    """List the recipes: name, levels, title, citation."""
    from flows.looking import show_recipes

    show_recipes(common)


@app.command
def explain(sample_id: str, /, *, common: Annotated[Common, Flat] = Common()) -> None:  # noqa: B008  (frozen)
    """Why a sample was kept or dropped: its verdicts, its neighbours, the call that made it, its tree.

    Args:
        sample_id: Id of a sample, or how it begins.
    """
    from flows.looking import show_sample

    show_sample(common, sample_id)


@app.command
def doctor(*, common: Annotated[Common, Flat] = Common()) -> None:  # noqa: B008  (frozen)
    """Check this installation: settings and their origin, the warehouse, model servers on this machine."""
    from flows.doctor import examine

    examine(common)


@app.command
def up(*, port: int = 4200, common: Annotated[Common, Flat] = Common()) -> None:  # noqa: B008  (frozen)
    """Start a Prefect server on loopback with its UI, a CPU worker, a GPU-pool worker and the deployments.

    Args:
        port: Port of the server and its UI.
    """
    from flows.up import serve

    serve(common.settings(), port)


def main() -> None:
    """Entry point of the console script."""
    guarded(app)


if __name__ == "__main__":
    main()
