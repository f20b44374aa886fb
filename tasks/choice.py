"""Which release: the one of a run, the one that was named, or the newest that waits to be trained."""

from pathlib import Path
from typing import Any

from schemas.errors import BadInput
from schemas.tables import Release
from warehouse.views import connect

# Grain: one row per release. The order of commits is the order of their runs.
_RELEASES = "SELECT release.* FROM release JOIN run USING (run_id)"


def release_of_run(root: Path, run_id: str) -> Release:
    """The release that a committed run froze; its control does not count."""
    (release,) = _releases(root, f"{_RELEASES} WHERE run_id = $1 AND control_of IS NULL", run_id)
    return release


def losses(root: Path, run_id: str) -> str:
    """What a run lost most: failed calls and the filters, with their commonest reason; "" when nothing."""
    dropped = (
        "SELECT filter || ' dropped ' || n || ' (' || coalesce(reason, '') || ')' AS line, n FROM ("
        "SELECT filter, count(DISTINCT sample_id) AS n, mode(reason) AS reason "
        "FROM dropped WHERE run_id = $1 GROUP BY filter)"
    )
    failed = (
        "SELECT count(*) || ' calls failed (' || mode(error) || ')' AS line, count(*) AS n "
        "FROM call WHERE run_id = $1 AND error IS NOT NULL HAVING count(*) > 0"
    )
    with connect(root) as connection:
        rows = connection.sql(
            f"SELECT line FROM ({dropped} UNION ALL {failed}) ORDER BY n DESC, line LIMIT 3", params=[run_id]
        ).fetchall()
    return "; ".join(line for (line,) in rows)


def choose_release(root: Path, release_id: str | None) -> Release | None:
    """The release whose id begins so; without an id, the newest that passed and was not trained.

    A control is only found by its id.

    Raises:
        BadInput: for an id that is unknown or stands for several.
    """
    if release_id is None:
        trained = "SELECT release_id FROM checkpoint WHERE method <> 'logistic_regression'"
        untrained = f"passed AND control_of IS NULL AND release_id NOT IN ({trained})"
        waiting = _releases(root, f"{_RELEASES} WHERE {untrained}")
        return waiting[-1] if waiting else None
    found = _releases(root, f"{_RELEASES} WHERE starts_with(release_id, $1)", release_id)
    if len(found) != 1:
        known = [release.release_id for release in _releases(root, _RELEASES)]
        raise BadInput(f"{len(found)} releases match {release_id!r} in {root}; known: {known[-10:]}")
    return found[0]


def _releases(root: Path, sql: str, *values: Any) -> list[Release]:
    with connect(root) as connection:
        frame = connection.sql(f"{sql} ORDER BY run.finished_at, release_id", params=list(values)).pl()
    return [Release.model_validate(row) for row in frame.to_dicts()]
