"""The access log of the rehearsal server: a row for each request, as JSON lines and in memory.

DuckDB reads the file: `SELECT status, count(*) FROM 'access.jsonl' GROUP BY status`. A line is one `write`
to a file that was opened for appending, so whoever reads sees whole lines only.
"""

import json
import os
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

COLUMNS = (
    "number", "completion", "batch", "at", "path", "request", "status", "fault", "model", "stream",
    "n_prompt_tokens", "n_completion_tokens", "latency_s", "in_flight", "answered", "client",
)  # fmt: skip


@dataclass(slots=True)
class Visit:
    """A request while it is served; at its end, a row of the log."""

    number: int | None
    path: str
    in_flight: int
    client: str | None = None
    batch: str | None = None
    completion: int | None = None
    request: str | None = None
    status: int | None = None
    fault: str | None = None
    model: str | None = None
    stream: bool = False
    n_prompt_tokens: int | None = None
    n_completion_tokens: int | None = None
    answered: bool = False
    began: float = field(default_factory=time.monotonic)


class AccessLog:
    """Counts everything, keeps the newest rows in memory, and appends each to a file if there is one."""

    def __init__(self, path: Path | None = None, keep: int = 0) -> None:
        """Open the file for appending.

        Raises:
            OSError: when the file cannot be opened.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = None if path is None else os.open(path, flags, 0o644)
        self.rows: deque[dict[str, Any]] = deque(maxlen=keep)
        self._status: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._numbers = self._in_flight = self._most = self._answered = 0

    def begin(self, path: str, client: str | None) -> Visit:
        """A request came in."""
        self._numbers += 1
        self._in_flight += 1
        self._most = max(self._most, self._in_flight)
        return Visit(self._numbers, path, self._in_flight, client)

    def end(self, visit: Visit) -> None:
        """It was answered, or will never be."""
        if visit.number is not None:  # a line of a batch is none that is served
            self._in_flight -= 1
        self._status["none" if visit.status is None else str(visit.status)] += 1
        self._faults[visit.fault or "none"] += 1
        self._answered += visit.answered
        row = {name: getattr(visit, name, None) for name in COLUMNS}
        row["at"] = datetime.now(UTC).isoformat()
        row["latency_s"] = round(time.monotonic() - visit.began, 6)
        self.rows.append(row)
        if self._file is not None:
            os.write(self._file, json.dumps(row).encode() + b"\n")

    def counts(self) -> dict[str, Any]:
        """What was counted since the start."""
        return {
            "requests": self._numbers,
            "answered": self._answered,
            "in_flight": self._in_flight,
            "max_in_flight": self._most,
            "status": dict(self._status),
            "fault": dict(self._faults),
        }

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
