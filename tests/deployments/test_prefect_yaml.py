"""The deployments: every entrypoint is a flow, every schedule is one, and nothing needs a parameter."""

import datetime
import inspect
import zoneinfo
from importlib import import_module

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule

from flows.up import DEPLOYMENTS, POOLS
from tasks.handoff import DEPLOYMENT

FILE = yaml.safe_load(DEPLOYMENTS.read_text())
DEPLOYED = {each["name"]: each for each in FILE["deployments"]}
SCHEDULES = [schedule for each in DEPLOYED.values() for schedule in each["schedules"]]


def test_the_five_flows_are_deployed_and_two_of_them_on_a_schedule():
    assert set(DEPLOYED) == {"corpus", "curate", "classifier", "preview", "model"}
    assert len(FILE["deployments"]) == 5
    assert {name for name, each in DEPLOYED.items() if each["schedules"]} == {"corpus", "model"}


@pytest.mark.parametrize("name", ["corpus", "curate", "classifier", "preview", "model"])
def test_the_entrypoint_is_a_module_path_to_the_flow_of_that_name(name):
    module, _, attribute = DEPLOYED[name]["entrypoint"].rpartition(".")
    flow = getattr(import_module(module), attribute)
    assert isinstance(flow, Flow)
    assert flow.name == name


def test_the_hand_off_starts_a_deployment_that_exists():
    flow, name = DEPLOYMENT.split("/")
    assert flow == name
    assert name in DEPLOYED


@pytest.mark.parametrize("name", ["corpus", "model"])
def test_what_is_scheduled_needs_no_parameter_and_takes_the_defaults_of_its_flow(name):
    flow = getattr(import_module(f"flows.{name}"), name)
    needed = [p for p in inspect.signature(flow.fn).parameters.values() if p.default is p.empty]
    assert needed == []
    assert "parameters" not in DEPLOYED[name]


def test_every_pool_is_made_by_up_and_training_has_its_own():
    assert {name: each["work_pool"]["name"] for name, each in DEPLOYED.items()} == {
        "corpus": "cpu",
        "curate": "cpu",
        "classifier": "cpu",
        "preview": "cpu",
        "model": "gpu",
    }
    assert {each["work_pool"]["name"] for each in DEPLOYED.values()} == set(POOLS)
    assert POOLS["gpu"] == 1


def test_nothing_is_pulled_as_the_package_is_installed_where_a_worker_runs():
    assert FILE["pull"] == []
    assert not any({"pull", "build", "push"} & set(each) for each in DEPLOYED.values())


def test_schedules_are_cron_lines_in_utc_as_the_edition_is_a_utc_date():
    assert len(SCHEDULES) == 2
    for schedule in SCHEDULES:
        CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
        assert zoneinfo.ZoneInfo(schedule["timezone"]).utcoffset(
            datetime.datetime(2026, 7, 1)
        ) == datetime.timedelta(0)


def test_a_schedule_has_a_name_so_that_its_pause_outlives_a_new_registration():
    assert sorted(schedule["slug"] for schedule in SCHEDULES) == ["nightly", "weekly"]
