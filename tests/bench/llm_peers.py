"""How other programs send N prompts to an OpenAI-compatible endpoint: answers, CPU time, memory.

Run by the peer's own python: python tests/bench/llm_peers.py PEER --base-url URL [--n N] [--concurrency C]

PEER is curator (Bespoke Curator), data_designer (NVIDIA NeMo Data Designer), distilabel, openai (the bare
client on aiohttp), openai_httpx (the bare client as it comes). Prints one JSON line. Each peer works as its
guide says, with its own cache on, in a fresh folder; only its throttles are lifted (curator's default is 200
requests a minute) and its telemetry and progress display are off. CPU time is that of the process and its
children around the work; imports are counted apart. `lost` is the prompts that have no text in what the peer
returns. curator and data_designer count tokens with an encoding that tiktoken fetches: offline, name a folder
that holds it in TIKTOKEN_CACHE_DIR (the wheel of litellm has one in litellm/litellm_core_utils/tokenizers);
without it curator fails, data_designer counts less.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

MAX_TOKENS, TEMPERATURE = 64, 0.7
UNLIMITED = 10**9  # curator's own limits are per minute and cannot be switched off
QUIET = {
    "TELEMETRY_ENABLED": "false",  # curator
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "CURATOR_VIEWER": "0",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NEMO_TELEMETRY_ENABLED": "false",  # data designer
    "OTEL_SDK_DISABLED": "true",
    "DISTILABEL_LOG_LEVEL": "ERROR",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    "OPENAI_API_KEY": "none",
}
PLACES = ("CURATOR_CACHE_DIR", "DISTILABEL_CACHE_DIR", "DATA_DESIGNER_HOME", "HF_HOME")


class Job(NamedTuple):
    """What is asked, and where the peer may keep its files."""

    base_url: str
    model: str
    prompts: list[str]
    concurrency: int
    folder: str


Answers = dict[str, str]  # by prompt
Work = Callable[[], Answers]


def prompts(n: int) -> Iterator[str]:
    """As many prompts, no two alike, each with a number of its own."""
    things = ("lamp", "river", "kettle", "orchard", "ladder", "violin", "compass")
    for i in range(n):
        words = ", ".join(things[(i // 7**k + k) % 7] for k in range(3))
        yield f"Write a short story with the words {words} and the number {i}."


def curator(job: Job) -> Work:
    from bespokelabs import curator as bespoke

    def work() -> Answers:
        model = bespoke.LLM(
            model_name=job.model,
            backend="openai",
            generation_params={"max_tokens": MAX_TOKENS, "temperature": TEMPERATURE},
            backend_params={
                "base_url": job.base_url,
                "api_key": "none",
                "max_concurrent_requests": job.concurrency,
                "max_requests_per_minute": UNLIMITED,
                "max_tokens_per_minute": UNLIMITED,
                "invalid_finish_reasons": [
                    "content_filter"
                ],  # by default it asks again what was cut by length
            },
        )
        rows = model(job.prompts, working_dir=job.folder).dataset
        if len(rows) == len(job.prompts):
            return dict(zip(job.prompts, rows["response"], strict=True))
        return {str(i): row["response"] for i, row in enumerate(rows)}  # which are missing it does not say

    return work


def data_designer(job: Job) -> Work:
    import data_designer.config as dd
    import pandas as pd
    from data_designer.interface import DataDesigner

    def work() -> Answers:
        sampling = dd.ChatCompletionInferenceParams(
            max_tokens=MAX_TOKENS, temperature=TEMPERATURE, max_parallel_requests=job.concurrency
        )
        model = dd.ModelConfig(
            alias="writer", model=job.model, provider="bench", inference_parameters=sampling
        )
        config = dd.DataDesignerConfigBuilder(model_configs=[model])
        config.with_seed_dataset(dd.DataFrameSeedSource(df=pd.DataFrame({"prompt": job.prompts})))
        config.add_column(dd.LLMTextColumnConfig(name="story", prompt="{{ prompt }}", model_alias="writer"))
        place = dd.ModelProvider(name="bench", endpoint=job.base_url, api_key="none")
        designer = DataDesigner(artifact_path=job.folder, model_providers=[place])
        designer.set_run_config(dd.RunConfig(otel_metrics_port=None))
        rows = designer.create(config, num_records=len(job.prompts)).load_dataset()
        return dict(zip(rows["prompt"], rows["story"], strict=True))

    return work


def distilabel(job: Job) -> Work:
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    def work() -> Answers:
        sampling = {"max_new_tokens": MAX_TOKENS, "temperature": TEMPERATURE}
        with Pipeline(name="bench", cache_dir=job.folder) as pipeline:
            rows = LoadDataFromDicts(
                data=[{"instruction": p} for p in job.prompts], batch_size=job.concurrency
            )
            writer = TextGeneration(
                llm=OpenAILLM(
                    model=job.model, base_url=job.base_url, api_key="none", generation_kwargs=sampling
                ),
                input_batch_size=job.concurrency,  # it sends a batch at once and waits for all of it
            )
            rows >> writer
        made = pipeline.run(use_cache=True)["default"]["train"]
        return dict(zip(made["instruction"], made["generation"], strict=True))

    return work


def openai(job: Job) -> Work:
    """No peer but the floor: the client alone, which keeps nothing."""
    from openai import DefaultAioHttpClient

    return lambda: asyncio.run(_ask_all(job, DefaultAioHttpClient))


def openai_httpx(job: Job) -> Work:
    from openai import DefaultAsyncHttpxClient

    return lambda: asyncio.run(_ask_all(job, DefaultAsyncHttpxClient))


async def _ask_all(job: Job, transport: Callable) -> Answers:
    from openai import AsyncOpenAI

    answers: Answers = {}
    waiting = iter(job.prompts)
    async with AsyncOpenAI(
        base_url=job.base_url, api_key="none", max_retries=0, http_client=transport()
    ) as client:

        async def worker() -> None:
            for prompt in waiting:
                reply = await client.chat.completions.create(
                    model=job.model,
                    messages=[{"role": "user", "content": prompt}],
                    max_tokens=MAX_TOKENS,
                    temperature=TEMPERATURE,
                )
                answers[prompt] = reply.choices[0].message.content

        async with asyncio.TaskGroup() as group:
            for _ in range(job.concurrency):
                group.create_task(worker())
    return answers


PEERS: dict[str, tuple[str, Callable[[Job], Work]]] = {
    "curator": ("bespokelabs-curator", curator),
    "data_designer": ("data-designer", data_designer),
    "distilabel": ("distilabel", distilabel),
    "openai": ("openai", openai),
    "openai_httpx": ("openai", openai_httpx),
}


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mb() -> float:
    """Of this process or of its largest child that has ended, whichever is more."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in whose) / 1024


