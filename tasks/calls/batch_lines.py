"""The lines of a batch: requests as they are uploaded, results as they come back.

One JSON object a line; what belongs together is told by `custom_id`, not by the order.
"""

import json
from typing import Any, NamedTuple

from tasks.calls.batch_api import CHAT


class Result(NamedTuple):
    """What a batch says about one request; `status` is None when it was never answered."""

    key: str
    status: int | None
    body: bytes  # of the answer, as the endpoint would have sent it
    why: str  # there is no answer


def request_line(key: str, body: bytes) -> bytes:
    """The line that asks for a completion; `body` is JSON without line feeds, as `json.dumps` writes it."""
    asked = {"custom_id": key, "method": "POST", "url": CHAT}
    return json.dumps(asked).encode()[:-1] + b', "body": ' + body + b"}\n"


def read_result(line: bytes) -> Result | None:
    """One line of an output or error file; None for what is no result."""
    try:
        row = json.loads(line)
        key, response = row["custom_id"], row.get("response")
        if not isinstance(key, str):
            return None
        if response:
            body = json.dumps(response["body"]).encode()
            return Result(key, int(response["status_code"]), body, "")
        return Result(key, None, b"", _why(row.get("error")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def failure_of(batch: Any) -> str:
    """Why a batch failed as a whole, in one line: the first errors that the endpoint found in it."""
    errors = (batch.errors.data if batch.errors else None) or []
    told = [f"line {error.line}: {error.message}" if error.line else f"{error.message}" for error in errors]
    return "; ".join(" ".join(text.split()) for text in told[:3])[:500] or "no reason given"


def _why(error: Any) -> str:
    if isinstance(error, dict):
        return f"{error.get('code')}: {error.get('message')}"[:300]
    return "no answer and no error"
