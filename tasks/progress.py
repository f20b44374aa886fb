"""How far a stage is, said through the standard logger `seedloom.progress`.

The command line draws a bar from these records, Prefect shows them as log lines of the task run, and a script
that wants neither sees nothing. At most five records a second in a terminal, one in ten seconds elsewhere.
Records say what was added, so that several shards of one stage share a bar.
"""

import logging
import sys
import time

EVERY_S = 0.2 if sys.stderr.isatty() else 10.0  # Prefect keeps every record in its database

logger = logging.getLogger("seedloom.progress")


class Progress:
    """Counts the rows of one stage. Use as `progress.advance()`; the last row always speaks."""

    def __init__(self, stage: str, total: int | None) -> None:
        """Announce a stage of `total` rows; None when nobody knows."""
        self.stage, self.total, self.done = stage, total or 0, 0
        self.every_s = EVERY_S
        self._said = 0
        self._said_at = 0.0
        self._say("", total)

    def advance(self, rows: int = 1, note: str = "") -> None:
        """Count rows as done; `note` is a short remark such as a loss."""
        self.done += rows
        if self.done >= self.total or time.monotonic() - self._said_at > EVERY_S:
            self._say(note, 0)

    def _say(self, note: str, more: int) -> None:
        facts = {"stage": self.stage, "more": more, "advance": self.done - self._said, "note": note}
        self._said, self._said_at = self.done, time.monotonic()
        logger.info("%s: %d of %d %s", self.stage, self.done, self.total, note, extra=facts)
