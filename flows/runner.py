"""Where the task runs of a flow are executed: a setting, `SEEDLOOM_RUNNER` = threads, dask or ray.

The tasks are the same in all three: they take and return partitions, and files are what is shuffled. With
`SEEDLOOM_RUNNER_ADDRESS` the flow joins a cluster that runs; without it Dask or Ray is started on this
machine, reachable from this machine only, and ended with the flow. What travels to a worker is pickled by
Dask and Ray themselves: join only clusters in which everybody is trusted.
"""

import os
from typing import Any

from schemas.errors import BadInput
from schemas.settings import Settings

THREADS = 4


def task_runner() -> Any:
    """The task runner of the settings.

    Raises:
        BadInput: when the extra that it needs is not installed.
    """
    settings = Settings()
    if settings.runner == "threads":
        from prefect.task_runners import ThreadPoolTaskRunner

        return ThreadPoolTaskRunner(max_workers=THREADS)
    try:
        return _dask(settings) if settings.runner == "dask" else _ray(settings)
    except ImportError as error:
        kind = settings.runner
        raise BadInput(
            f"SEEDLOOM_RUNNER is {kind!r}: install it with `pip install seedloom[{kind}]`"
        ) from error


def _dask(settings: Settings) -> Any:
    from prefect_dask import DaskTaskRunner

    if settings.runner_address:
        return DaskTaskRunner(address=settings.runner_address)
    own = {"n_workers": settings.runner_workers, "threads_per_worker": 1, "host": "127.0.0.1"}
    return DaskTaskRunner(cluster_kwargs={**own, "dashboard_address": None})


def _ray(settings: Settings) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    from prefect_ray import RayTaskRunner

    if settings.runner_address:
        return RayTaskRunner(address=settings.runner_address)
    own = {"num_cpus": settings.runner_workers, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    return RayTaskRunner(init_kwargs={**own, "log_to_driver": False})
