"""The work behind a batch of the rehearsal server: lines checked, answered in steps, results filed.

A batch takes the time that the plan gives it, in steps that a client can watch. Its results come in an order
that is not that of the input; a line that fails is in the error file. A server that is started again goes on.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from schemas.ids import seed_for
from schemas.rehearsal import Plan
from tasks.rehearsal.files import Shelf

CHAT = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")
_STEPS = 20
_AT_ONCE = 20  # lines between two looks at the other connections
_MOST_ERRORS = 20
_UNDONE = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was cancelled before it was executed."),
}

Answering = Callable[[Any, str], tuple[int, dict[str, Any]]]  # body, batch id -> status, body


class Line(NamedTuple):
    """A request of a batch."""

    custom_id: str
    body: Any


class BatchWork:
    """Does batches, each as a task of the event loop."""

    def __init__(self, plan: Plan, shelf: Shelf, answer: Answering) -> None:
        """Take the plan, the place where all is kept, and the function that answers a line."""
        self._plan, self._shelf, self._answer = plan, shelf, answer
        self._working: dict[str, asyncio.Task[None]] = {}

    def begin(self, id: str) -> None:
        """Work on a batch that is on the shelf."""
        task = asyncio.get_running_loop().create_task(self._work(id))
        self._working[id] = task
        task.add_done_callback(lambda _: self._working.pop(id, None))

    def stop(self) -> None:
        """Stop working; what is not done is done by the next server on the same folder."""
        for task in list(self._working.values()):
            task.cancel()

    def turn(self, id: str, status: str, **more: Any) -> dict[str, Any]:
        """The batch with another status, kept."""
        now = int(time.time())
        batch = self._batch(id) | {"status": status, f"{status}_at": now, **more}
        self._shelf.put_record(batch)
        return batch

    def _batch(self, id: str) -> dict[str, Any]:
        return self._shelf.record(id) or {"id": id, "status": "failed"}

    async def _work(self, id: str) -> None:
        batch = self._batch(id)
        await asyncio.sleep(0)  # so that whoever created it sees it before it changes
        lines, errors = read_lines(self._shelf.content(batch["input_file_id"]) or b"")
        if errors:
            self.turn(id, "failed", errors={"object": "list", "data": errors})
            return
        if batch["status"] == "validating":
            self.turn(id, "in_progress", request_counts=_counts(len(lines), []))
        results, end = await self._answered(batch, lines)
        if end == "completed":
            self.turn(id, "finalizing")
            await asyncio.sleep(0)
        undone = [] if end == "completed" else lines[len(results) :]
        self.turn(id, end, **self._filed(id, [*results, *(_undone(line, end) for line in undone)]))

    async def _answered(self, batch: dict[str, Any], lines: list[Line]) -> tuple[list[dict[str, Any]], str]:
        """The results so far and how the batch ended."""
        id, results = batch["id"], []
        began = float(self._shelf.get(f"{id}.began") or 0)
        for step in range(1, _STEPS + 1):
            if end := await self._waited(id, began, step):
                return results, end
            for i in range(len(results), len(lines) * step // _STEPS):
                results.append(self._result(id, lines[i]))
                if i % _AT_ONCE == 0:
                    await asyncio.sleep(0)
            counts = _counts(len(lines), results)
            self._shelf.put_record(self._batch(id) | {"request_counts": counts})
        return results, "cancelled" if self._batch(id)["status"] == "cancelling" else "completed"

    async def _waited(self, id: str, began: float, step: int) -> str | None:
        """Wait until a step is due; how the batch ends, if it ends before."""
        due = began + self._plan.batch_delay_s * step / _STEPS
        expires = None if self._plan.batch_expires_s is None else began + self._plan.batch_expires_s
        until = due if expires is None else min(due, expires)
        await asyncio.sleep(max(0.0, until - time.time()))
        if self._batch(id)["status"] == "cancelling":
            return "cancelled"
        return "expired" if expires is not None and due > expires else None

    def _result(self, id: str, line: Line) -> dict[str, Any]:
        status, body = self._answer(line.body, id)
        name = f"{seed_for('rehearsal', 'line', id, line.custom_id):016x}"
        response = {"status_code": status, "request_id": f"req_{name}", "body": body}
        return {"id": f"batch_req_{name}", "custom_id": line.custom_id, "response": response, "error": None}

    def _filed(self, id: str, results: list[dict[str, Any]]) -> dict[str, Any]:
        """Fields of the batch that lead to its results; a file that would be empty is none."""
        good = [result for result in results if _succeeded(result)]
        bad = [result for result in results if not _succeeded(result)]
        counts = {"total": len(results), "completed": len(good), "failed": len(bad)}
        return {
            "output_file_id": self._file(f"{id}_output.jsonl", good),
            "error_file_id": self._file(f"{id}_error.jsonl", bad),
            "request_counts": counts,
        }

    def _file(self, name: str, results: list[dict[str, Any]]) -> str | None:
        if not results:
            return None
        shuffled = sorted(results, key=lambda result: result["id"])
        content = "".join(json.dumps(result) + "\n" for result in shuffled).encode()
        return self._shelf.put_file(content, name, "batch_output", int(time.time()))["id"]


def read_lines(content: bytes) -> tuple[list[Line], list[dict[str, Any]]]:
    """The requests of an input file, and what is wrong with it; with an error, the batch fails as a whole."""
    lines: list[Line] = []
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()
    for i, raw in enumerate(content.splitlines(), 1):
        if not raw.strip():
            continue
        try:
            line = _line(json.loads(raw), seen)
        except (ValueError, RecursionError) as error:
            errors.append({"code": "invalid_request", "line": i, "message": str(error), "param": None})
            if len(errors) == _MOST_ERRORS:
                break
            continue
        seen.add(line.custom_id)
        lines.append(line)
    if not lines and not errors:
        errors.append({"code": "empty_file", "line": None, "message": "The file is empty.", "param": None})
    return lines, errors


def _line(row: Any, seen: set[str]) -> Line:
    if not isinstance(row, dict) or not isinstance(row.get("custom_id"), str):
        raise ValueError("the line has no custom_id")
    if row["custom_id"] in seen:
        raise ValueError(f"the custom_id {row['custom_id']!r} is there twice")
    if row.get("method") != "POST" or row.get("url") != CHAT:
        raise ValueError(f"{row.get('method')} {row.get('url')} is not POST {CHAT}")
    return Line(row["custom_id"], row.get("body"))


def _succeeded(result: dict[str, Any]) -> bool:
    return result["response"] is not None and result["response"]["status_code"] == 200


def _counts(total: int, results: list[dict[str, Any]]) -> dict[str, int]:
    completed = sum(map(_succeeded, results))
    return {"total": total, "completed": completed, "failed": len(results) - completed}


def _undone(line: Line, end: str) -> dict[str, Any]:
    code, message = _UNDONE[end]
    error = {"code": code, "message": message}
    return {
        "id": f"batch_req_{line.custom_id}",
        "custom_id": line.custom_id,
        "response": None,
        "error": error,
    }
