"""How many samples were asked for, made and kept, and which filter dropped how many.

Counts are of final samples. One that two filters drop counts for both, and one that fell with what it grew
from counts for the filter that dropped that: the dropped counts need not add up to made - kept.
"""

import json

import polars as pl

from tasks.intervals import Estimate, share
from tasks.survivors import causes, fallen


def funnel(samples: pl.DataFrame, verdicts: pl.DataFrame, asked: int | None = None) -> dict[str, Estimate]:
    """asked, made, kept, kept_share and dropped_<filter> of one scope.

    Range: counts from 0; the share 0 to 1.

    Every filter that judged anything has its row, with 0 when it dropped nothing.

    Args:
        samples: columns sample_id, parent_id, final, of every level.
        verdicts: columns sample_id, filter, keep.
        asked: final samples that were asked for; None leaves the row out.
    """
    final = samples.filter("final").select("sample_id")
    made = final.height
    kept = final.join(fallen(samples, verdicts), on="sample_id", how="anti").height
    blamed = causes(samples, verdicts).join(final, on="sample_id", how="semi")
    dropped = dict(blamed.group_by("filter").len().rows())
    known = samples.select("sample_id")
    filters = verdicts.join(known, on="sample_id", how="semi")["filter"].unique().sort()
    return {
        **({} if asked is None else {"asked": Estimate(float(asked), asked)}),
        "made": Estimate(float(made), made),
        "kept": Estimate(float(kept), made),
        "kept_share": share(kept, made),
        **{f"dropped_{name}": Estimate(float(dropped.get(name, 0)), made) for name in filters},
    }


def keep_rate_gap(samples: pl.DataFrame, verdicts: pl.DataFrame, slot: str = "label") -> float | None:
    """Largest less smallest kept share over the labels asked for: filters can skew labels. Range: 0 to 1.

    None with fewer than two labels. Columns: samples sample_id, parent_id, final, slots; verdicts
    sample_id, keep.
    """
    final = samples.filter("final")
    labels = [json.loads(slots).get(slot) for slots in final["slots"]]
    dropped = set(fallen(samples, verdicts)["sample_id"])
    judged = pl.DataFrame(
        {"label": labels, "kept": [sample_id not in dropped for sample_id in final["sample_id"]]},
        schema={"label": pl.String, "kept": pl.Boolean},
        strict=False,
    ).drop_nulls("label")
    rates = judged.group_by("label").agg(pl.col("kept").mean())["kept"]
    return float(rates.max() - rates.min()) if len(rates) > 1 else None
