import importlib.util

import pytest

from flows.runner import THREADS, task_runner
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
