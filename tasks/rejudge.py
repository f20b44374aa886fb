"""New verdicts of `minhash` at another threshold, from the signatures that are stored.

Every run is judged again as the filter judged it (`tasks.minhash`): recipe by recipe, under the contract of
its signatures, against the clean samples of its lineage in the runs that were committed before it, clean by
the new verdicts. Only texts of candidates are read. `exact` is asked again too, so that a sample comes back
when what it repeated was withdrawn; signatures of older programs hold no digest, there it stays as it was. A
run that was judged while another one was being made, and so did not see it, sees it now.

Filters after `minhash` are not asked again: what is kept now and was dropped before has no embedding, and
neither `semantic` nor `leak` has judged it. It is counted, so that nobody takes it for more than it is.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl

from schemas.errors import SeedloomError
from schemas.ids import digest
from schemas.partition import Partition
from tasks.exact import exact
from tasks.minhash import minhash
from tasks.pool import lineage
from tasks.recipe import recipe_of
from warehouse.manifest import Manifest
from warehouse.parts import polars_schema, read_part
from warehouse.run import Run
from warehouse.views import define_views
from warehouse.withdrawal import run_of

MADE_BY = ("corpus", "curate")  # flows whose samples are judged
JUDGED = ("exact", "minhash")  # filters that are asked again
LATER = ("embedding", "semantic", "leak")  # filters that come after them

Parts = dict[str, list[Partition]]


class Hindsight(Run):
    """A run that sees some runs of the warehouse only, with other verdicts."""

    seen: Parts = {}

    def earlier(self, sql: str, **frames: pl.DataFrame) -> pl.DataFrame:
        """A query over what it sees."""
        with duckdb.connect(":memory:") as connection:
            define_views(connection, self.root, Manifest(parts=self.seen))
            for name, frame in frames.items():
                connection.register(name, frame)
            return connection.sql(sql).pl()


class Group(NamedTuple):
    """What one call of the filters judged: samples of one recipe in one run."""

    run_id: str
    recipe: str
    shingle: int
    among: str  # SQL condition on the earlier samples they are compared with
    threshold: float  # at which they were judged last
    samples: list[Partition]
    signatures: list[Partition]
    before: list[Partition]  # verdicts of the filters before
    old: Parts  # verdicts by filter, of those that are asked again


class Rejudged(NamedTuple):
    """New verdicts of a group; a filter that says what it said before is not among them."""

    group: Group
    threshold: float
    new: Parts  # by filter
    counts: dict[str, int]


def groups(root: Path, manifest: Manifest) -> list[Group]:
    """All that was judged by `minhash`, in the order in which runs were committed.

    Raises:
        SeedloomError: when a part holds verdicts of several filters.
    """
    runs, verdicts = _runs(root, manifest), _verdicts(root, manifest)
    found = []
    for run_id in [run_id for run_id in manifest.runs if run_id in runs]:
        signatures = _of(manifest.parts, "signature", run_id)
        before = [
            part
            for (made_by, _, name), some in verdicts.items()
            if made_by == run_id and name not in (*JUDGED, *LATER)
            for part in some
        ]
        for recipe, samples in _by_recipe(root, _of(manifest.parts, "sample", run_id)).items():
            old = {name: verdicts.get((run_id, recipe, name), []) for name in JUDGED}
            if any(old.values()):  # `exact` may have dropped all, so that `minhash` had nothing to judge
                said = [read_part(root, part, ["threshold"])["threshold"][0] for part in old["minhash"][:1]]
                last = said[0] if said else runs[run_id].parameters["curation"]["threshold"]
                how = _how(runs[run_id], recipe)
                found.append(Group(run_id, recipe, *how, last, samples, signatures, before, old))
    return found


def judge(run: Run, manifest: Manifest, group: Group, threshold: float, done: list[Rejudged]) -> Rejudged:
    """A group at a threshold, after those that were committed before it.

    Args:
        run: the run that judges.
        manifest: the version that it was begun on.
        group: what is judged.
        threshold: Jaccard similarity, above 0 and at most 1.
        done: the groups that were judged before, of earlier runs and of this one.
    """
    seeing = Hindsight(**run.model_dump(), seen=_seen(manifest, group, done))
    new: Parts = {}
    if _have_digests(run, group):
        again = exact.fn(seeing, group.samples, group.before, group.signatures, group.among)
        _take(run, group, "exact", again, new)
    verdicts = [*group.before, *new.get("exact", group.old["exact"])]
    again = minhash.fn(
        seeing, group.samples, verdicts, group.signatures, threshold, group.shingle, group.among
    )
    _take(run, group, "minhash", again, new)
    return Rejudged(group, threshold, new, _counts(run, manifest, group, new))


def _take(run: Run, group: Group, name: str, again: list[Partition], new: Parts) -> None:
    """Take the verdicts of a filter for new ones, if they say anything else than the old ones."""
    if _differ(run, group.old[name], again):
        new[name] = again
    else:
        run.forget(again)


def replaced(done: list[Rejudged]) -> tuple[list[Partition], list[Partition]]:
    """New parts, and the old ones whose place they take."""
    new = [part for each in done for parts in each.new.values() for part in parts]
    return new, [part for each in done for name in each.new for part in each.group.old[name]]


def question(manifest: Manifest, some: list[Group], threshold: float | None) -> dict[str, Any]:
    """What a rejudging run is asked: the same threshold on other verdicts is another question."""
    old = sorted(part.sha256 for group in some for parts in group.old.values() for part in parts)
    state = digest("rejudge", manifest.runs, old)
    return {
        "threshold": threshold,
        "runs": list(dict.fromkeys(group.run_id for group in some)),
        "state": state,
    }


def _seen(manifest: Manifest, group: Group, done: list[Rejudged]) -> Parts:
    """What was committed before the run of the group, by the new verdicts."""
    before = set(manifest.runs[: manifest.runs.index(group.run_id)])
    new, old = replaced([each for each in done if each.group.run_id in before])
    gone = {part.path for part in old}
    verdicts = [part for part in manifest.parts.get("verdict", []) if part.path not in gone]
    tables = {
        name: [part for part in some if run_of(part) in before] for name, some in manifest.parts.items()
    }
    return {**tables, "verdict": [*verdicts, *new]}


def _by_recipe(root: Path, samples: list[Partition]) -> dict[str, list[Partition]]:
    """Parts by the recipe of their samples: a stage makes those of one."""
    found: dict[str, list[Partition]] = {}
    for part in samples:
        found.setdefault(read_part(root, part, ["recipe"])["recipe"][0], []).append(part)
    return found


def _runs(root: Path, manifest: Manifest) -> dict[str, Run]:
    """The runs that made samples, as they were asked."""
    found = {}
    for part in manifest.parts.get("run", []):
        for row in read_part(root, part).filter(pl.col("flow").is_in(MADE_BY)).iter_rows(named=True):
            facts = {name: row[name] for name in Run.model_fields if name in row}
            asked = {"root": root, "parameters": json.loads(row["parameters"])}
            found[row["run_id"]] = Run(**{**facts, **asked})
    return found


def _how(run: Run, recipe: str) -> tuple[int, str]:
    """Words of a shingle and lineage, as the run was asked."""
    asked = run.parameters
    model = asked.get("model") or ""
    among = lineage(model if isinstance(model, str) else model[0], asked["curation"]["against"])
    return (recipe_of(run, recipe).checks.shingle if run.flow == "corpus" else asked["shingle"]), among


def _verdicts(root: Path, manifest: Manifest) -> dict[tuple[str, str, str], list[Partition]]:
    """Parts of verdicts by run and recipe of the samples that they judge, and by filter."""
    firsts, of = [], manifest.parts.get("verdict", [])
    for part in of:
        rows = read_part(root, part, ["sample_id", "filter"])
        if (names := rows["filter"].unique()).len() > 1:
            raise SeedloomError(f"part {part.path} holds verdicts of {sorted(names)}: it cannot be replaced")
        firsts.append({"path": part.path, "sample_id": rows["sample_id"][0], "filter": names[0]})
    with duckdb.connect(":memory:") as connection:
        define_views(connection, root, manifest)
        schema = dict.fromkeys(("path", "sample_id", "filter"), pl.String)
        connection.register("first", pl.DataFrame(firsts, schema=schema))
        owners = connection.sql(
            "SELECT path, run_id, recipe, filter FROM first JOIN sample USING (sample_id)"
        )
        keys = {path: tuple(key) for path, *key in owners.fetchall()}
    found: dict[tuple[str, str, str], list[Partition]] = {}
    for part in of:
        if part.path in keys:
            found.setdefault(keys[part.path], []).append(part)
    return found


def _of(parts: Parts, table: str, run_id: str) -> list[Partition]:
    return [part for part in parts.get(table, []) if run_of(part) == run_id]


def _have_digests(run: Run, group: Group) -> bool:
    return any(run.read(part, ["digest"])["digest"].null_count() < part.rows for part in group.signatures)


def _differ(run: Run, old: list[Partition], new: list[Partition]) -> bool:
    columns = ["sample_id", "keep", "score", "threshold", "witness_id"]
    before, after = (_read(run, parts, columns).sort("sample_id") for parts in (old, new))
    return not before.equals(after)


def _counts(run: Run, manifest: Manifest, group: Group, new: Parts) -> dict[str, int]:
    """How many samples both filters keep, before and after, and who changed sides."""
    before, after = (_kept(run, group, {**group.old, **more}) for more in ({}, new))
    came = after.join(before, on="sample_id", how="anti")
    vectors = _read(run, _of(manifest.parts, "embedding", group.run_id), ["sample_id"])
    return {
        "kept_before": before.height,
        "kept_after": after.height,
        "newly_dropped": before.join(after, on="sample_id", how="anti").height,
        "newly_kept": came.height,
        "without_embedding": came.join(vectors, on="sample_id", how="anti").height,
    }


def _kept(run: Run, group: Group, verdicts: Parts) -> pl.DataFrame:
    """Ids that `minhash` keeps: it judges what `exact` kept."""
    return _read(run, verdicts["minhash"], ["sample_id", "keep"]).filter("keep").select("sample_id")


def _read(run: Run, parts: list[Partition], columns: list[str]) -> pl.DataFrame:
    table = parts[0].table if parts else "verdict"
    none = pl.DataFrame(schema={name: polars_schema(table)[name] for name in columns})
    return pl.concat([none, *(run.read(part, columns) for part in parts)])
