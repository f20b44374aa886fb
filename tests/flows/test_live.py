import logging

import pytest
from prefect import flow

from flows.live import Stage, live, share, table

SAID = logging.getLogger("seedloom.progress")


def say(stage, more=0, advance=0, note=""):
    SAID.info("", extra={"stage": stage, "more": more, "advance": advance, "note": note})


def artifacts(key):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/filter", json={"artifacts": {"key": {"any_": [key]}}})
        return found.json()


def test_the_artifact_of_a_flow_run_shows_each_stage_and_how_much_is_done(prefect_server, caplog):
    @flow
    def grow():
        with caplog.at_level(logging.INFO, "seedloom.progress"), live("0123456789abcdef", "mine"):
            say("stories", more=40)
            say("stories", advance=10, note="3.0 req/s · 0.01 of ~0.04 USD · 0:10 left")
            say("quality", more=10, advance=10)

    grow()
    (artifact,) = artifacts("progress-0123456789ab")
    assert artifact["type"] == "progress" and artifact["data"] == 40.0
    assert "| stories | 10 | 40 | 3.0 req/s · 0.01 of ~0.04 USD · 0:10 left |" in artifact["description"]
    assert "**mine**" in artifact["description"]


def test_outside_a_flow_run_nothing_is_published(monkeypatch):
    monkeypatch.setattr(
        "prefect.artifacts.create_progress_artifact", lambda *a, **k: pytest.fail("published")
    )
    with live("run", "mine"):
        say("stories", more=1, advance=1)


def test_a_server_that_does_not_answer_does_not_end_the_run(prefect_server, monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise OSError("gone")

    monkeypatch.setattr("prefect.artifacts.create_progress_artifact", broken)

    @flow
    def grow():
        with live("run", "mine"):
            return "done"

    with caplog.at_level(logging.WARNING, "seedloom.live"):
        assert grow() == "done"
    assert "no progress artifact: OSError: gone" in caplog.text


def test_the_share_is_of_all_the_work_that_is_known():
    assert share({}) == 0.0
    assert share({"a": Stage(10, 10), "b": Stage(30, 0)}) == 25.0
    assert share({"a": Stage(1, 2)}) == 100.0


def test_the_table_has_a_row_for_each_stage():
    assert table({"a": Stage(2000, 1000, "x")}).splitlines()[2:] == ["| a | 1,000 | 2,000 | x |"]
