"""What models in this process share: how they are asked for a text, and the body they answer with."""

import json
from typing import Any, NamedTuple

from schemas.errors import BadInput
from schemas.ids import seed_for
from schemas.reply import Request
from tasks.dialogue import prompt_ids

MAX_TOKENS = 1024  # where a request names none: "until the context is full" is hours with a context of 128 k
RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
}


class Asked(NamedTuple):
    """How a text is to be drawn, with the defaults of the OpenAI API filled in."""

    temperature: float = 1.0  # 0: the likeliest token each time
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    max_tokens: int = MAX_TOKENS
    stop: tuple[str, ...] = ()
    seed: int = 0


def asked(request: Request) -> Asked:
    """Read the sampling parameters of a request.

    The seed is made of the request's own seed and index; a request without one gets it from its content, so
    that it can be repeated too.

    Raises:
        BadInput: for a parameter that a model in this process does not know, or one out of range.
    """
    given = {name: value for name, value in request.sampling.items() if value is not None}
    if "max_completion_tokens" in given:
        given["max_tokens"] = given.pop("max_completion_tokens")
    if given.pop("n", 1) != 1:
        raise BadInput(
            f"n is {request.sampling['n']!r}: a model in this process gives one answer per request"
        )
    unknown = sorted(set(given) - set(Asked._fields))
    if unknown:
        known = ", ".join(Asked._fields)
        raise BadInput(f"a model in this process knows no sampling parameter {unknown[0]!r}; known: {known}")
    for name, (least, most) in RANGES.items():
        given[name] = _number(name, given.get(name, Asked._field_defaults[name]), least, most)
    return Asked(**{**given, **_whole(given, request), "stop": _stops(given.get("stop", ()))})


def completion_body(
    model: str, text: str, finish_reason: str, n_prompt_tokens: int, n_completion_tokens: int
) -> bytes:
    """The body of a chat completion as the OpenAI API defines it, as JSON."""
    message = {"role": "assistant", "content": text}
    usage = {
        "prompt_tokens": n_prompt_tokens,
        "completion_tokens": n_completion_tokens,
        "total_tokens": n_prompt_tokens + n_completion_tokens,
    }
    choice = {"index": 0, "finish_reason": finish_reason, "message": message}
    return json.dumps({"model": model, "choices": [choice], "usage": usage}).encode()


def _number(name: str, value: Any, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadInput(f"sampling parameter {name} is {value!r}, not a number from {least:g} to {most:g}")
    return float(value)


def _whole(given: dict[str, Any], request: Request) -> dict[str, int]:
    most, seed = given.get("max_tokens", MAX_TOKENS), given.get("seed")
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise BadInput(f"sampling parameter max_tokens is {most!r}, not a whole number from 1")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise BadInput(f"sampling parameter seed is {seed!r}, not a whole number")
    if seed is None:
        seed = seed_for("asked", [turn.model_dump() for turn in request.messages], request.sampling)
    return {"max_tokens": most, "seed": seed_for("asked", seed, request.index)}


def _stops(stop: Any) -> tuple[str, ...]:
    stops = tuple(stop) if isinstance(stop, list | tuple) else (stop,)
    if not all(isinstance(each, str) for each in stops):
        raise BadInput(f"sampling parameter stop is {stop!r}, not texts")
    return tuple(each for each in stops if each)


def prompt_of(tokenizer: Any, request: Request) -> list[int]:
    """The token ids after which the model is to answer, by the tokeniser's chat template.

    Raises:
        BadInput: when the chat template refuses the conversation.
    """
    turns = [{"role": message.role, "content": message.content} for message in request.messages]
    (ids,) = prompt_ids(tokenizer, [turns])
    return ids
