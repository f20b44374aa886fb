"""What a run was asked: the same question has the same run id, so it is answered once.

Nothing here imports Prefect: a command can look an answer up without starting anything.
"""

import datetime
from typing import Any, NamedTuple

from schemas.errors import BadInput
from schemas.settings import Curation, Settings, Training
from tasks.recipe import load_recipe, recipe_digest
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
    recipe: list[str], count: int, edition: str, curation: Curation, settings: Settings
) -> Asked:
    """What `corpus` is asked.

    Raises:
        BadInput: for an unknown or faulty recipe, none at all, or a count below 1.
    """
    if not recipe:
        raise BadInput("no recipe given; see `seedloom recipes`")
    if count < 1:
        raise BadInput(f"--count is {count}; it must be 1 or more")
    versions = {name: recipe_digest(load_recipe(name)) for name in recipe}
    asked = {"recipes": versions, "count": count, "curation": curation.model_dump(), **_model(settings)}
    return Asked("corpus", "+".join(recipe), edition, asked)


def curate_question(
    name: str, content: str, licence: str | None, shingle: int, edition: str, curation: Curation
) -> Asked:
    """What `curate` is asked; `content` is the digest of the files: changed files are a new question."""
    asked = {"content": content, "licence": licence, "shingle": shingle, "curation": curation.model_dump()}
    return Asked("curate", name, edition, asked)


def model_question(release_id: str, training: Training) -> Asked:
    """What `model` is asked: a release is trained once for the same settings."""
    return Asked("model", release_id, "", {"training": training.model_dump()})


def today() -> str:
    """The default edition: the date, UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _model(settings: Settings) -> dict[str, Any]:
    """What decides which texts come back: not addresses, not limits, not prices."""
    return {"model": settings.identity}
