"""The command line: `seedloom`, or `python -m flows`.

Options of a flow are the fields of its form, with the same names and defaults. Commands that run no flow
never import Prefect. Tables and bars go to stderr or the terminal; with `--json`, stdout is one JSON
document.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from flows.console import Common, finish, guarded, say
from schemas.settings import Budget, Curation, Training
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
    budget: Annotated[Budget, Flat] = Budget(),  # noqa: B008  (frozen)
    training: Annotated[Training, Flat] = Training(),  # noqa: B008  (frozen)
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """The whole job on this machine: a corpus from the default recipes, then a model trained on it.

    Args:
        count: Final samples asked for, of each recipe.
        edition: Names the run; the same edition resumes, a new one makes new data. Default: the date.
    """
    from flows.starting import run_corpus, run_model

    release_id = run_corpus(common, RECIPES, count, edition, curation, budget)
    run_model(common, release=release_id, training=training)
    finish(common, release_id)


@app.command
def corpus(
    *,
    recipe: list[str] = RECIPES,
    count: int = 300,
    edition: str = "",
    curation: Annotated[Curation, Flat] = Curation(),  # noqa: B008  (frozen)
    budget: Annotated[Budget, Flat] = Budget(),  # noqa: B008  (frozen)
    estimate: bool = False,
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Grow a corpus from seeds and recipes, and freeze it as a release.

    Args:
        recipe: Name of a recipe, see `seedloom recipes`; may be given several times.
        count: Final samples asked for, of each recipe.
        edition: Names the run; the same edition resumes, a new one makes new data. Default: the date.
        estimate: Only say what the run will take, by a small probe that the run will not pay again.
    """
    from flows.starting import estimate_corpus, run_corpus

    if estimate:
        return say(common, estimate_corpus(common, recipe, count, edition, curation, budget), "estimate")
    finish(common, run_corpus(common, recipe, count, edition, curation, budget))


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


@app.command
def rehearse(
    *,
    port: int = 8800,
    plan: Path | None = None,
    latency: str | None = None,
    fault: list[str] | None = None,
    rps: int | None = None,
    models: list[str] | None = None,
    key_env: str | None = None,
    log: Path | None = None,
    state: Path | None = None,
    seed: int | None = None,
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Start an OpenAI-compatible server on loopback that costs nothing and misbehaves as planned.

    Args:
        port: Port to listen on; 0 takes any free one.
        plan: TOML file with the fields of a plan, see docs/rehearsal.md; options below replace its fields.
        latency: Seconds before an answer: 0.2, uniform:LOW,HIGH or lognormal:MEDIAN,SIGMA.
        fault: A fault and when: reset:0.01 (share), reset@5,6 (numbers) or reset@10-20; several times.
        rps: Completions per second; any more get 429 with Retry-After.
        models: Name of a model that it serves; may be given several times.
        key_env: Environment variable that holds the only key to be accepted.
        log: Access log, a JSON line for each request; appended to.
        state: Folder that keeps files and batches when the server ends. Default: memory.
        seed: Draws latencies and faults.
    """
    from flows.rehearse import planned, rehearse

    options = {"latency": latency, "fault": fault, "rps": rps, "models": models, "key_env": key_env}
    rehearse(common, planned(plan, **options, seed=seed), port=port, log=log, state=state)


def main() -> None:
    """Entry point of the console script."""
    guarded(app)


if __name__ == "__main__":
    main()
