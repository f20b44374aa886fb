"""How `corpus` grows what its recipes make: pools and sources first, then trees, in one go or steered."""

from prefect import unmapped

from flows.tail import gathered, judged, of
from schemas.partition import Partition
from schemas.settings import Curation, Making, Settings
from tasks.bootstrap import MAX_ROUNDS, bootstrap, count_accepted
from tasks.embed import embed
from tasks.expand import Shard, expand, plan, roots_of, trees_for
from tasks.pool import bootstrap_level
from tasks.prompting import Draws
from tasks.recipe import recipe_of
from tasks.rouge import rouge
from tasks.sources import source
from tasks.steer import Grown, rounds_for, steer
from warehouse.run import Run


def grown(
    run: Run,
    recipes: list[str],
    count: int,
    making: Making,
    curation: Curation,
    among: str,
    settings: Settings,
) -> list[Partition]:
    """What all recipes make, judged."""
    roots = {name: rooted(run, name, count, making, among, settings) for name in recipes}
    passing: list[Partition] = []
    if making.steer == "off":
        trees = {name: straight(run, name, count, roots[name], settings) for name in recipes}
    else:
        trees = steered(run, roots, count, making, curation, among, settings, passing)
    made = {name: [*roots[name], *trees[name]] for name in recipes}
    judged_parts = all_judged(run, made, curation, among)
    lasting = {part.path for part in judged_parts}
    run.forget([part for part in passing if part.path not in lasting])
    return judged_parts


def all_judged(run: Run, made: dict[str, list[Partition]], curation: Curation, among: str) -> list[Partition]:
    """What each recipe made, with the verdicts of all filters."""
    parts: list[Partition] = []
    for name, grown_parts in made.items():
        loaded = recipe_of(run, name)
        parts += judged(run, grown_parts, loaded.checks, loaded.language, curation, among)
    return parts


def rooted(
    run: Run, recipe: str, count: int, making: Making, among: str, settings: Settings
) -> list[Partition]:
    """What trees grow from, for the recipes that do not draw it: rows of files, or a pool of tasks."""
    loaded = recipe_of(run, recipe)
    if loaded.source is not None:
        return source(run, recipe, trees_for(loaded, count), making.source)
    return bootstrapped(run, recipe, count, among, settings) if bootstrap_level(loaded) else []


def straight(
    run: Run, recipe: str, count: int, roots: list[Partition], settings: Settings
) -> list[Partition]:
    """The trees of a recipe as it is designed."""
    shards = plan(recipe_of(run, recipe), count, n_roots(run, recipe, roots))
    return expanded(run, recipe, shards, roots, settings)


def steered(
    run: Run,
    roots: dict[str, list[Partition]],
    count: int,
    making: Making,
    curation: Curation,
    among: str,
    settings: Settings,
    passing: list[Partition],
) -> dict[str, list[Partition]]:
    """Trees in rounds: before each, what was made so far decides what is drawn, for the same money.

    The parts that were judged on the way are added to `passing`: later verdicts take the place of some.
    """
    trees: dict[str, list[Partition]] = {name: [] for name in roots}
    planned = {name: n_planned(run, name, count, roots[name]) for name in roots}
    far = {name: Grown() for name in roots}
    fresh: list[Partition] = []
    for number in range(rounds_for(len(roots))):
        made = {name: [*roots[name], *trees[name]] for name in roots}
        known = all_judged(run, made, curation, among)
        passing += known
        vectors: list[Partition] = []
        if making.steer == "diversity" and number:
            how = (curation.encoder, curation.backend)
            vectors = of("embedding", embed(run, of("sample", known), of("verdict", known), *how))
        plans = steer(run, making.steer, number, planned, far, known, fresh, vectors, among)
        fresh = []
        for name, plan_of in plans.items():
            grew = expanded(run, name, plan_of.shards, roots[name], settings, plan_of.draws)
            fresh += grew
            trees[name] += grew
            far[name] = plan_of.grown
    return trees


def expanded(
    run: Run,
    recipe: str,
    shards: list[Shard],
    roots: list[Partition],
    settings: Settings,
    draws: Draws | None = None,
) -> list[Partition]:
    """All levels of some trees."""
    here, drawn = unmapped(run), unmapped(draws)
    grows_from = [roots_of(recipe_of(run, recipe), roots, shard) for shard in shards]
    return gathered(expand.map(here, unmapped(recipe), shards, grows_from, unmapped(settings), drawn))


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


def n_roots(run: Run, recipe: str, roots: list[Partition]) -> int:
    """How many trees can grow from what is there."""
    if recipe_of(run, recipe).source is not None:
        return sum(part.rows for part in of("sample", roots))
    return count_accepted(run, recipe, roots) if roots else 0


def n_planned(run: Run, recipe: str, count: int, roots: list[Partition]) -> int:
    """How many trees `count` final samples take, as the recipe is designed."""
    loaded = recipe_of(run, recipe)
    return n_roots(run, recipe, roots) if roots else trees_for(loaded, count)
