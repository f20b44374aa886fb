"""The faults of the rehearsal server: which completion meets which, and what becomes of its answer.

A fault refuses the request, replaces the answer, spoils its text, spoils its bytes, or the way they are
sent. Which completion meets which fault depends on the seed of the plan and the completion's number alone.
"""

import asyncio
import json
import socket
import struct
from typing import NamedTuple

from aiohttp import web

from schemas.ids import seed_for
from schemas.rehearsal import Fault, Plan
from tasks.rehearsal.questions import Refused
from tasks.storyteller import Completion, n_tokens
from tasks.storyteller_phrases import book

# A client may keep an answer with one of these; after any other it has to ask again.
SOUND = frozenset({None, "duplicate", "language", "drip", "empty"})
# What an answer can have that comes in a file; any other fault makes the line of a batch an error.
IN_A_BATCH = frozenset({"duplicate", "language", "empty", "choices", "huge", "lone_surrogate", "nul"})
HANG_S = 3600.0
DRIP_S = 0.05
_BAD_BYTES = "\ue000"  # stands in a text for bytes that no text has
_CLOSED = struct.pack("ii", 1, 0)  # linger for 0 s: closing sends RST


class Answer(NamedTuple):
    """What is to be sent, and how."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str]


def share(plan: Plan, what: str, number: int) -> float:
    """A number in [0, 1) that the plan's seed and the number of the completion decide."""
    return seed_for("rehearsal", what, plan.seed, number) / 2**63


def drawn(plan: Plan, number: int) -> Fault | None:
    """The fault that a completion meets: one that names it, else one by its share."""
    if not plan.faults:
        return None
    for fault in plan.faults:
        if fault.names(number):
            return fault
    left = share(plan, "fault", number)
    for fault in plan.faults:
        left -= fault.share(number)
        if left < 0:
            return fault
    return None


def refusal(fault: Fault) -> Refused | None:
    """The error that a fault answers at once, if it is of those."""
    kind = fault.kind
    if kind == "rate_limit":
        return too_many(fault.retry_after if fault.retry_after is not None else 1.0)
    if kind == "quota":
        return no_credit()
    if kind == "wrong_key":
        return wrong_key()
    if kind == "bad_request":
        return Refused(400, "a bad request, as the plan has it", code="bad_request", fault=kind)
    if kind == "server_error":
        after = {} if fault.retry_after is None else {"Retry-After": _seconds(fault.retry_after)}
        said = "The server had an error while processing your request."
        return Refused(fault.status or 500, said, type="server_error", headers=after, fault=kind)
    return None


def too_many(retry_after: float) -> Refused:
    """The answer to one request too many."""
    headers = {"Retry-After": _seconds(retry_after), "retry-after-ms": str(round(retry_after * 1000))}
    said = f"Rate limit reached for requests. Please try again in {retry_after:.3f}s."
    return Refused(
        429, said, type="requests", code="rate_limit_exceeded", headers=headers, fault="rate_limit"
    )


def no_credit() -> Refused:
    """The answer when nothing is left to pay with."""
    said = "You exceeded your current quota, please check your plan and billing details."
    return Refused(429, said, type="insufficient_quota", code="insufficient_quota", fault="quota")


def wrong_key() -> Refused:
    """The answer to a key that is not, or no longer, accepted; the key is not repeated."""
    return Refused(401, "Incorrect API key provided.", code="invalid_api_key", fault="wrong_key")


def replaced(fault: Fault | None) -> Answer | None:
    """What is sent in place of the answer, by faults that need none."""
    kind = fault.kind if fault else None
    if kind == "html":
        page = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Welcome</body></html>"
        return Answer(200, "text/html", page, {})
    if kind == "redirect":
        return Answer(fault.status or 307, "text/plain", b"", {"Location": "/v1/elsewhere"})
    if kind == "error_object":
        return Answer(200, "application/json", Refused(500, "overloaded", type="server_error").body, {})
    return None


def spoilt(fault: Fault | None, told: list[Completion], number: int) -> list[Completion]:
    """The choices with the text that the fault gives them."""
    kind = fault.kind if fault else None
    if kind == "choices":  # none at all, or one too many
        return [] if number % 2 else [*told, told[-1]]
    spoil = {
        "empty": lambda text: "",
        "language": lambda text: book("stock")["foreign"][number % len(book("stock")["foreign"])],
        "lone_surrogate": lambda text: f"{text} \ud83d",
        "invalid_utf8": lambda text: f"{text} {_BAD_BYTES}",
        "nul": lambda text: f"{text} \x00",
    }.get(kind or "")
    if kind == "huge":
        return [_huge(each, fault.size) for each in told]
    if spoil is None:
        return told
    return [_with_text(each, spoil(each.text)) for each in told]


def mangled(fault: Fault | None, body: bytes) -> bytes:
    """The bytes that the fault makes of a body or of the events of a stream."""
    kind = fault.kind if fault else None
    if kind == "malformed":
        return body.replace(b'"choices":', b"'choices':")
    if kind == "invalid_utf8":
        return body.replace(json.dumps(_BAD_BYTES)[1:-1].encode(), b"\xff\xfe")
    if kind == "cut":
        return body[: len(body) // 2]
    return body


def reset(request: web.BaseRequest) -> None:
    """Close the connection so that the client gets a reset, before any byte of an answer."""
    transport = request.transport
    if transport is None:
        return
    plain = transport.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSED)
    transport.abort()


async def send_half(request: web.BaseRequest, response: web.StreamResponse, body: bytes) -> None:
    """Send half of what was announced, then close."""
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()


async def send_slowly(
    fault: Fault, request: web.BaseRequest, response: web.StreamResponse, body: bytes
) -> None:
    """Send all of it, one byte at a time."""
    await response.prepare(request)
    for i in range(len(body)):
        await response.write(body[i : i + 1])
        await asyncio.sleep(DRIP_S if fault.seconds is None else fault.seconds)
    await response.write_eof()


def _huge(told: Completion, size: int) -> Completion:
    piece = told.text.strip() + "\n" if told.text.strip() else "Once upon a time.\n"
    times = size // len(piece) + 1
    n = n_tokens(piece) * times
    return told._replace(text=(piece * times)[:size], n_completion_tokens=n)


def _with_text(told: Completion, text: str) -> Completion:
    return told._replace(text=text, n_completion_tokens=n_tokens(text))


def _seconds(value: float) -> str:
    return f"{value:g}"
