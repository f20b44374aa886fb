import os

import pytest
from given import row

from flows import starting
from flows.console import Common
from flows.starting import estimate_corpus, run_corpus, run_model
from schemas.errors import BadInput
from schemas.settings import Budget, Curation, Making, Settings, Training
from schemas.tables import Release
from tasks.question import corpus_question, model_question
from warehouse.run import begin


@pytest.fixture
def common(tmp_path, monkeypatch):
    """A command on a warehouse of its own, in which a flow that is started is an error."""
    monkeypatch.setattr(starting, "started", lambda flow: pytest.fail("a flow was started"))
    return Common(root=tmp_path / "w")


def release(passed):
    return Release(
        release_id="rel", run_id="r", name="n", edition="e", model=None, n_train=1, n_heldout=1,
        passed=passed, gates=[], path="p", files=[], row_digest="d",
    )  # fmt: skip


def commit(common, asked):
    run = begin(common.root, *asked)
    run.commit([])


def test_a_corpus_that_is_there_is_found_without_starting_anything(common, monkeypatch):
    asked = corpus_question(["tiny_stories"], 5, "e", Making(), Curation(), Settings(root=common.root))
    commit(common, asked)
    monkeypatch.setattr("tasks.choice.release_of_run", lambda root, run_id: release(True))
    assert run_corpus(common, ["tiny_stories"], 5, "e", Making(), Curation(), Budget()) == "rel"


def test_a_blocked_release_goes_through_the_flow_which_says_why(common, monkeypatch):
    asked = corpus_question(["tiny_stories"], 5, "e", Making(), Curation(), Settings(root=common.root))
    commit(common, asked)
    monkeypatch.setattr("tasks.choice.release_of_run", lambda root, run_id: release(False))
    monkeypatch.setattr(starting, "started", lambda flow: "flow")
    assert run_corpus(common, ["tiny_stories"], 5, "e", Making(), Curation(), Budget()) == "flow"


def test_the_estimate_of_a_run_that_is_made_is_what_was_said_and_what_it_took(common):
    asked = corpus_question(["tiny_stories"], 5, "e", Making(), Curation(), Settings(root=common.root))
    run = begin(common.root, *asked)
    about = {"run_id": run.run_id, "scope": "run", "scope_id": run.run_id, "n": 1, "version": "1"}
    said = row("metric", metric="estimated_requests", value=4.0, low=3.0, high=6.0, **about)
    run.commit(run.once("account", [], {}, lambda: {"metric": said}))
    found = estimate_corpus(common, ["tiny_stories"], 5, "e", Making(), Curation(), Budget())
    assert [(each["quantity"], each["estimated"], each["taken"]) for each in found] == [
        ("requests", 4.0, None)
    ]


def test_an_estimate_is_read_where_the_flow_has_left_it(common, monkeypatch):
    asked = corpus_question(["tiny_stories"], 5, "e", Making(), Curation(), Settings(root=common.root))

    def flow(go):
        place = begin(common.root, *asked).folder / "estimate.json"
        place.write_text('[{"quantity": "requests", "value": 4.0}]')

    monkeypatch.setattr(starting, "started", flow)
    found = estimate_corpus(common, ["tiny_stories"], 5, "e", Making(), Curation(), Budget())
    assert found == [{"quantity": "requests", "value": 4.0}]


@pytest.mark.parametrize("trained", [True, False])
def test_a_model_that_is_there_is_found_without_starting_anything(common, monkeypatch, trained):
    commit(common, model_question("rel", Training()) if trained else ("corpus", "x", "e", {}))
    monkeypatch.setattr("tasks.choice.choose_release", lambda root, name: release(True) if trained else None)
    assert run_model(common, "rel", Training()) == ("rel" if trained else None)


def test_a_dead_prefect_server_is_found_before_prefect_is_started(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(BadInput, match="where no server answers: start it, or unset it"):
        starting._refuse_dead_server()


def test_what_the_user_has_set_for_prefect_stays(monkeypatch):
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    starting._quiet_prefect()
    assert (os.environ["PREFECT_LOGGING_LEVEL"], os.environ["DO_NOT_TRACK"]) == ("DEBUG", "1")
