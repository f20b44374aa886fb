"""What a run was asked: the same question has the same run id, so it is answered once.

Nothing here imports Prefect: a command can look an answer up without starting anything.
"""

import datetime
from pathlib import Path
from typing import Any, NamedTuple

from schemas.classification import Classification
from schemas.errors import BadInput
from schemas.recipe import Recipe
from schemas.settings import Curation, Making, Settings, Training
from tasks.evaluation_sets import evaluation_digest
from tasks.input_files import content_digest
from tasks.recipe import asked_recipe, load_recipe
from tasks.source_rows import source_paths
from warehouse.run import run_id_of


class Asked(NamedTuple):
    """Flow, name, edition and parameters: what `warehouse.run.begin` takes."""

    flow: str
    name: str
    edition: str
    parameters: dict[str, Any]

    @property
    def run_id(self) -> str:
        """The id of the run that answers it."""
        return run_id_of(*self)


def corpus_question(
    recipe: list[str], count: int, edition: str, making: Making, curation: Curation, settings: Settings
) -> Asked:
    """What `corpus` is asked: recipes with their changes, whole, and what the source files hold.

    Raises:
        BadInput: for an unknown or faulty recipe, none at all, two of one name, files that no recipe reads,
            a count below 1, a selection without a budget, or an evaluation set that cannot be read.
    """
    _check_selection(curation)
    if not recipe:
        raise BadInput("no recipe given; see `seedloom recipes`")
    if count < 1:
        raise BadInput(f"--count is {count}; it must be 1 or more")
    loaded = [load_recipe(name, tuple(making.set)) for name in recipe]
    asked = {
        "recipes": {each.name: asked_recipe(each) for each in loaded},
        "count": count,
        "steer": making.steer,
        "source": _sources(loaded, making.source, settings.root),
        **_curation(curation),
        **_model(settings),
    }
    if len(asked["recipes"]) < len(recipe):
        raise BadInput(f"two of the recipes {recipe} have one name")
    return Asked("corpus", "+".join(asked["recipes"]), edition, asked)


def curate_question(
    name: str, content: str, licence: str | None, shingle: int, edition: str, curation: Curation
) -> Asked:
    """What `curate` is asked; `content` is the digest of the files: changed files are a new question.

    Raises:
        BadInput: for a selection without a budget, or an evaluation set that cannot be read.
    """
    _check_selection(curation)
    asked = {"content": content, "licence": licence, "shingle": shingle, **_curation(curation)}
    return Asked("curate", name, edition, asked)


def model_question(release_id: str, training: Training) -> Asked:
    """What `model` is asked: a release is trained once for the same settings."""
    return Asked("model", release_id, "", {"training": training.model_dump()})


def classifier_question(release_id: str, content: str, options: Classification) -> Asked:
    """What `classifier` is asked; `content` is the digest of the files: changed files are a new question."""
    return Asked("classifier", release_id, "", {"content": content, "options": options.model_dump()})


def today() -> str:
    """The default edition: the date, UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _curation(curation: Curation) -> dict[str, Any]:
    """What is asked of the tail; evaluation sets count by what they hold, as they are now."""
    return {"curation": curation.model_dump(), "evaluation": evaluation_digest(curation.evaluation)}


def _check_selection(curation: Curation) -> None:
    """Refuse a selection without a budget, and a budget without a selection."""
    budget = {"select_rows": curation.select_rows, "select_tokens": curation.select_tokens}
    given = [name for name, most in budget.items() if most is not None]
    if curation.select != "all" and not given:
        raise BadInput(f"select is {curation.select!r} without a budget; give one of {list(budget)}")
    if curation.select == "all" and given:
        known = ["greedy_diverse", "quota", "random"]
        raise BadInput(f"{given[0]} is {budget[given[0]]}, but select is 'all'; it may be one of {known}")


def _sources(recipes: list[Recipe], files: list[str], root: Path) -> str | None:
    """What the user's files hold; a recipe's own are part of this program."""
    if not files:
        return None
    sourced = [recipe for recipe in recipes if recipe.source]
    if not sourced:
        names = [recipe.name for recipe in recipes]
        raise BadInput(f"--source {files[0]}: none of the recipes {names} grows from rows of files")
    return content_digest(source_paths(sourced[0], files, root))


def _model(settings: Settings) -> dict[str, Any]:
    """What decides which texts come back: not addresses, not limits, not prices."""
    return {"model": settings.identity}
