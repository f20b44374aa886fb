"""Which samples no filter dropped, nor what they grew from: the rule of `clean_sample.sql`, on frames."""

import polars as pl


def fallen(samples: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Ids that are dropped: judged so, or grown from one that is.

    Args:
        samples: columns sample_id, parent_id, of every level.
        verdicts: columns sample_id, keep.

    Returns:
        Column sample_id, each id once, sorted.
    """
    children = samples.select("sample_id", pl.col("parent_id").alias("parent"))
    found = layer = verdicts.filter(~pl.col("keep")).select("sample_id").unique()
    while layer.height:
        grown = children.join(layer, left_on="parent", right_on="sample_id", how="semi").select("sample_id")
        layer = grown.unique().join(found, on="sample_id", how="anti")
        found = pl.concat([found, layer])
    return found.sort("sample_id")


def causes(samples: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Columns filter, sample_id: every sample that a filter drops, itself or by what it grew from; sorted."""
    blamed = verdicts.filter(~pl.col("keep")).select("filter", "sample_id").unique()
    each = [
        fallen(samples, group.with_columns(keep=pl.lit(False))).with_columns(filter=pl.lit(name))
        for (name,), group in blamed.group_by("filter")
    ]
    empty = pl.DataFrame(schema={"filter": pl.String, "sample_id": pl.String})
    return pl.concat([empty, *(frame.select("filter", "sample_id") for frame in each)]).sort(
        "filter", "sample_id"
    )


def survivors(samples: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """The final samples that are not fallen, sorted by id; needs columns sample_id, parent_id, final."""
    dropped = fallen(samples, verdicts)
    return samples.filter("final").join(dropped, on="sample_id", how="anti").sort("sample_id")
