"""Where the task runs of a flow are executed: a setting, `SEEDLOOM_RUNNER` = threads, dask or ray."""

from typing import Any

from schemas.errors import BadInput
from schemas.settings import Settings

THREADS = 4


def task_runner() -> Any:
    """The task runner of the settings.

    Raises:
        BadInput: when the extra that it needs is not installed.
    """
    kind = Settings().runner
    if kind == "threads":
        from prefect.task_runners import ThreadPoolTaskRunner

        return ThreadPoolTaskRunner(max_workers=THREADS)
    try:
        if kind == "dask":
            from prefect_dask import DaskTaskRunner

            return DaskTaskRunner()
        from prefect_ray import RayTaskRunner

        return RayTaskRunner()
    except ImportError as error:
        raise BadInput(
            f"SEEDLOOM_RUNNER is {kind!r}: install it with `pip install seedloom[{kind}]`"
        ) from error
