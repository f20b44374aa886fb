"""Chat completions of the rehearsal server: admitted, delayed, told, spoilt, sent.

A completion costs well under a millisecond of processor time beside the storyteller's own.
"""

import asyncio
import json
import time
from typing import Any

from aiohttp import web

from schemas.rehearsal import Fault, Plan
from tasks.rehearsal.faults import (
    HANG_S,
    IN_A_BATCH,
    SOUND,
    Answer,
    drawn,
    mangled,
    refusal,
    replaced,
    reset,
    send_half,
    send_slowly,
    share,
    spoilt,
)
from tasks.rehearsal.limits import Limits
from tasks.rehearsal.log import AccessLog, Visit
from tasks.rehearsal.questions import Question, Refused, ask, parse
from tasks.rehearsal.replies import completion, events, tell, usage
from tasks.storyteller import Completion

CHAT = "/v1/chat/completions"


class Completions:
    """Counts the completions that were asked for, and answers them."""

    def __init__(self, plan: Plan, log: AccessLog, limits: Limits) -> None:
        """Take the plan, the log for lines of batches, and the limits."""
        self._plan, self._log, self._limits = plan, log, limits
        self._n_asked = 0
        self._first: list[Completion] = []

    def headers(self, visit: Visit) -> dict[str, str]:
        """Headers of every answer under /v1."""
        return {"X-Request-Id": f"req_{visit.number}", **self._limits.headers()}

    async def complete(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        """Answer a request, or what the plan has in its place.

        Raises:
            Refused: for a wrong question, a limit, or a fault that is an error.
        """
        number = self._next(visit)
        question = self._asked(parse(await request.read()), visit)
        self._limits.admit()
        fault = self._fault(number, visit)
        instead = replaced(fault)
        if instead or (fault and fault.kind in ("reset", "hang")):
            await self._until_due(number, visit)
            return self._instead(instead, visit) if instead else await _nothing_sent(fault, request)
        told = self._told(question, fault, number, visit)
        make = events if question.stream else completion
        made = make(question, told, number)
        await self._until_due(number, visit)
        return await self._sent(request, fault, made, visit)

    def line(self, body: Any, batch_id: str) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer to one line of a batch; it gets a row of the log."""
        visit = Visit(None, CHAT, 0, batch=batch_id)
        number = self._next(visit)
        try:
            question = self._asked(body, visit)
            fault = self._fault(number, visit)
            if fault and fault.kind not in IN_A_BATCH:
                raise Refused(500, f"the plan has the fault {fault.kind} here", type="server_error")
            told = self._told(question, fault, number, visit)
            visit.status, visit.answered = 200, visit.fault in SOUND
            return 200, json.loads(completion(question, told, number))
        except Refused as error:
            visit.status, visit.fault = error.status, visit.fault or error.fault
            return error.status, {"error": error.error}
        finally:
            self._log.end(visit)

    def _next(self, visit: Visit) -> int:
        self._n_asked += 1
        visit.completion = self._n_asked
        return self._n_asked

    def _asked(self, body: Any, visit: Visit) -> Question:
        question = ask(body, self._plan.models, self._plan.structured)
        visit.request, visit.model, visit.stream = question.id, question.model, question.stream
        return question

    def _fault(self, number: int, visit: Visit) -> Fault | None:
        """The fault that this completion meets; raised if it is an error. Any other answer is paid for."""
        fault = drawn(self._plan, number)
        visit.fault = fault.kind if fault else None
        refused = refusal(fault) if fault else None
        if refused:
            raise refused
        self._limits.charge()
        return fault

    def _told(self, question: Question, fault: Fault | None, number: int, visit: Visit) -> list[Completion]:
        """The choices: those of the first answer ever where the fault is `duplicate`."""
        if fault and fault.kind == "duplicate" and self._first:
            told = (self._first * question.n)[: question.n]
        else:
            told = tell(question, self._plan.storyteller)
            self._first = self._first or told
            told = spoilt(fault, told, number)
        counts = usage(told)
        visit.n_prompt_tokens, visit.n_completion_tokens = (
            counts["prompt_tokens"],
            counts["completion_tokens"],
        )
        return told

    async def _until_due(self, number: int, visit: Visit) -> None:
        """Wait for the rest of the latency: what the answer took to make is part of it, as with a model."""
        due = visit.began + self._plan.latency.quantile(share(self._plan, "latency", number))
        left = due - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)

    def _instead(self, answer: Answer, visit: Visit) -> web.StreamResponse:
        headers = {**self.headers(visit), "Content-Type": answer.content_type, **answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def _sent(
        self, request: web.Request, fault: Fault | None, made: bytes | list[bytes], visit: Visit
    ) -> web.StreamResponse:
        """Send a body, or the events of a stream, as the fault wants it."""
        headers = {**self.headers(visit), "Content-Type": "application/json"}
        if isinstance(made, bytes) and fault is None:
            return web.Response(body=made, headers=headers)
        response = web.StreamResponse(headers=headers)
        if isinstance(made, bytes):
            pieces = [mangled(fault, made)]
            response.content_length = len(pieces[0])
        else:
            pieces = made if fault is None else [mangled(fault, b"".join(made))]
            response.headers.update({"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
            response.enable_chunked_encoding()
        if fault and fault.kind == "truncated":
            await send_half(request, response, pieces[0])
        elif fault and fault.kind == "drip":
            await send_slowly(fault, request, response, pieces[0])
        else:
            await response.prepare(request)
            for piece in pieces:
                await response.write(piece)
        return response


async def _nothing_sent(fault: Fault, request: web.Request) -> web.StreamResponse:
    if fault.kind == "hang":
        await asyncio.sleep(HANG_S if fault.seconds is None else fault.seconds)
    reset(request)
    return web.Response(status=499)  # goes nowhere: the connection is closed
