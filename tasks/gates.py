"""The rules a release must pass before anybody trains on it.

Diversity alone cannot be the gate: shuffled words look more diverse than text. So the gate is a conjunction.
Rules whose bound has a source block; the others are shown for now, until eight releases tell their spread. A
value that cannot be known does not pass.
"""

import polars as pl

from schemas.partition import Partition
from schemas.settings import Curation
from schemas.tables import Gate
from warehouse.run import Run

# metric of the run -> (bound, whether more is better, rule)
WATCHED = {
    "rouge_nn_share": (0.02, False, "texts with a neighbour above ROUGE-L 0.7, share at most"),
    "nn_cosine_share": (0.05, False, "texts with a neighbour above cosine 0.9, share at most"),
    "opener_top10_share": (
        0.2,
        False,
        "texts that begin with one of the ten commonest openers, share at most",
    ),
    "slot_hit_rate": (0.9, True, "requested words that are in the text, share at least"),
}


def judge_gates(run: Run, parts: list[Partition], chosen: pl.DataFrame, curation: Curation) -> list[Gate]:
    """All gates of a release, those that block first."""
    metrics = {
        row["metric"]: row["value"]
        for part in parts
        if part.table == "metric"
        for row in run.read(part).filter(pl.col("scope") == "run").iter_rows(named=True)
    }
    return [
        *_blocking(chosen, curation),
        *(_watch(name, metrics.get(name)) for name in WATCHED if name in metrics),
    ]


def _blocking(chosen: pl.DataFrame, curation: Curation) -> list[Gate]:
    n_train = chosen.filter(pl.col("split") == "train").height
    n_heldout = chosen.height - n_train
    crossing = chosen.group_by("root_id").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).height
    repeated = chosen.height - chosen["text"].n_unique()
    return [
        _at_least("size", n_train, curation.min_train, "training rows, at least"),
        _at_least("heldout", n_heldout, 1, "held-out rows, at least"),
        _at_most("split", crossing, 0, "trees with rows on both sides of the split, at most"),
        _at_most("exact", repeated, 0, "rows that repeat another to the letter, at most"),
    ]


def _at_least(name: str, value: float, bound: float, rule: str) -> Gate:
    return Gate(name=name, passed=value >= bound, value=value, threshold=bound, blocks=True, rule=rule)


def _at_most(name: str, value: float, bound: float, rule: str) -> Gate:
    return Gate(name=name, passed=value <= bound, value=value, threshold=bound, blocks=True, rule=rule)


def _watch(name: str, value: float | None) -> Gate:
    bound, more_is_better, rule = WATCHED[name]
    passed = None if value is None else (value >= bound if more_is_better else value <= bound)
    return Gate(name=name, passed=passed, value=value, threshold=bound, blocks=False, rule=rule)
