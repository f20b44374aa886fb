"""The estimate of a run: a few trees of each recipe, and what the whole will take."""

from schemas.partition import Partition
from schemas.settings import Settings
from tasks.bootstrap import bootstrap, count_accepted
from tasks.estimate import estimate
from tasks.expand import expand, plan
from tasks.pool import bootstrap_level
from tasks.recipe import load_recipe
from tasks.rouge import rouge
from warehouse.run import Run

PROBE_TASKS, PROBE_TREES = 64, 24


def estimated(run: Run, recipes: list[str], count: int, among: str, settings: Settings) -> str:
    """What the run will take, in words; the replies of the probe are in the journal, for the run to use."""
    probes = {name: probed(run, name, count, among, settings) for name in recipes}
    return estimate(run, probes, count, settings)


def probed(run: Run, recipe: str, count: int, among: str, settings: Settings) -> list[Partition]:
    """The first round of a bootstrap, if the recipe has one, and the first trees: the run asks them too."""
    loaded = load_recipe(recipe)
    pool: list[Partition] = []
    if bootstrap_level(loaded):
        found = bootstrap(run, recipe, 0, min(count, PROBE_TASKS), pool, among, settings)
        pool = [*found, *rouge(run, found, [], recipe, among)]
    shards = plan(loaded, min(count, PROBE_TREES), count_accepted(run, recipe, pool) if pool else 0)
    return [*pool, *(part for shard in shards[:1] for part in expand(run, recipe, shard, pool, settings))]
