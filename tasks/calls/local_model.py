"""A local model that answers in this process: transformers, on the GPU when there is one.

Requests that wait together are answered together: one left-padded batch in one worker thread, so the event
loop stays free. How tokens are drawn is in `draw.py`: a text follows from its request, whatever else is in
the batch, but for rounding: padding changes the order of sums, and where two tokens are within that of each
other they may change places. A schema of the reply is told in words; the engine checks what comes.
"""

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from schemas.errors import BadInput
from schemas.reply import Request
from tasks.calls.completion import Asked, asked, completion_body, prompt_of
from tasks.calls.draw import Draw, Until
from tasks.calls.provider import Refused, Unusable
from tasks.calls.structured import in_words
from tasks.pretrained import hardware, load_model, load_tokenizer
from tasks.tiny_model import one_thread

GATHER_S = 0.01  # those who are on their way get so long to join a batch; nothing against generating it


class LocalModel:
    """A Provider over transformers."""

    name = "transformers"

    def __init__(self, model: str, concurrency: int) -> None:
        """A folder or a hub name, and how many requests make a batch. Nothing is loaded yet.

        Raises:
            BadInput: for a folder that does not exist.
        """
        if _means_folder(model) and not Path(model).is_dir():
            known = "known: a folder with config.json and safetensors, a name on the hub"
            raise BadInput(f"no model folder {model!r} for the provider transformers; {known}")
        self.model, self.concurrency = model, concurrency
        self._waiting: list[_Asker] = []
        self._work: asyncio.Task[None] | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._loaded: _Loaded | None = None
        self._halt = Event()

    async def send(self, request: Request) -> bytes:
        """The body of a chat completion; the request waits for its batch.

        Raises:
            BadInput: for a model that cannot be loaded or a sampling parameter that is not known.
            Refused: for a prompt beyond the context or refused by the chat template, and for an answer
                that no store could keep.
            Unusable: when memory does not suffice for this request alone.
        """
        asked(request)
        asker = _Asker(request, asyncio.get_running_loop().create_future())
        self._waiting.append(asker)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._answer_all())
        return await asker.answer

    async def close(self) -> None:
        """Stop at the next token and give the memory back; a later `send` loads the model again."""
        while self._waiting:
            self._waiting.pop().answer.cancel()
        self._halt.set()
        if self._work is not None and not self._work.done():
            await asyncio.wait([self._work])
        self._halt.clear()
        if self._worker is not None:
            await asyncio.get_running_loop().run_in_executor(self._worker, self._forget)
            self._worker.shutdown()
            self._worker = None

    async def _answer_all(self) -> None:
        """Answer batch after batch until nobody waits."""
        self._worker = self._worker or ThreadPoolExecutor(1, thread_name_prefix="local-model")
        while self._waiting:
            await asyncio.sleep(GATHER_S)
            batch = [asker for asker in self._waiting[: self.concurrency] if not asker.answer.done()]
            del self._waiting[: self.concurrency]
            if batch:
                await self._answer(batch)

    async def _answer(self, batch: list["_Asker"]) -> None:
        requests = [asker.request for asker in batch]
        answers: list[bytes | Exception | None]
        try:
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(self._worker, self._answers, requests)
        except Exception as error:  # whatever it is, those who wait must hear of it
            answers = [error] * len(batch)
        for asker, answer in zip(batch, answers, strict=True):
            asker.tell(answer)

    def _answers(self, requests: list[Request]) -> list[bytes | Exception | None]:
        """A body or an error for each request, None when it was stopped. Runs in the worker thread."""
        self._loaded = loaded = self._loaded or _load(self.model)
        rows = [_row(loaded, self.model, request) for request in requests]
        with one_thread(loaded.model):
            bodies = iter(self._bodies(loaded, [row for row in rows if isinstance(row, _Row)]))
        return [next(bodies) if isinstance(row, _Row) else row for row in rows]

    def _bodies(self, loaded: "_Loaded", rows: list["_Row"]) -> list[bytes | Exception | None]:
        """Generate one batch; in halves when memory does not suffice for the whole."""
        import torch

        if not rows:
            return []
        try:
            said = _generated(loaded, rows, self._halt)
            return [self._body(row, said, number) for number, row in enumerate(rows)]
        except torch.OutOfMemoryError as error:
            if len(rows) == 1:
                why = f"out of memory with {len(rows[0].prompt)} prompt tokens: {str(error).splitlines()[0]}"
                return [Unusable(why, billed=False)]
        torch.cuda.empty_cache()  # outside of the handler, whose traceback holds the tensors
        half = len(rows) // 2
        return self._bodies(loaded, rows[:half]) + self._bodies(loaded, rows[half:])

    def _body(self, row: "_Row", said: Until, number: int) -> bytes | Refused | None:
        reason, text = said.reasons[number], said.text(number)
        if reason is None:
            return None
        if "\x00" in text:  # no store could keep it, and asking again would draw the same
            return Refused("the answer holds a NUL character")
        return completion_body(self.model, text, reason, len(row.prompt), len(said.tokens[number]))

    def _forget(self) -> None:
        import torch

        self._loaded = None
        gc.collect()
        torch.cuda.empty_cache()


