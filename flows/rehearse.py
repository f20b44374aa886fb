"""`seedloom rehearse`: an OpenAI-compatible server on loopback that misbehaves as planned, until Ctrl-C."""

import asyncio
import gc
import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

from flows.console import Common, stderr
from schemas.errors import BadInput
from schemas.rehearsal import Plan

MAX_PORT = 65_535


def rehearse(common: Common, plan: Plan, *, port: int, log: Path | None, state: Path | None) -> None:
    """Serve until SIGINT or SIGTERM; both are the usual end.

    With `--json`, stdout gets one line with base_url, model and pid once the server answers.

    Raises:
        BadInput: for a port that is none or is taken, a log or a folder that cannot be written.
    """
    if not 0 <= port <= MAX_PORT:
        raise BadInput(f"--port {port} is no port; known: 0 (any free one) to {MAX_PORT}")
    asyncio.run(_serve(common, plan, port, log, state))


def planned(
    file: Path | None,
    *,
    latency: str | None = None,
    fault: list[str] | None = None,
    rps: int | None = None,
    models: list[str] | None = None,
    key_env: str | None = None,
    seed: int | None = None,
) -> Plan:
    """The plan of a file with the options of the command line over it; faults add up.

    Raises:
        BadInput: for a value that no plan has, or a variable that is not set.
    """
    from tasks.rehearsal.plan import load_plan, parse_fault

    given: dict[str, Any] = {"latency": latency, "requests_per_second": rps, "models": models, "seed": seed}
    if key_env is not None:
        given["key"] = _key(key_env)
    over = {name: value for name, value in given.items() if value not in (None, [])}
    return load_plan(file, over | {"faults": [parse_fault(text) for text in fault or []]})


async def _serve(common: Common, plan: Plan, port: int, log: Path | None, state: Path | None) -> None:
    from tasks.rehearsal.log import AccessLog
    from tasks.rehearsal.server import Rehearsal, serve

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        rehearsal = Rehearsal(plan, AccessLog(log), state)
    except OSError as error:
        raise BadInput(f"--log or --state {error.filename}: {error.strerror}") from error
    gc.freeze()  # what was imported is not looked at again: no pauses under load
    await serve(rehearsal, port, lambda got: _announce(common, plan, got), stop)


def _announce(common: Common, plan: Plan, port: int) -> None:
    url, model = f"http://127.0.0.1:{port}/v1", plan.models[0]
    stderr.print(f"rehearsal server at {url} (Ctrl-C ends it); to write with it:", soft_wrap=True)
    stderr.print(f"export SEEDLOOM_LLM__BASE_URL={url}", soft_wrap=True)
    stderr.print(f"export SEEDLOOM_LLM__MODEL={shlex.quote(model)}", soft_wrap=True, markup=False)
    if plan.key is not None:
        stderr.print("and SEEDLOOM_LLM__API_KEY with the key of this plan")
    if common.as_json:
        line = {"base_url": url, "model": model, "pid": os.getpid()}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def _key(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise BadInput(f"--key-env {name}: no such variable in the environment, or it is empty")
    return value
