"""Growing a recipe without Prefect: what the tests of recipes begin with."""

import polars as pl

from schemas.settings import Settings
from tasks.bootstrap import bootstrap
from tasks.expand import expand, plan, trees_for
from tasks.pool import accepted, bootstrap_level, clean, rows_of
from tasks.recipe import asked_recipe, load_recipe
from tasks.rouge import rouge
from tasks.sources import source
from warehouse.run import begin


def asked_run(root, *names, changes=(), edition="first"):
    """A run that was asked for these recipes, with changes."""
    recipes = {name: asked_recipe(load_recipe(name, tuple(changes))) for name in names}
    return begin(root, "corpus", "+".join(names), edition, {"recipes": recipes})


def grown(root, name, count, source_files=(), changes=(), settings=None, rounds=1, edition="first"):
    """The tables of what a recipe makes, before the tail: sample (kept ones: `clean`), verdict, call, reject."""
    settings = settings or Settings(root=root)
    run = asked_run(root, name, changes=changes, edition=edition)
    recipe = load_recipe(name, tuple(changes))
    roots, n = [], 0
    if recipe.source is not None:
        roots = source.fn(run, recipe.name, trees_for(recipe, count), list(map(str, source_files)))
        n = sum(part.rows for part in roots if part.table == "sample")
    elif bootstrap_level(recipe):
        for number in range(rounds):
            found = bootstrap.fn(run, recipe.name, number, count, roots, "false", settings)
            roots = [*roots, *found, *rouge.fn(run, found, roots, recipe.name, "false")]
        n = accepted(run, recipe.name, roots).height
    parts = list(roots)
    for shard in plan(recipe, count, n):
        parts += expand.fn(run, recipe.name, shard, roots, settings)
    tables = {table: rows_of(run, parts, table) for table in ("sample", "verdict", "call", "reject")}
    kept = clean(run, parts)
    return {**tables, "clean": kept, "final": kept.filter(pl.col("final"))}
