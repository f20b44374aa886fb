"""The hand-off against a real Prefect server."""

import pytest
from prefect import flow

from tasks.handoff import DEPLOYMENT, start_model

pytestmark = pytest.mark.filterwarnings("ignore")  # of Prefect's own code


@flow
def handing(release_id: str):
    return start_model(release_id)


def test_without_a_deployment_the_weekly_schedule_is_left_to_find_it(prefect_server):
    assert handing("nobody") is None


def test_a_release_starts_the_deployment_once_however_often_it_is_handed_over(prefect_server):
    from prefect.client.orchestration import get_client

    from flows.model import model

    model.to_deployment(name="model").apply()
    first, second, other = handing("release-a"), handing("release-a"), handing("release-b")
    assert first == second
    assert other != first
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(first)
        assert run.parameters == {"release": "release-a"}
        client.delete_deployment(client.read_deployment_by_name(DEPLOYMENT).id)
