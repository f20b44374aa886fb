"""How every flow begins: the question is checked before anything is written, one process makes a run."""

import contextlib
import logging
from collections.abc import Iterator

from flows.live import live
from schemas.errors import SeedloomError
from schemas.settings import Settings
from tasks.calls import halting
from tasks.question import Asked, today
from warehouse.manifest import locked, read_current
from warehouse.run import Run, begin, is_committed


def edition_or_date(edition: str) -> str:
    """The edition that was given, else the date for which Prefect scheduled the run, else today (UTC)."""
    if edition:
        return edition
    from prefect.runtime import flow_run

    scheduled = flow_run.scheduled_start_time
    return scheduled.date().isoformat() if scheduled else today()


@contextlib.contextmanager
def begun(asked: Asked, settings: Settings) -> Iterator[Run]:
    """The run that answers a question, begun or found, held against every other process.

    Raises:
        SeedloomError: when another process is making the same run.
        BadInput: when the warehouse cannot be read or written.
    """
    logging.getLogger("seedloom").setLevel(logging.INFO)  # progress and hand-off reach the log of the run
    read_current(settings.root)
    run = begin(settings.root, *asked)
    with locked(run.folder / "LOCK", wait=False), halting.watched(), live(run.run_id, run.name):
        if is_committed(settings.root, run.run_id):
            raise SeedloomError(f"run {run.run_id} was finished by another process just now: ask again")
        yield run
