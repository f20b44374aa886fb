"""`seedloom rejudge`: new verdicts on near-duplicates, without making or signing anything again."""

import contextlib
import shutil
from typing import Any

from flows.beginning import begun
from flows.console import Common, bars, plain, say, stderr
from schemas.errors import BadInput
from schemas.settings import Settings
from tasks.question import Asked
from tasks.rejudge import Rejudged, groups, judge, question, replaced
from warehouse.bucket import delete, is_remote, under
from warehouse.manifest import read_current
from warehouse.run import Run
from warehouse.withdrawal import find_run

FROZEN = (
    "releases stay as they were frozen; runs to come are compared with what is kept now. A release of what "
    'there is: `seedloom sql "from clean_sample where final" --json > clean.json`, then `seedloom curate '
    "clean.json --name NAME --against run --threshold {threshold:g} --shingle {shingle}`"
)
ALONE = (
    "runs after it were judged against what it kept before, and stay so: leave out --run to judge all anew"
)


def show_rejudging(common: Common, threshold: float | None, run: str, dry_run: bool) -> None:
    """Judge near-duplicates anew and say what changes in each run; commit it, unless it is a dry run.

    Raises:
        BadInput: for a threshold outside of (0, 1], an unknown run, or nothing to judge.
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise BadInput(f"--threshold is {threshold}; it must be above 0 and at most 1")
    settings = common.settings()
    with bars():
        done, version = rejudged(settings, threshold, run, dry_run)
    rows = [_row(each, version) for each in done]
    say(common, rows if common.as_json else [_short(row) for row in rows])
    for line in _notes(done, version, run, dry_run):
        stderr.print(plain(line), markup=False, soft_wrap=True)


def rejudged(
    settings: Settings, threshold: float | None, run: str, dry_run: bool
) -> tuple[list[Rejudged], int | None]:
    """The new verdicts, and the version that holds them; none when nothing changes or nothing shall.

    Args:
        settings: of this installation.
        threshold: Jaccard similarity; None: of each run the one that it was judged at last.
        run: id of the only run to judge, or how it begins; empty: all.
        dry_run: only find out.
    """
    root = settings.root
    only = find_run(root, run) if run else ""
    manifest = read_current(root)
    some = [group for group in groups(root, manifest) if only in ("", group.run_id)]
    if not some:
        raise BadInput(f"{f'run {only}' if run else root} holds nothing that the filter minhash judged")
    asked = Asked("rejudge", "minhash", "", question(manifest, some, threshold))
    with begun(asked, settings) as judging:
        done: list[Rejudged] = []
        for group in some:
            done.append(judge(judging, manifest, group, threshold or group.threshold, done))
        new, old = replaced(done)
        if new and not dry_run:
            return done, judging.commit(new, without=old).version
        judging.forget(new)
        _remove(judging)
    return done, None


def _row(each: Rejudged, version: int | None) -> dict[str, Any]:
    group = each.group
    return {
        "run_id": group.run_id,
        "recipe": group.recipe,
        "threshold_before": group.threshold,
        "threshold": each.threshold,
        **each.counts,
        "version": version,
    }


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """A row that fits a terminal."""
    threshold = f"{row['threshold_before']:g} > {row['threshold']:g}"
    kept = f"{row['kept_before']:,} > {row['kept_after']:,}"
    changed = {"dropped": row["newly_dropped"], "back": row["newly_kept"]}
    return {
        "run": row["run_id"][:12],
        "recipe": row["recipe"],
        "threshold": threshold,
        "kept": kept,
        **changed,
    }


def _remove(run: Run) -> None:
    """Leave no trace of a run that shall not be."""
    if is_remote(run.folder):
        delete(under(run.folder))
    shutil.rmtree(run.folder, ignore_errors=True)
    for folder in (run.root / "data").glob(f"*/run={run.run_id}"):
        with contextlib.suppress(OSError):  # not empty: somebody else makes the same
            folder.rmdir()


def _notes(done: list[Rejudged], version: int | None, run: str, dry_run: bool) -> list[str]:
    """What a person must know to go on."""
    if not any(each.new for each in done):
        return ["nothing changes: these are the verdicts that there are"]
    lines = [
        "nothing was written: that was a dry run" if dry_run else f"version {version} holds the new verdicts"
    ]
    bare = sum(each.counts["without_embedding"] for each in done)
    if bare:
        lines.append(
            f"{bare} samples that are kept now have no embedding: neither semantic nor leak has judged them"
        )
    return [*lines, *([ALONE] if run else []), *([] if dry_run else [_frozen(done)])]


def _frozen(done: list[Rejudged]) -> str:
    """How to make a release of what is kept now: what curates it must drop nothing that was kept here."""
    threshold = max(each.threshold for each in done)
    return FROZEN.format(threshold=threshold, shingle=max(each.group.shingle for each in done))
