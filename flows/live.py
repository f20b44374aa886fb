"""The progress artifact of a run in the Prefect UI, drawn from the records of `seedloom.progress`.

One artifact a run: how much of the work that is known so far is done, and a line for each stage with its
rates, cost and time left. At most one update in five seconds, and one when a stage ends.
"""

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from typing import NamedTuple

EVERY_S = 5.0

logger = logging.getLogger("seedloom.live")


class Stage(NamedTuple):
    """What is known of a stage."""

    total: int = 0
    done: int = 0
    note: str = ""


@contextlib.contextmanager
def live(run_id: str, name: str) -> Iterator[None]:
    """Keep the artifact `progress-<run>` up to date while a flow runs; outside a flow run, nothing."""
    from prefect.context import FlowRunContext

    if FlowRunContext.get() is None:
        yield
        return
    handler = _Artifact(f"progress-{run_id[:12]}", name)
    progress = logging.getLogger("seedloom.progress")
    progress.addHandler(handler)
    try:
        yield
    finally:
        progress.removeHandler(handler)
        handler.publish()


def table(stages: dict[str, Stage]) -> str:
    """Markdown: one row a stage, in the order in which they began."""
    rows = [f"| {name} | {each.done:,} | {each.total:,} | {each.note} |" for name, each in stages.items()]
    return "\n".join(["| stage | done | of | |", "|---|---:|---:|---|", *rows])


def share(stages: dict[str, Stage]) -> float:
    """Percent of the known work that is done, 0 to 100."""
    total = sum(each.total for each in stages.values())
    return min(100.0, 100.0 * sum(each.done for each in stages.values()) / total) if total else 0.0


class _Artifact(logging.Handler):
    def __init__(self, key: str, name: str) -> None:
        super().__init__()
        self._key, self._name = key, name
        self._stages: dict[str, Stage] = {}
        self._id: uuid.UUID | None = None
        self._said_at = 0.0
        self._turn = threading.RLock()

    def emit(self, record: logging.LogRecord) -> None:
        with self._turn:
            before = self._stages.get(record.stage, Stage())  # type: ignore[attr-defined]
            now = Stage(
                before.total + record.more,  # type: ignore[attr-defined]
                before.done + record.advance,  # type: ignore[attr-defined]
                record.note or before.note,  # type: ignore[attr-defined]
            )
            self._stages[record.stage] = now  # type: ignore[attr-defined]
            due = time.monotonic() - self._said_at > EVERY_S
        if due:
            self.publish()

    def publish(self) -> None:
        """Create or update the artifact; a server that does not answer must not end the run."""
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        with self._turn:
            self._said_at = time.monotonic()
            text = f"**{self._name}**\n\n{table(self._stages)}"
            try:
                if self._id is None:
                    self._id = create_progress_artifact(
                        share(self._stages), key=self._key, description=text, _sync=True
                    )
                else:
                    update_progress_artifact(self._id, share(self._stages), text, _sync=True)
            except Exception as error:
                logger.warning("no progress artifact: %s: %s", type(error).__name__, error)
