"""Freezing a corpus: choose the clean samples, split them by tree, judge the gates, write files and card.

A release gathers what its recipes made by its model, in this run and in earlier ones (or in this run alone),
and that no filter dropped. The split is a function of the tree's root alone, so that siblings never face each
other across it and a sample does not change sides from one release to the next.
"""

import hashlib
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.ids import canonical, digest
from schemas.partition import Partition
from schemas.settings import Curation
from schemas.tables import Gate
from tasks.card import card
from tasks.export import export
from tasks.gates import judge_gates
from tasks.pool import clean
from warehouse.parts import polars_schema
from warehouse.run import Run

ORDER = ["recipe", "origin", "run_id", "ordinal", "sample_id"]  # of the rows in a release


def choose(run: Run, parts: list[Partition], recipes: list[str], among: str) -> pl.DataFrame:
    """The clean final samples of this run and, by the lineage condition, of earlier ones."""
    names = ", ".join("'" + name.replace("'", "''") + "'" for name in recipes)
    earlier = run.earlier(
        f"SELECT * FROM clean_sample AS sample WHERE final AND recipe IN ({names}) AND {among}"
    )
    fresh = clean(run, parts).filter("final")
    schema = polars_schema("sample")
    return pl.concat([earlier.cast(schema), fresh.cast(schema)]).sort(ORDER)


def split(samples: pl.DataFrame, heldout: float) -> pl.DataFrame:
    """Add column `split`: a tree is held out when the hash of its root, as a number in [0, 1), is small.

    Of two trees or more at least one is held out, so that no small corpus is blocked by chance; only that one
    may change sides when the corpus grows.
    """
    shares = {root: _share(root) for root in samples["root_id"].unique().sort()}
    least = min(shares.values(), default=0.0) if len(shares) > 1 else 0.0
    sides = {
        root: "heldout" if share < heldout or share == least else "train" for root, share in shares.items()
    }
    return samples.with_columns(split=pl.col("root_id").replace_strict(sides, return_dtype=pl.String))


def row_digest(samples: pl.DataFrame) -> str:
    """SHA-256 over the sorted canonical rows (split, text, messages): equal corpora have equal digests."""
    rows = samples.select("split", "text", "messages").iter_rows()
    total = hashlib.sha256()
    for row in sorted(canonical(row) for row in rows):
        total.update(row + b"\n")
    return total.hexdigest()


@task(name="release", cache_policy=NO_CACHE)
def release(
    run: Run, parts: list[Partition], recipes: list[str], curation: Curation, among: str
) -> list[Partition]:
    """Freeze the corpus: rows of `release` and `member`, files and card under releases/."""

    def make() -> dict[str, pl.DataFrame]:
        chosen = split(choose(run, parts, recipes, among), curation.heldout)
        gates = judge_gates(run, parts, chosen, curation)
        return _freeze(run, parts, chosen, gates)

    return run.once("release", parts, {"recipes": recipes, "among": among}, make)


def _share(root_id: str) -> float:
    return int.from_bytes(hashlib.blake2b(root_id.encode(), digest_size=8).digest()) / 2**64


def _freeze(
    run: Run, parts: list[Partition], chosen: pl.DataFrame, gates: list[Gate]
) -> dict[str, pl.DataFrame]:
    rows = row_digest(chosen)
    release_id = digest("release", run.run_id, rows)
    folder = Path("releases") / release_id
    models = chosen["model"].drop_nulls().unique().sort().to_list()
    row = {
        "release_id": release_id,
        "run_id": run.run_id,
        "name": run.name,
        "edition": run.edition,
        "model": " + ".join(models) or None,
        "n_train": chosen.filter(pl.col("split") == "train").height,
        "n_heldout": chosen.filter(pl.col("split") == "heldout").height,
        "passed": all(gate.passed for gate in gates if gate.blocks),
        "gates": [gate.model_dump() for gate in gates],
        "path": str(folder),
        "row_digest": rows,
    }
    files = export(run.root / folder, chosen, card(run, parts, chosen, row))
    row["files"] = [file.model_dump() for file in files]
    members = chosen.select("sample_id", "split").with_columns(
        release_id=pl.lit(release_id), run_id=pl.lit(run.run_id)
    )
    return {"release": pl.DataFrame([row], schema=polars_schema("release")), "member": members}
