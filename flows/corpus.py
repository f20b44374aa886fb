"""`corpus`: from seeds and recipes to a release."""

from typing import Annotated

from prefect import flow, unmapped
from pydantic import Field

from flows.beginning import begun, edition_or_date
from flows.ending import hand_off
from flows.estimating import estimated
from flows.runner import task_runner
from flows.tail import gathered, judged, released
from schemas.partition import Partition
from schemas.settings import Budget, Curation, Settings
from tasks.bootstrap import MAX_ROUNDS, bootstrap, count_accepted
from tasks.calls.fleet import check_endpoints
from tasks.estimate import account
from tasks.expand import expand, plan
from tasks.names import RECIPES
from tasks.pool import bootstrap_level, lineage
from tasks.question import corpus_question
from tasks.recipe import load_recipe, recipe_names
from tasks.rouge import rouge
from warehouse.run import Run, is_committed

KNOWN = {"items": {"type": "string", "enum": recipe_names()}}  # the form offers the recipes there are


@flow(name="corpus", task_runner=task_runner())
def corpus(
    recipe: Annotated[list[str], Field(min_length=1, json_schema_extra=KNOWN)] = RECIPES,
    count: Annotated[int, Field(ge=1)] = 300,
    edition: str = "",
    curation: Curation = Curation(),  # noqa: B008  (frozen)
    budget: Budget = Budget(),  # noqa: B008  (frozen)
    estimate: bool = False,
) -> str:
    """Grow a corpus from seeds and recipes, and freeze it as a release.

    Args:
        recipe: Names of the recipes, see `seedloom recipes`.
        count: Final samples asked for, of each recipe.
        edition: Names the run; the same edition resumes, a new one makes new data. Empty: the date.
        curation: From samples to a release.
        budget: The most that the run may spend; reaching it stops the run, a higher one resumes it.
        estimate: Only say what the run will take, by a small probe that the run will not pay again.
    """
    settings = Settings().within(budget)
    asked = corpus_question(recipe, count, edition_or_date(edition), curation, settings)
    if not is_committed(settings.root, asked.run_id):
        check_endpoints(settings)
        with begun(asked, settings) as run:
            among = lineage(settings.llm.model, curation.against)
            if estimate:
                return estimated(run, recipe, count, among, settings)
            made = [part for name in recipe for part in grown(run, name, count, curation, among, settings)]
            made += account(run, made, settings)
            run.commit(released(run, made, recipe, count, curation, among))
    return hand_off(settings.root, asked.run_id)


def grown(
    run: Run, recipe: str, count: int, curation: Curation, among: str, settings: Settings
) -> list[Partition]:
    """What one recipe makes, judged."""
    loaded = load_recipe(recipe)
    pool = bootstrapped(run, recipe, count, among, settings) if bootstrap_level(loaded) else []
    shards = plan(loaded, count, count_accepted(run, recipe, pool) if pool else 0)
    trees = expand.map(unmapped(run), unmapped(recipe), shards, unmapped(pool), unmapped(settings))
    return judged(run, [*pool, *gathered(trees)], loaded.checks, curation, among)


def bootstrapped(run: Run, recipe: str, count: int, among: str, settings: Settings) -> list[Partition]:
    """Rounds of new tasks until `count` are accepted, or a round finds nothing new."""
    pool: list[Partition] = []
    accepted = 0
    for number in range(MAX_ROUNDS):
        found = bootstrap(run, recipe, number, count - accepted, pool, among, settings)
        pool = [*pool, *found, *rouge(run, found, pool, recipe, among)]
        before, accepted = accepted, count_accepted(run, recipe, pool)
        if accepted >= count or accepted == before:
            break
    return pool
