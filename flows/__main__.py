"""The command line: `seedloom`, or `python -m flows`.

Options of a flow are the fields of its form, with the same names and defaults. Commands that run no flow
never import Prefect. Tables and bars go to stderr or the terminal; with `--json`, stdout is one JSON
document.
"""

from importlib.metadata import version
from typing import Annotated, Literal

from cyclopts import App, Parameter

from flows import looking_commands, serving_commands, upkeep_commands
from flows.console import Common, finish, guarded, say
from schemas.classification import Classification
from schemas.settings import Budget, Curation, Making, Training
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
for commands in (looking_commands.app, serving_commands.app, upkeep_commands.app):
    app.command(commands, name="*")


@app.command
def run(
    *,
    count: int = 300,
    edition: str = "",
    making: Annotated[Making, Flat] = Making(),  # noqa: B008  (frozen)
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

    release_id = run_corpus(common, RECIPES, count, edition, making, curation, budget)
    run_model(common, release=release_id, training=training)
    finish(common, release_id)


@app.command
def corpus(
    *,
    recipe: list[str] = RECIPES,
    count: int = 300,
    edition: str = "",
    making: Annotated[Making, Flat] = Making(),  # noqa: B008  (frozen)
    curation: Annotated[Curation, Flat] = Curation(),  # noqa: B008  (frozen)
    budget: Annotated[Budget, Flat] = Budget(),  # noqa: B008  (frozen)
    estimate: bool = False,
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Grow a corpus from seeds and recipes, and freeze it as a release.

    Args:
        recipe: Name of a recipe, see `seedloom recipes`, or the path of its file; may be given several times.
        count: Final samples asked for, of each recipe.
        edition: Names the run; the same edition resumes, a new one makes new data. Default: the date.
        estimate: Only say what the run will take, by a small probe that the run will not pay again.
    """
    from flows.starting import estimate_corpus, run_corpus

    if estimate:
        told = estimate_corpus(common, recipe, count, edition, making, curation, budget)
        return say(common, told, "estimate")
    finish(common, run_corpus(common, recipe, count, edition, making, curation, budget))


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
def classifier(
    *,
    data: list[str],
    release: str = "",
    options: Annotated[Classification, Flat] = Classification(),  # noqa: B008  (frozen)
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Train a small classifier on a release with labels, and measure it on real labelled rows.

    Args:
        data: Files of real rows with their labels; may be given several times.
        release: Id of a release of labelled samples, or how it begins. Default: the newest.
    """
    from flows.classifying import classifier_summary, run_classifier

    run_id = run_classifier(common, data, release, options)
    say(common, classifier_summary(common.settings().root, run_id), "classifier")


def main() -> None:
    """Entry point of the console script."""
    guarded(app)


if __name__ == "__main__":
    main()
