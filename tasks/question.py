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
            or a count below 1.
    """
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
        "curation": curation.model_dump(),
        **_model(settings),
    }
    if len(asked["recipes"]) < len(recipe):
        raise BadInput(f"two of the recipes {recipe} have one name")
    return Asked("corpus", "+".join(asked["recipes"]), edition, asked)


def curate_question(
    name: str, content: str, licence: str | None, shingle: int, edition: str, curation: Curation
) -> Asked:
    """What `curate` is asked; `content` is the digest of the files: changed files are a new question."""
    asked = {"content": content, "licence": licence, "shingle": shingle, "curation": curation.model_dump()}
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
