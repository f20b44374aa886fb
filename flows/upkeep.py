"""Commands that keep a warehouse in order: taking a run back, removing what nothing needs any more."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from flows.console import Common, say, stderr
from schemas.errors import BadInput
from warehouse import connect
from warehouse.garbage import collect
from warehouse.manifest import read_current, read_version
from warehouse.withdrawal import find_run, withdraw

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# What a withdrawal does to others; each gives rows `what, which, n`. $1 is the run.
_EFFECTS = (
    "SELECT 'samples of the run' AS what, name || ' ' || edition AS which, "
    "(SELECT count(*) FROM sample WHERE sample.run_id = run.run_id) AS n FROM run WHERE run_id = $1",
    "SELECT 'release of the run' AS what, release_id AS which, n_train + n_heldout AS n "
    "FROM release WHERE run_id = $1 ORDER BY ALL",
    "SELECT 'checkpoint of a later run, trained on its release' AS what, checkpoint_id AS which, 1 AS n "
    "FROM checkpoint JOIN release USING (release_id) "
    "WHERE release.run_id = $1 AND checkpoint.run_id <> $1 ORDER BY ALL",
    "SELECT 'release of a later run with its samples' AS what, release_id AS which, count(*) AS n "
    "FROM member JOIN sample USING (sample_id) "
    "WHERE sample.run_id = $1 AND member.run_id <> $1 GROUP BY ALL ORDER BY ALL",
    "SELECT 'samples of others dropped for repeating its samples' AS what, dropped.run_id AS which, "
    "count(DISTINCT dropped.sample_id) AS n "
    "FROM verdict JOIN sample AS dropped USING (sample_id) "
    "JOIN sample AS witness ON witness.sample_id = verdict.witness_id "
    "WHERE NOT keep AND witness.run_id = $1 AND dropped.run_id <> $1 GROUP BY ALL ORDER BY ALL",
    "SELECT 'samples of others grown from its samples' AS what, child.run_id AS which, count(*) AS n "
    "FROM sample AS child JOIN sample AS above ON above.sample_id = child.parent_id "
    "WHERE above.run_id = $1 AND child.run_id <> $1 GROUP BY ALL ORDER BY ALL",
)


def show_withdrawal(common: Common, run: str, yes: bool) -> None:
    """What depends on a run; with `yes` the run is withdrawn.

    Raises:
        BadInput: for an unknown run, or one that another must be withdrawn before.
    """
    root = common.settings().root
    run_id = find_run(root, run)
    rows = effects(root, run_id)
    version = withdraw(root, run_id).version if yes else None
    done = {"what": "withdrawn in version" if yes else "nothing was changed", "which": run_id, "n": version}
    say(common, [*rows, done])
    if not yes:
        stderr.print("add --yes to withdraw it; older versions keep it until `seedloom gc` removes them")
    elif any("repeating" in row["what"] for row in rows):
        stderr.print(
            "samples that exact or minhash dropped for repeating its samples come back with `seedloom "
            "rejudge`; what semantic dropped stays dropped",
            soft_wrap=True,
        )


def effects(root: Path, run_id: str) -> list[dict[str, Any]]:
    """What the withdrawal of a run means to it and to others: rows `what, which, n`."""
    with connect(root) as connection:
        rows = [row for query in _EFFECTS for row in connection.sql(query, params=[run_id]).pl().to_dicts()]
    begun = [name for name, base in _unfinished(root) if run_id in read_version(root, base).runs]
    return rows + [{"what": "unfinished run that was begun on it", "which": name, "n": 1} for name in begun]


def show_garbage(common: Common, keep: int, grace: str, dry_run: bool) -> None:
    """What was removed, or would be, by kind.

    Raises:
        BadInput: when there is no warehouse, or for a wrong number or duration.
    """
    root = common.settings().root
    garbage = collect(root, keep, seconds(grace), dry_run)
    sizes: dict[str, list[int]] = defaultdict(list)
    for each in garbage:
        sizes[each.kind].append(each.bytes)
    rows = [{"kind": kind, "n": len(some), "bytes": sum(some)} for kind, some in sizes.items()]
    say(common, [*rows, {"kind": "all", "n": len(garbage), "bytes": sum(each.bytes for each in garbage)}])
    if dry_run:
        stderr.print("nothing was removed: that was a dry run")


def seconds(duration: str) -> float:
    """Seconds of a duration such as 90s, 30m, 24h or 7d.

    Raises:
        BadInput: for another form.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", duration)
    if not found:
        raise BadInput(f"{duration!r} is no duration; write 90s, 30m, 24h or 7d")
    return float(found[1]) * _UNITS[found[2]]


def _unfinished(root: Path) -> list[tuple[str, int]]:
    """Runs that were begun and not committed, with the version each was begun on."""
    current = read_current(root)
    notes = []
    for path in sorted((root / "runs").glob("[!.]*/run.json")):
        try:
            notes.append((path.parent.name, int(json.loads(path.read_bytes())["base_version"])))
        except (OSError, ValueError, TypeError, KeyError):
            continue  # damaged: nobody can resume it
    return [(name, base) for name, base in notes if name not in current.runs and base <= current.version]
