"""What the rehearsal server answers: the storyteller's texts in the form of the OpenAI API.

The text depends on the question alone, never on the order or the number of requests.
"""

import json
import re
import time
import zlib
from typing import Any

from schemas.errors import BadInput
from schemas.ids import seed_for
from schemas.settings import Storyteller
from tasks.rehearsal.questions import Question, Refused
from tasks.rehearsal.schema import example
from tasks.storyteller import Completion, answer, n_tokens
from tasks.storyteller_faults import TOKEN

_PIECE = re.compile(r"\s*(?:\w+|[^\w\s])|\s+")  # tokens with the space before them: together, the text
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
_ALTERNATIVES = (" the", " a", " and", ".", ",", " to", " of", " in", " it", " was")
_TOKENS_PER_EVENT = 4


def tell(question: Question, manners: Storyteller) -> list[Completion]:
    """The texts of the choices.

    Raises:
        Refused: for a JSON schema that is outside the supported subset.
    """
    seed = question.sampling.get("seed")
    if seed is None:
        seed = seed_for("rehearsal", question.id)
    seeds = [seed, *(seed_for("rehearsal", "choice", seed, i) for i in range(1, question.n))]
    return [_told(question, each, manners) for each in seeds]


def completion(question: Question, told: list[Completion], number: int) -> bytes:
    """The body of a chat completion."""
    choices = [_choice(question, i, each) for i, each in enumerate(told)]
    body = _frame(question, number, "chat.completion") | {"choices": choices, "usage": usage(told)}
    return json.dumps(body, separators=(",", ":")).encode()


def events(question: Question, told: list[Completion], number: int) -> list[bytes]:
    """The events of a streamed chat completion, [DONE] included."""
    frame = _frame(question, number, "chat.completion.chunk")
    if question.usage_in_stream:
        frame["usage"] = None
    parts = [part for i, each in enumerate(told) for part in _deltas(question, i, each)]
    bodies = [{**frame, "choices": [part]} for part in parts]
    if question.usage_in_stream:
        bodies.append({**frame, "choices": [], "usage": usage(told)})
    lines = [json.dumps(body, separators=(",", ":")) for body in bodies]
    return [f"data: {line}\n\n".encode() for line in (*lines, "[DONE]")]


def usage(told: list[Completion]) -> dict[str, int]:
    """Tokens as they are paid for: the prompt once, the completions of all choices."""
    n_prompt = told[0].n_prompt_tokens if told else 0
    n_completion = sum(each.n_completion_tokens for each in told)
    return {
        "prompt_tokens": n_prompt,
        "completion_tokens": n_completion,
        "total_tokens": n_prompt + n_completion,
    }


def _told(question: Question, seed: int, manners: Storyteller) -> Completion:
    if question.form is None:
        return answer(question.turns, question.sampling, seed, manners)
    seed = 0 if question.sampling.get("temperature") == 0 else seed
    told = answer(question.turns, {}, seed, manners)
    text = json.dumps(_structured(question, seed, told.text), ensure_ascii=False)
    return _limited(told._replace(text=text), question.sampling.get("max_tokens"))


def _structured(question: Question, seed: int, text: str) -> Any:
    if not question.form:
        return {"answer": text}
    sentences = [hit.strip() for hit in _SENTENCE.findall(text) if hit.strip()]
    try:
        return example(question.form, seed_for("rehearsal", "schema", question.turns, seed), sentences)
    except (BadInput, TypeError, ValueError, IndexError, AttributeError) as error:
        raise Refused(400, f"Invalid schema for response_format: {error}", param="response_format") from error


def _limited(told: Completion, max_tokens: int | None) -> Completion:
    """JSON that is longer than allowed is cut and so none any more, as models do it."""
    n = n_tokens(told.text)
    if max_tokens is None or n <= max_tokens:
        return told._replace(finish_reason="stop", n_completion_tokens=n)
    start = [hit.start() for hit in TOKEN.finditer(told.text)][max_tokens]
    return told._replace(text=told.text[:start], finish_reason="length", n_completion_tokens=max_tokens)


def _frame(question: Question, number: int, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{number:08d}{question.id[:16]}",
        "object": kind,
        "created": int(time.time()),
        "model": question.model,
        "system_fingerprint": "fp_rehearsal",
    }


def _choice(question: Question, i: int, told: Completion) -> dict[str, Any]:
    logprobs = None if question.top_logprobs is None else _logprobs(told.text, question.top_logprobs)
    return {
        "index": i,
        "message": {"role": "assistant", "content": told.text, "refusal": None},
        "logprobs": logprobs,
        "finish_reason": told.finish_reason,
    }


def _deltas(question: Question, i: int, told: Completion) -> list[dict[str, Any]]:
    pieces = _PIECE.findall(told.text) if isinstance(told.text, str) else []
    step = max(_TOKENS_PER_EVENT, len(pieces) // 1000)
    texts = ["".join(pieces[at : at + step]) for at in range(0, len(pieces), step)]
    first = _delta(i, {"role": "assistant", "content": ""})
    middle = [_delta(i, {"content": text}, _logprobs_if(text, question.top_logprobs)) for text in texts]
    return [first, *middle, _delta(i, {}, None, told.finish_reason)]


def _delta(i: int, delta: dict[str, Any], logprobs: Any = None, reason: str | None = None) -> dict[str, Any]:
    return {"index": i, "delta": delta, "logprobs": logprobs, "finish_reason": reason}


def _logprobs_if(text: str, top: int | None) -> dict[str, Any] | None:
    return None if top is None else _logprobs(text, top)


def _logprobs(text: str, top: int) -> dict[str, Any]:
    """Numbers that look like log probabilities: they depend on the token, and mean nothing."""
    return {"content": [_token(piece, top) for piece in _PIECE.findall(text or "")], "refusal": None}


def _token(piece: str, top: int) -> dict[str, Any]:
    logprob = -(zlib.crc32(piece.encode("utf-8", "surrogatepass")) % 400) / 1000
    others = [each for each in _ALTERNATIVES if each != piece]
    ranks = [(piece, logprob)]
    ranks += [
        (others[i % len(others)] * (1 + i // len(others)), logprob - 1 - 0.5 * i) for i in range(top - 1)
    ]
    shown = [_logprob(name, value) for name, value in ranks[:top]]
    return {**_logprob(piece, logprob), "top_logprobs": shown}


def _logprob(piece: str, value: float) -> dict[str, Any]:
    return {
        "token": piece,
        "logprob": round(value, 4),
        "bytes": list(piece.encode("utf-8", "surrogatepass")),
    }
