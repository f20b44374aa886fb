import importlib.util

import pytest

from flows.runner import THREADS, task_runner
from flows.starting import started
from schemas.errors import BadInput


def test_threads_are_the_default():
    assert task_runner()._max_workers == THREADS


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_runner_whose_extra_is_missing_says_how_to_install_it(monkeypatch, kind):
    if importlib.util.find_spec(f"prefect_{kind}"):
        pytest.skip(f"prefect_{kind} is installed here")
    monkeypatch.setenv("SEEDLOOM_RUNNER", kind)
    with pytest.raises(BadInput, match=rf"pip install seedloom\[{kind}\]"):
        task_runner()


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_cluster_without_a_server_is_refused_before_anything_starts(monkeypatch, kind):
    monkeypatch.setenv("SEEDLOOM_RUNNER", kind)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(BadInput, match="seedloom up"):
        started(lambda: pytest.fail("the flow was started"))
