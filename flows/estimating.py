"""The estimate of a run: a few trees of each recipe, and what the whole will take."""

from flows.growing import n_roots
from schemas.partition import Partition
from schemas.settings import Making, Settings
from tasks.bootstrap import bootstrap
from tasks.estimate import estimate
from tasks.expand import expand, finals_per_tree, plan, trees_for
from tasks.pool import bootstrap_level
from tasks.recipe import recipe_of
from tasks.rouge import rouge
from tasks.sources import source
from warehouse.run import Run

PROBE_TASKS, PROBE_TREES = 64, 24


def estimated(
    run: Run, recipes: list[str], count: int, making: Making, among: str, settings: Settings
) -> str:
    """What the run will take, in words; the replies of the probe are in the journal, for the run to use."""
    probes = {name: probed(run, name, count, making, among, settings) for name in recipes}
    return estimate(run, probes, count, settings)


def probed(
    run: Run, recipe: str, count: int, making: Making, among: str, settings: Settings
) -> list[Partition]:
    """The first round of a bootstrap, if the recipe has one, and the first trees: the run asks them too."""
    loaded = recipe_of(run, recipe)
    roots: list[Partition] = []
    if loaded.source is not None:
        roots = source(run, recipe, trees_for(loaded, count), making.source)
    elif bootstrap_level(loaded):
        found = bootstrap(run, recipe, 0, min(count, PROBE_TASKS), [], among, settings)
        roots = [*found, *rouge(run, found, [], recipe, among)]
    n_trees = min(PROBE_TREES, n_roots(run, recipe, roots)) if roots else 0
    shards = plan(loaded, min(count, PROBE_TREES * finals_per_tree(loaded)), n_trees)
    return [*roots, *(part for shard in shards[:1] for part in expand(run, recipe, shard, roots, settings))]
