"""`corpus`: from seeds and recipes to a release."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.beginning import begun, edition_or_date
from flows.ending import hand_off
from flows.estimating import estimated
from flows.growing import grown
from flows.runner import task_runner
from flows.tail import released
from schemas.settings import Budget, Curation, Making, Settings
from tasks.calls.fleet import check_endpoints
from tasks.estimate import account
from tasks.names import RECIPES
from tasks.pool import lineage
from tasks.question import corpus_question
from tasks.recipe import recipe_names
from warehouse.run import is_committed

KNOWN_ONE = {"enum": recipe_names()}  # the form offers the recipes there are
KNOWN = {"items": {"type": "string", **KNOWN_ONE}}


@flow(name="corpus", task_runner=task_runner())
def corpus(
    recipe: Annotated[list[str], Field(min_length=1, json_schema_extra=KNOWN)] = RECIPES,
    count: Annotated[int, Field(ge=1)] = 300,
    edition: str = "",
    making: Making = Making(),  # noqa: B008  (frozen)
    curation: Curation = Curation(),  # noqa: B008  (frozen)
    budget: Budget = Budget(),  # noqa: B008  (frozen)
    estimate: bool = False,
) -> str:
    """Grow a corpus from seeds and recipes, and freeze it as a release.

    Args:
        recipe: Names of the recipes, see `seedloom recipes`.
        count: Final samples asked for, of each recipe.
        edition: Names the run; the same edition resumes, a new one makes new data. Empty: the date.
        making: From recipes to samples.
        curation: From samples to a release.
        budget: The most that the run may spend; reaching it stops the run, a higher one resumes it.
        estimate: Only say what the run will take, by a small probe that the run will not pay again.
    """
    settings = Settings().within(budget)
    asked = corpus_question(recipe, count, edition_or_date(edition), making, curation, settings)
    if not is_committed(settings.root, asked.run_id):
        check_endpoints(settings)
        names = list(asked.parameters["recipes"])
        with begun(asked, settings) as run:
            among = lineage(settings.llm.model, curation.against)
            if estimate:
                return estimated(run, names, count, making, among, settings)
            made = grown(run, names, count, making, curation, among, settings)
            made += account(run, made, settings)
            run.commit(released(run, made, names, count, curation, among))
    return hand_off(settings.root, asked.run_id)
