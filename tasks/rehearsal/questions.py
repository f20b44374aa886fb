"""What a client of the rehearsal server asks: a checked body of a chat completion, and its identity."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from schemas.ids import digest

# Parameters that are numbers: their type and least and greatest value, as the OpenAI API has them.
_NUMBERS: dict[str, tuple[Any, float, float]] = {
    "n": (int, 1, 128),
    "max_tokens": (int, 1, 1 << 31),
    "max_completion_tokens": (int, 1, 1 << 31),
    "top_logprobs": (int, 0, 20),
    "temperature": (int | float, 0, 2),
    "top_p": (int | float, 0, 1),
    "seed": (int, -(1 << 63), (1 << 63) - 1),
}
_HOW = ("stream", "stream_options")  # how an answer is sent is no part of the question


class Refused(Exception):
    """An answer that is an error, in the shape that the OpenAI API gives it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        fault: str | None = None,
    ) -> None:
        """`fault` is the kind of fault of the plan that this is, if it is one."""
        super().__init__(message)
        self.status, self.headers, self.fault = status, headers or {}, fault
        self.error = {"message": message, "type": type, "param": param, "code": code}

    @property
    def body(self) -> bytes:
        """The JSON of the error."""
        return json.dumps({"error": self.error}).encode()


class Question(NamedTuple):
    """A chat completion that was asked for."""

    id: str
    model: str
    turns: list[dict[str, str]]
    sampling: dict[str, Any]
    n: int
    stream: bool
    usage_in_stream: bool
    top_logprobs: int | None  # None: no logprobs
    form: dict[str, Any] | None  # the JSON schema of the answer; empty: any JSON object


def parse(raw: bytes) -> Any:
    """The JSON of a request.

    Raises:
        Refused: for what is no JSON.
    """
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is no JSON: {error}") from error


def ask(body: Any, models: Sequence[str], structured: bool) -> Question:
    """A checked question.

    Raises:
        Refused: with the parameter that is missing, unknown or out of range.
    """
    if not isinstance(body, dict):
        raise Refused(400, "the body is no JSON object")
    model = body.get("model")
    if not isinstance(model, str):
        raise Refused(400, "you must provide a model parameter", param="model")
    if model not in models:
        unknown = f"The model `{model}` does not exist; known: {list(models)}"
        raise Refused(404, unknown, code="model_not_found", param="model")
    _check_numbers(body)
    options = body.get("stream_options") or {}
    turns, sampling = _turns(body), _sampling(body)
    if options and not isinstance(options, dict):
        raise Refused(400, "stream_options is no object", param="stream_options")
    return Question(
        id=question_id(body),
        model=model,
        turns=turns,
        sampling=sampling,
        n=body.get("n") or 1,
        stream=bool(body.get("stream")),
        usage_in_stream=bool(options.get("include_usage")),
        top_logprobs=(body.get("top_logprobs") or 0) if body.get("logprobs") else None,
        form=_form(body.get("response_format"), structured),
    )


def question_id(body: dict[str, Any]) -> str:
    """The identity of a question: its content, but not whether the answer is streamed.

    Raises:
        Refused: for NaN or a lone surrogate in it.
    """
    try:
        return digest({name: value for name, value in body.items() if name not in _HOW})
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is no JSON that one could keep: {error}") from error


def _check_numbers(body: dict[str, Any]) -> None:
    for name, (kind, least, most) in _NUMBERS.items():
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, kind) or isinstance(value, bool) or not least <= value <= most:
            raise Refused(400, f"{name} is {value!r}, not a number from {least} to {most}", param=name)


def _turns(body: dict[str, Any]) -> list[dict[str, str]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "messages is no list of messages, or empty", param="messages")
    return [_turn(message, i) for i, message in enumerate(messages)]


def _turn(message: Any, i: int) -> dict[str, str]:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise Refused(400, f"messages[{i}] has no role", param=f"messages[{i}].role")
    content = message.get("content")
    if isinstance(content, list):  # parts; pictures are not looked at
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if content is not None and not isinstance(content, str):
        raise Refused(400, f"messages[{i}].content is no text", param=f"messages[{i}].content")
    return {"role": message["role"], "content": content or ""}


def _sampling(body: dict[str, Any]) -> dict[str, Any]:
    """What the storyteller heeds."""
    stop = body.get("stop")
    marks = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(marks, list) or len(marks) > 4 or not all(isinstance(mark, str) for mark in marks):
        raise Refused(400, "stop is no text and no list of up to 4 texts", param="stop")
    limits = [body.get("max_tokens"), body.get("max_completion_tokens")]
    given = {"temperature": body.get("temperature"), "seed": body.get("seed"), "stop": marks or None}
    given["max_tokens"] = min((limit for limit in limits if limit is not None), default=None)
    return {name: value for name, value in given.items() if value is not None}


def _form(wanted: Any, structured: bool) -> dict[str, Any] | None:
    kind = wanted.get("type") if isinstance(wanted, dict) else wanted
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return {}
    known = "text, json_object, json_schema" if structured else "text, json_object"
    if kind != "json_schema" or not structured:
        raise Refused(
            400, f"response_format {kind!r} is not supported; known: {known}", param="response_format"
        )
    named = wanted.get("json_schema") if isinstance(wanted, dict) else None
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(schema, dict):
        raise Refused(400, "response_format.json_schema.schema is no object", param="response_format")
    return schema or {"type": "object"}