def measured(name: str, package: str, prepare: Callable[[], Callable[[], int]], n: int) -> dict:
    """Figures of one contestant: `prepare` imports, what it returns works and counts the answers."""
    before = cpu_seconds()
    work = prepare()
    cpu, wall = cpu_seconds(), time.perf_counter()
    answered = work()
    return {
        "peer": name,
        "version": version(package),
        "n": n,
        "answered": answered,
        "lost": n - answered,
        "wall_s": round(time.perf_counter() - wall, 3),
        "cpu_s": round(cpu_seconds() - cpu, 3),
        "import_cpu_s": round(cpu - before, 3),
        "peak_rss_mb": round(peak_mb(), 1),
    }


def main() -> None:
    """One peer, one line; what the peer says goes to the other stream."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model", default="offline/storyteller")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=64)
    given = parser.parse_args()
    package, prepare = PEERS[given.peer]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ.update(QUIET)
        os.environ.update({name: str(Path(folder) / "home") for name in PLACES})
        asked = list(prompts(given.n))
        job = Job(given.base_url, given.model, asked, given.concurrency, str(Path(folder) / "work"))

        def prepared() -> Callable[[], int]:
            work = prepare(job)
            return lambda: sum(isinstance(text, str) and bool(text) for text in work().values())

        with contextlib.redirect_stdout(sys.stderr):
            figures = measured(given.peer, package, prepared, given.n)
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
