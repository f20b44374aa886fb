"""What a Prefect server must know before its workers start: the pools, and what to do about runs that died.

`seedloom up` runs `python -m flows.registration --alone` with `PREFECT_API_URL` set. Prefect itself then
registers the deployments.
"""

import sys
from datetime import timedelta
from pathlib import Path

from prefect.automations import ChangeFlowRunState, EventTrigger, Posture
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import StateType
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed
from prefect.workers.process import ProcessWorker

from flows.up import POOLS

AUTOMATION = "seedloom: a run without heartbeat has crashed"
HEARTBEAT_S = 180  # Prefect's default
SILENCE_S = 3 * HEARTBEAT_S  # one late heartbeat is no death: 90 s crashed a healthy run


def main() -> None:
    """Make the server ready for workers that run in the current folder. `--alone`: none runs yet."""
    with get_client(sync_client=True) as client:
        for name, limit in POOLS.items():
            make_pool(client, name, limit, Path.cwd())
        if "--alone" in sys.argv[1:]:
            crash_orphans(client)
        replace_automation(client)


def make_pool(client: SyncPrefectClient, name: str, limit: int, folder: Path) -> None:
    """Create a pool of processes that run in a folder (where seedloom.toml is), or move it there.

    A limit that somebody changed in the UI stays.
    """
    template = ProcessWorker.get_default_base_job_template()
    template["variables"]["properties"]["working_dir"]["default"] = str(folder)
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(
            WorkPoolCreate(name=name, type="process", base_job_template=template, concurrency_limit=limit)
        )
    else:
        client.update_work_pool(name, WorkPoolUpdate(base_job_template=template))


def crash_orphans(client: SyncPrefectClient) -> None:
    """Mark what the last workers left behind: while no worker runs, whatever is said to run does not.

    A run that stayed `Running` would keep its place in the pool, on the GPU the only one.
    """
    alive = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    while runs := client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate({"state": {"type": {"any_": alive}}}),
        work_pool_filter=WorkPoolFilter.model_validate({"name": {"any_": list(POOLS)}}),
    ):
        for run in runs:
            message = "its worker was stopped; `prefect flow-run retry` resumes it"
            client.set_flow_run_state(run.id, Crashed(message=message), force=True)


def replace_automation(client: SyncPrefectClient) -> None:
    """A run whose process and worker both died stays `Running` for ever, but its heartbeat is missing."""
    for old in client.read_automations_by_name(AUTOMATION):
        client.delete_automation(old.id)
    ends = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.heartbeat", *ends},
        match={"prefect.resource.id": ["prefect.flow-run.*"]},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=SILENCE_S),
    )
    message = f"no heartbeat for {SILENCE_S} s: its process died; `prefect flow-run retry` resumes it"
    crash = ChangeFlowRunState(state=StateType.CRASHED, message=message)
    client.create_automation(AutomationCore(name=AUTOMATION, trigger=trigger, actions=[crash]))


if __name__ == "__main__":
    main()
