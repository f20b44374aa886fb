"""The hand-off: a release that passed its gates starts the `model` deployment, once.

The two flows share nothing but the warehouse. The start is idempotent (its key is the release), and the
weekly schedule of the deployment finds what was missed, for one when no server was there.
"""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

DEPLOYMENT = "model/model"
EVENT = "seedloom.release.passed"

logger = logging.getLogger("seedloom.handoff")


@task(name="handoff", cache_policy=NO_CACHE, retries=3, retry_delay_seconds=5)
def start_model(release_id: str) -> str | None:
    """Start the deployment for a release; the id of its run, or None when there is no deployment."""
    from prefect.deployments import run_deployment
    from prefect.events import emit_event
    from prefect.exceptions import ObjectNotFound

    # For outsiders only: an automation of ours on it would train a second time.
    emit_event(EVENT, resource={"prefect.resource.id": f"seedloom.release.{release_id}"})
    try:
        started = run_deployment(
            DEPLOYMENT,
            parameters={"release": release_id},
            timeout=0,
            as_subflow=False,
            idempotency_key=f"model-{release_id}",
        )
    except ObjectNotFound:
        logger.info("no deployment %s here: `seedloom model` or its weekly schedule trains it", DEPLOYMENT)
        return None
    logger.info("release %s handed to %s as run %s", release_id, DEPLOYMENT, started.name)
    return str(started.id)
