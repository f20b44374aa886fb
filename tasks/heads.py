"""Where each tree stands in an evolution: its newest text that survived (Xu et al. 2023, arXiv 2304.12244).

An evolved text takes the place of the one it grew from when no filter dropped it and, on every level below
that judges nothing, a child of it was kept. What failed goes back to the pool unchanged: the tree is where it
was before.
"""

import polars as pl

from schemas.recipe import Recipe


def heads(parents: pl.DataFrame, kept: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """The rows of the source with `sample_id` and `text` of their newest survivor.

    Args:
        parents: kept rows of the source's level.
        kept: kept samples of all levels.
        recipe: with an evolution.
    """
    level = recipe.evolution.level
    survivors = kept.filter(pl.col("level") == level)
    for below in recipe.levels:
        if below.parent == level and below.judge is None:
            children = kept.filter(pl.col("level") == below.name).select(sample_id="parent_id")
            survivors = survivors.join(children, on="sample_id", how="semi")
    newest = survivors.sort("ordinal").group_by("root_id", maintain_order=True).last()
    found = parents.join(newest.select("root_id", new_id="sample_id", new="text"), on="root_id", how="left")
    return found.with_columns(
        sample_id=pl.coalesce("new_id", "sample_id"), text=pl.coalesce("new", "text")
    ).select(parents.columns)
