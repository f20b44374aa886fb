"""What the statistics of a set of texts are made from: counts, sums, and its hash sample. Two sets add.

`gathered` reads rows once; `joined` makes the state of a union of disjoint sets from theirs, so that parts
are read one by one, recipes make a run, and runs make a lineage without being read again. Counts are exact
whole numbers, sums are float64, and the sample of a union is that of the union of the samples: the m rows
with the smallest SHA-256 of their id.
"""

from collections import Counter
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks import clusters, spread, tallies
from tasks.design import Design
from tasks.neighbours import bottom
from tasks.spread import Moments
from tasks.tallies import Counts, label_of

M = 20_000  # texts and vectors of the sample
TEXTS = {"sample_id": pl.String, "text": pl.String, "instruction": pl.String, "label": pl.String}


class State(NamedTuple):
    """All that is known of a set."""

    counts: Counts
    texts: pl.DataFrame  # TEXTS, the sample in its order
    sums: Moments | None  # None without vectors
    ids: list[str]  # of the sample of those with a vector, in its order
    vectors: np.ndarray  # (k, d) float32, their vectors


def nothing() -> State:
    """The state of no texts."""
    return State(Counter(), pl.DataFrame(schema=TEXTS), None, [], np.zeros((0, 0), np.float32))


def of_texts(samples: pl.DataFrame, design: Design) -> State:
    """The state of kept final samples without vectors; columns of `tallies.counted`, and instruction."""
    counts = tallies.counted(samples, design)
    chosen = samples[bottom(samples["sample_id"].to_list(), M)]
    instruction = pl.col("instruction") if "instruction" in samples.columns else pl.lit(None, pl.String)
    texts = chosen.select("sample_id", "text", instruction=instruction, label=label_of(chosen["slots"]))
    return nothing()._replace(counts=counts, texts=texts)


def of_vectors(ids: Sequence[str], vectors: np.ndarray, encoder: str) -> State:
    """The state of (n, d) unit vectors without their texts."""
    chosen = bottom(ids, M)
    cells = clusters.cell_counts(vectors, clusters.directions(vectors.shape[1]))
    name = codebook(vectors.shape[1], encoder)
    return nothing()._replace(
        counts=Counter({(name, str(cell)): int(n) for cell, n in enumerate(cells)}),
        sums=spread.moments(vectors),
        ids=[ids[place] for place in chosen],
        vectors=np.asarray(vectors[chosen], np.float32),
    )


def codebook(d: int, encoder: str) -> str:
    """The name under which the cells of one encoder are counted."""
    return f"cells/directions-{clusters.K}x{d}/{encoder}"


def joined(states: Sequence[State]) -> State:
    """The state of the union of disjoint sets.

    Sums of float64 depend on the order in the last bit: give the states in a fixed one.
    """
    sums = [state.sums for state in states if state.sums is not None]
    texts = pl.concat([pl.DataFrame(schema=TEXTS), *(state.texts for state in states)])
    ids = [i for state in states for i in state.ids]
    rows = [state.vectors for state in states if len(state.ids)]
    chosen = bottom(ids, M)
    return State(
        tallies.added(state.counts for state in states),
        texts[bottom(texts["sample_id"].to_list(), M)],
        reduce(add, sums) if sums else None,
        [ids[place] for place in chosen],
        np.concatenate(rows)[chosen] if rows else np.zeros((0, 0), np.float32),
    )
