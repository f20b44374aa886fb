"""How many samples were asked for, made and kept, which filter dropped how many, and what they cost.

Counts are of final samples. One that two filters drop counts for both, and one that fell with what it grew
from counts for the filter that dropped that: the dropped counts need not add up to made - kept. All are whole
numbers that add over recipes and runs (tasks/tallies.py); money is counted in billionths of a USD.

    made, kept, valid   n; dropped: by filter; label_made: by label, of LABELS labels or fewer;
                        score/quality: kept texts by score, to 0.001
    calls, nano_usd, unpriced   by level: calls, what they cost when first paid, and those without a price
"""

from collections import Counter

import polars as pl

from tasks.intervals import Estimate, share
from tasks.survivors import causes, fallen, survivors
from tasks.tallies import LABELS, Counts, label_estimates, label_of, of

VALIDITY = ("format", "language", "quality")  # filters that tell text from noise
NANO = 1_000_000_000


def funnel(samples: pl.DataFrame, verdicts: pl.DataFrame, asked: int | None = None) -> dict[str, Estimate]:
    """asked, made, kept, kept_share, valid_share, leak_records and dropped_<filter> of one scope.

    Range: counts from 0; the shares 0 to 1.

    Every filter that judged anything has its row, with 0 when it dropped nothing.

    Args:
        samples: columns sample_id, parent_id, final, of every level.
        verdicts: columns sample_id, filter, keep.
        asked: final samples that were asked for; None leaves the row out.
    """
    return estimates(counted(samples, verdicts), asked)


def counted(samples: pl.DataFrame, verdicts: pl.DataFrame) -> Counts:
    """The counts of the funnel; of labels where samples have `label`, of scores where verdicts do."""
    final = samples.filter("final")
    dropped = fallen(samples, verdicts)
    blamed = causes(samples, verdicts).join(final.select("sample_id"), on="sample_id", how="semi")
    judged = verdicts.join(samples.select("sample_id"), on="sample_id", how="semi")["filter"].unique()
    invalid = blamed.filter(pl.col("filter").is_in(VALIDITY))["sample_id"].n_unique()
    kept = final.join(dropped, on="sample_id", how="anti")
    counts = Counter({("made", "n"): final.height, ("kept", "n"): kept.height})
    if set(judged) & set(VALIDITY):
        counts["valid", "n"] = final.height - invalid
    counts.update({("dropped", name): 0 for name in judged})
    counts.update({("dropped", name): n for name, n in blamed.group_by("filter").len().rows()})
    if "label" in samples.columns:
        made = final.drop_nulls("label").group_by("label").len().rows()
        counts.update({("label_made", label): n for label, n in made if len(made) <= LABELS})
    if "score" in verdicts.columns:
        counts.update(scores(verdicts.join(kept.select("sample_id"), on="sample_id", how="semi")))
    return counts


def scores(verdicts: pl.DataFrame) -> Counts:
    """How often each score of `quality` occurs, to 0.001; columns filter, score, rows of kept samples."""
    judged = verdicts.filter(pl.col("filter") == "quality")["score"].drop_nulls().round(3)
    return Counter({("score/quality", f"{score:.3f}"): n for score, n in judged.value_counts().rows()})


def costs(calls: pl.DataFrame) -> Counts:
    """Calls and money by level: columns level, cost_usd, reply.

    The price is that of the first time, though the journal may have answered this time: a run that was
    resumed has the figures of one that was not. What a run itself paid is in the mart `cost_per_kept`.
    """
    by_level = calls.group_by("level").agg(
        calls=pl.len(),
        nano_usd=(pl.col("cost_usd").fill_null(0) * NANO).round().cast(pl.Int64).sum(),
        unpriced=(pl.col("reply").is_not_null() & pl.col("cost_usd").is_null()).sum(),
    )
    return Counter(
        {
            (name, row["level"]): int(row[name])
            for row in by_level.iter_rows(named=True)
            for name in ("calls", "nano_usd", "unpriced")
        }
    )


def estimates(counts: Counts, asked: int | None = None) -> dict[str, Estimate]:
    """The statistics of the funnel from its counts, those of `funnel` and with calls also those of money."""
    made, kept = counts["made", "n"], counts["kept", "n"]
    dropped = of(counts, "dropped")
    valid = {"valid_share": share(counts["valid", "n"], made)} if ("valid", "n") in counts else {}
    leaks = {"leak_records": Estimate(float(dropped["leak"]), made)} if "leak" in dropped else {}
    return {
        **({} if asked is None else {"asked": Estimate(float(asked), asked)}),
        "made": Estimate(float(made), made),
        "kept": Estimate(float(kept), made),
        "kept_share": share(kept, made),
        **{f"dropped_{name}": Estimate(float(n), made) for name, n in sorted(dropped.items())},
        **valid,
        **leaks,
        **_money(of(counts, "calls"), of(counts, "nano_usd"), of(counts, "unpriced"), kept),
    }


def stages(counts: Counts) -> dict[str, dict[str, Estimate]]:
    """By stage: the share of the made samples that a filter drops, or what the calls of a level cost.

    Range: dropped_share 0 to 1; usd and usd_per_kept from 0, null when a price is unknown.
    """
    made, kept = counts["made", "n"], counts["kept", "n"]
    found = {name: {"dropped_share": share(n, made)} for name, n in of(counts, "dropped").items()}
    for level in of(counts, "calls"):
        one = ({level: counts[name, level]} for name in ("calls", "nano_usd", "unpriced"))
        found.setdefault(level, {}).update(_money(*one, kept))
    return found


def _money(
    calls: dict[str, int], nano_usd: dict[str, int], unpriced: dict[str, int], kept: int
) -> dict[str, Estimate]:
    n = sum(calls.values())
    if not n:
        return {}
    usd = None if sum(unpriced.values()) else sum(nano_usd.values()) / NANO
    each = None if usd is None or not kept else usd / kept
    return {"calls": Estimate(float(n), n), "usd": Estimate(usd, n), "usd_per_kept": Estimate(each, kept)}


def keep_rate_gap(samples: pl.DataFrame, verdicts: pl.DataFrame) -> float | None:
    """Largest less smallest kept share over the labels asked for: filters can skew labels. Range: 0 to 1.

    None with fewer than two labels. Columns: samples sample_id, parent_id, final, slots; verdicts
    sample_id, filter, keep.
    """
    made = samples.with_columns(label=label_of(samples["slots"]))
    kept = survivors(made, verdicts)
    counts = counted(made, verdicts)
    counts.update({("label_kept", label): n for label, n in kept.group_by("label").len().rows() if label})
    estimate = label_estimates(counts).get("keep_rate_gap")
    return estimate and estimate.value
