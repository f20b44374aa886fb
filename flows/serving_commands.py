"""Commands that serve: a Prefect server with its workers, a model server for rehearsals."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from flows.console import Common

app = App()
Flat = Parameter(name="*")


@app.command
def up(*, port: int = 4200, common: Annotated[Common, Flat] = Common()) -> None:  # noqa: B008  (frozen)
    """Start a Prefect server on loopback with its UI, a CPU worker, a GPU-pool worker and the deployments.

    Args:
        port: Port of the server and its UI.
    """
    from flows.up import serve

    serve(common.settings(), port)


@app.command
def rehearse(
    *,
    port: int = 8800,
    plan: Path | None = None,
    latency: str | None = None,
    fault: list[str] | None = None,
    rps: int | None = None,
    models: list[str] | None = None,
    key_env: str | None = None,
    log: Path | None = None,
    state: Path | None = None,
    seed: int | None = None,
    common: Annotated[Common, Flat] = Common(),  # noqa: B008  (frozen)
) -> None:
    """Start an OpenAI-compatible server on loopback that costs nothing and misbehaves as planned.

    Args:
        port: Port to listen on; 0 takes any free one.
        plan: TOML file with the fields of a plan, see docs/rehearsal.md; options below replace its fields.
        latency: Seconds before an answer: 0.2, uniform:LOW,HIGH or lognormal:MEDIAN,SIGMA.
        fault: A fault and when: reset:0.01 (share), reset@5,6 (numbers) or reset@10-20; several times.
        rps: Completions per second; any more get 429 with Retry-After.
        models: Name of a model that it serves; may be given several times.
        key_env: Environment variable that holds the only key to be accepted.
        log: Access log, a JSON line for each request; appended to.
        state: Folder that keeps files and batches when the server ends. Default: memory.
        seed: Draws latencies and faults.
    """
    from flows.rehearse import planned, rehearse

    options = {"latency": latency, "fault": fault, "rps": rps, "models": models, "key_env": key_env}
    rehearse(common, planned(plan, **options, seed=seed), port=port, log=log, state=state)
