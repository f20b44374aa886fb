"""Freezing a corpus: choose the clean samples, split them by tree, judge the gates, write files and card.

A release gathers what its recipes made by its model, in this run and in earlier ones (or in this run
alone), and that no filter dropped. With evaluation sets, earlier samples that repeat them are dropped now:
they were judged against others, or none. The split is a function of the tree's root alone, so that siblings
never face each other across it and a sample does not change sides from one release to the next.

A selection (`tasks.selection`) freezes two releases with the same held-out side: what was selected, and a
control of as many training rows by chance. Nothing takes a control (column `control_of`) unless it is
named.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

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
from tasks.leak import leaking
from tasks.pool import clean
from tasks.selection import select
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
        chosen = choose(run, parts, recipes, among)
        how = (curation.evaluation, curation.encoder, curation.backend)
        leaks = leaking(run, chosen.filter(pl.col("run_id") != run.run_id), *how)
        clean_rows = split(chosen.join(leaks, on="sample_id", how="anti"), curation.heldout)
        return {**drafted(clean_rows), "verdict": leaks}

    def drafted(clean_rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
        if curation.select == "all":
            return _frozen(run, parts, curation, [Draft(clean_rows, _id(run, clean_rows))])
        found = select(run, parts, clean_rows, curation)
        chosen = _id(run, found.chosen)
        control = digest("control", chosen, row_digest(found.control))
        drafts = [
            Draft(found.chosen, chosen, found.how | {"control": control}),
            Draft(found.control, control, found.how | {"control_of": chosen}),
        ]
        return _frozen(run, parts, curation, drafts)

    settings = {"recipes": recipes, "among": among, "curation": curation.model_dump()}
    return run.once("release", parts, settings, make)


class Draft(NamedTuple):
    """A release that is about to be frozen."""

    rows: pl.DataFrame  # rows of `sample` with `split`
    release_id: str
    how: dict[str, Any] | None = None  # how its training rows were selected


def _id(run: Run, rows: pl.DataFrame) -> str:
    return digest("release", run.run_id, row_digest(rows))


def _share(root_id: str) -> float:
    return int.from_bytes(hashlib.blake2b(root_id.encode(), digest_size=8).digest()) / 2**64


def _frozen(
    run: Run, parts: list[Partition], curation: Curation, drafts: list[Draft]
) -> dict[str, pl.DataFrame]:
    """Write the files and the cards; rows of `release` and of `member`."""
    rows = [_freeze(run, parts, draft, judge_gates(run, parts, draft.rows, curation)) for draft in drafts]
    members = [
        draft.rows.select("sample_id", "split").with_columns(
            release_id=pl.lit(draft.release_id), run_id=pl.lit(run.run_id)
        )
        for draft in drafts
    ]
    return {"release": pl.DataFrame(rows, schema=polars_schema("release")), "member": pl.concat(members)}


def _freeze(run: Run, parts: list[Partition], draft: Draft, gates: list[Gate]) -> dict[str, Any]:
    folder = Path("releases") / draft.release_id
    models = draft.rows["model"].drop_nulls().unique().sort().to_list()
    control_of = (draft.how or {}).get("control_of")
    row = {
        "release_id": draft.release_id,
        "run_id": run.run_id,
        "name": f"{run.name}/control" if control_of else run.name,
        "edition": run.edition,
        "model": " + ".join(models) or None,
        "n_train": draft.rows.filter(pl.col("split") == "train").height,
        "n_heldout": draft.rows.filter(pl.col("split") == "heldout").height,
        "passed": all(gate.passed for gate in gates if gate.blocks),
        "gates": [gate.model_dump() for gate in gates],
        "path": str(folder),
        "row_digest": row_digest(draft.rows),
        "selection": draft.how and canonical(draft.how).decode(),
        "control_of": control_of,
    }
    files = export(run.root / folder, draft.rows, card(run, parts, draft.rows, row))
    return row | {"files": [file.model_dump() for file in files]}
