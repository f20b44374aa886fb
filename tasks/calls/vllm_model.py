"""vLLM in this process, for a worker with a GPU: continuous batching, paged attention (Kwon et al. 2023).

Not run where this was written: vLLM does not install there. Written against its source of 2026 (AsyncLLM,
SamplingParams); tested are the parameters and the refusal without the extra. With vLLM a text follows from
its seed only as far as the kernels do not depend on what else is in the batch.
"""

import asyncio
from itertools import count
from typing import Any

from schemas.errors import BadInput
from schemas.reply import Request
from tasks.calls.completion import asked, completion_body, prompt_of
from tasks.calls.provider import Fatal, Refused
from tasks.pretrained import load_tokenizer


class VllmModel:
    """A Provider over vLLM's asynchronous engine."""

    name = "vllm"

    def __init__(self, model: str, concurrency: int) -> None:
        """A folder or a hub name, and how many requests are worked on at once. Nothing is loaded yet.

        Raises:
            BadInput: when the extra is not installed.
        """
        try:
            import vllm  # noqa: F401
        except ImportError as error:
            raise BadInput("provider vllm needs the extra: pip install 'seedloom[gpu]'") from error
        self.model, self.concurrency = model, concurrency
        self._engine: Any = None
        self._tokenizer: Any = None
        self._starting = asyncio.Lock()
        self._numbers = count()

    async def send(self, request: Request) -> bytes:
        """The body of a chat completion.

        Raises:
            BadInput: for a model that cannot be loaded or a sampling parameter that is not known.
            Refused: for a request that the engine does not take, such as a prompt beyond the context.
            Fatal: when the engine is dead.
        """
        parameters = sampling_params(request)
        async with self._starting:
            if self._engine is None:
                await self._start()
        try:
            prompt = prompt_of(self._tokenizer, request)
            output = await self._generated(prompt, parameters)
        except BadInput as error:
            raise Refused(str(error)) from error
        (said,) = output.outputs
        reason = said.finish_reason or "stop"
        return completion_body(self.model, said.text, reason, len(prompt), len(said.token_ids))

    async def close(self) -> None:
        """Stop the engine and give the GPU back."""
        if self._engine is not None:
            self._engine.shutdown()
            self._engine = None

    async def _start(self) -> None:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self._tokenizer = await asyncio.to_thread(load_tokenizer, self.model)
        arguments = AsyncEngineArgs(
            model=self.model,
            max_num_seqs=self.concurrency,
            load_format="safetensors",
            trust_remote_code=False,
            generation_config="vllm",  # not the model's own habits: the request decides
            disable_log_stats=True,
        )
        self._engine = AsyncLLM.from_engine_args(arguments)

    async def _generated(self, prompt: list[int], parameters: dict[str, Any]) -> Any:
        from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams
        from vllm.v1.engine.exceptions import EngineDeadError

        schema = parameters.pop("json_schema", None)
        try:
            params = SamplingParams(
                **parameters,
                output_kind=RequestOutputKind.FINAL_ONLY,
                structured_outputs=None if schema is None else StructuredOutputsParams(json=schema),
            )
            tokens = {"prompt_token_ids": prompt}
            outputs = self._engine.generate(tokens, params, request_id=str(next(self._numbers)))
            return [output async for output in outputs][-1]
        except EngineDeadError as error:
            raise Fatal(f"the vLLM engine of {self.model!r} is dead: {error}") from error
        except ValueError as error:  # of vLLM's validation: the request is at fault
            raise Refused(str(error).splitlines()[0]) from error


def sampling_params(request: Request) -> dict[str, Any]:
    """How vLLM is to draw, by the names of its SamplingParams; `json_schema` is to become structured outputs.

    Raises:
        BadInput: for a parameter that is not known or out of range.
    """
    how = asked(request)._asdict()
    if how["top_p"] == 0:  # vLLM takes no 0; it means the likeliest token
        how.update(top_p=1.0, temperature=0.0)
    how["stop"] = list(how["stop"])
    return how if request.json_schema is None else {**how, "json_schema": request.json_schema}