class _Asker(NamedTuple):
    """Somebody who waits for an answer."""

    request: Request
    answer: "asyncio.Future[bytes]"

    def tell(self, answer: bytes | Exception | None) -> None:
        if self.answer.done():
            return  # no longer wanted
        if answer is None:
            self.answer.cancel()
        elif isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


class _Loaded(NamedTuple):
    model: Any
    tokenizer: Any
    context: int  # tokens of prompt and answer together
    ends: set[int]  # tokens that end a text


class _Row(NamedTuple):
    """One request of a batch."""

    asked: Asked
    prompt: list[int]  # token ids
    most: int  # tokens to be drawn


def _means_folder(model: str) -> bool:
    return model.startswith(("/", ".", "~")) or model.count("/") > 1 or "\\" in model


def _load(name: str) -> _Loaded:
    """Read a model. Its own habits (temperature, penalties) are dropped: the request decides."""
    import torch
    from transformers import GenerationConfig

    machine, tokenizer = hardware(), load_tokenizer(name)
    on_gpu = machine.device == "cuda"
    model = load_model(name, machine.dtype if on_gpu else torch.float32).to(machine.device).eval()
    ends = model.generation_config.eos_token_id
    ends = {*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id} - {None}
    model.generation_config = GenerationConfig(pad_token_id=tokenizer.eos_token_id)
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 10**9
    return _Loaded(model, tokenizer, context, ends)


def _row(loaded: _Loaded, model: str, request: Request) -> _Row | Refused:
    try:
        prompt = prompt_of(loaded.tokenizer, _with_schema(request))
    except BadInput as error:
        return Refused(str(error))
    room = loaded.context - len(prompt)
    if room < 1:
        return Refused(f"the prompt has {len(prompt)} tokens, the context of {model!r} only {loaded.context}")
    how = asked(request)
    return _Row(how, prompt, min(how.max_tokens, room))


def _with_schema(request: Request) -> Request:
    """The request with the schema of its reply in words."""
    if request.json_schema is None:
        return request
    *before, last = request.messages
    wish = f"{last.content}\n\n{in_words(request.json_schema)}"
    return request.model_copy(update={"messages": [*before, last.model_copy(update={"content": wish})]})


def _generated(loaded: _Loaded, rows: list[_Row], halt: Event) -> Until:
    """What a batch says."""
    import torch

    width = max(len(row.prompt) for row in rows)
    pads = [width - len(row.prompt) for row in rows]
    some = next(iter(loaded.ends))  # any token will do where nobody looks
    ids = torch.tensor([[some] * pad + row.prompt for pad, row in zip(pads, rows, strict=True)])  # (b, t)
    seen = (torch.arange(width) >= torch.tensor(pads)[:, None]).long()
    how = [row.asked for row in rows]
    until = Until(loaded.tokenizer, how, [row.most for row in rows], loaded.ends, halt)
    with torch.inference_mode():
        loaded.model.generate(
            ids.to(loaded.model.device),
            attention_mask=seen.to(loaded.model.device),
            max_new_tokens=max(row.most for row in rows),
            do_sample=False,
            logits_processor=[Draw(how, width)],
            stopping_criteria=[until],
        )
    return until
