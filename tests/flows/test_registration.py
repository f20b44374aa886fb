"""What a server is told before its workers start. The same against a real server: test_up.py."""

import pathlib
from types import SimpleNamespace

from prefect.client.schemas.objects import StateType
from prefect.events.schemas.automations import Posture
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from flows import registration
from flows.up import POOLS

HERE = pathlib.Path("/some/folder")


class Server:
    """The few answers of a client that the registration asks for."""

    def __init__(self, pools=(), runs=(), automations=()):
        self.pools, self.said = {pool: None for pool in pools}, []
        self.runs, self.automations = list(runs), list(automations)

    def read_work_pool(self, name):
        if name not in self.pools:
            raise ObjectNotFound(http_exc=Exception("404"))

    def create_work_pool(self, pool):
        self.pools[pool.name] = pool

    def update_work_pool(self, name, update):
        self.pools[name] = update

    def read_flow_runs(self, flow_run_filter, work_pool_filter):
        states, pools = flow_run_filter.state.type.any_, work_pool_filter.name.any_
        return [run for run in self.runs if run.state in states and run.pool in pools]

    def set_flow_run_state(self, run_id, state, force):
        self.said.append((run_id, state.type, force))
        self.runs = [run for run in self.runs if run.id != run_id]

    def read_automations_by_name(self, name):
        return [old for old in self.automations if old.name == name]

    def delete_automation(self, automation_id):
        self.automations = [old for old in self.automations if old.id != automation_id]

    def create_automation(self, automation):
        self.automations.append(automation)


def test_new_pools_run_processes_in_the_folder_of_the_settings_and_one_training_at_a_time():
    server = Server()
    for name, limit in POOLS.items():
        registration.make_pool(server, name, limit, HERE)
    assert {name: (pool.type, pool.concurrency_limit) for name, pool in server.pools.items()} == {
        "cpu": ("process", 2),
        "gpu": ("process", 1),
    }
    assert folder_of(server.pools["cpu"]) == str(HERE)


def test_a_known_pool_moves_to_the_folder_but_keeps_the_limit_that_somebody_set():
    server = Server(pools=["cpu"])
    registration.make_pool(server, "cpu", 2, HERE)
    assert server.pools["cpu"].model_dump(exclude_unset=True).keys() == {"base_job_template"}
    assert folder_of(server.pools["cpu"]) == str(HERE)


def test_runs_without_a_worker_are_marked_crashed_and_no_others():
    server = Server(
        runs=[
            run("pending", StateType.PENDING, "cpu"),
            run("running", StateType.RUNNING, "gpu"),
            run("cancelling", StateType.CANCELLING, "gpu"),
            run("scheduled", StateType.SCHEDULED, "gpu"),
            run("done", StateType.COMPLETED, "cpu"),
            run("of a terminal", StateType.RUNNING, None),
        ]
    )
    registration.crash_orphans(server)
    assert server.said == [(name, StateType.CRASHED, True) for name in ("pending", "running", "cancelling")]


def test_the_automation_replaces_its_older_self_and_no_other():
    ours = SimpleNamespace(id=1, name=registration.AUTOMATION)
    other = SimpleNamespace(id=2, name="of somebody else")
    server = Server(automations=[ours, ours, other])
    registration.replace_automation(server)
    kept, made = server.automations
    assert (kept, made.name) == (other, registration.AUTOMATION)
    assert made.trigger.posture == Posture.Proactive
    assert made.actions[0].state == StateType.CRASHED


def test_a_run_is_called_dead_after_three_missing_heartbeats_of_prefect():
    heartbeat = get_current_settings().flows.heartbeat_frequency
    server = Server()
    registration.replace_automation(server)
    assert server.automations[0].trigger.within.total_seconds() >= 3 * heartbeat


def folder_of(pool):
    return pool.base_job_template["variables"]["properties"]["working_dir"]["default"]


def run(name, state, pool):
    return SimpleNamespace(id=name, state=state, pool=pool)
