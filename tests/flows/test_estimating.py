import pytest
from prefect import flow

from flows.estimating import PROBE_TREES, estimated, probed
from schemas.settings import Making, Settings
from tasks.pool import lineage
from warehouse.run import begin

pytestmark = pytest.mark.filterwarnings("ignore")  # of Prefect's own code


@pytest.fixture
def in_a_flow(root):
    """A function that runs another inside a flow, with a begun run."""

    def go(ask):
        run = begin(root, "corpus", "test", "first", {})
        return flow(lambda: ask(run))(), run

    return go


def test_a_probe_is_the_beginning_of_the_run(in_a_flow):
    parts, run = in_a_flow(
        lambda run: probed(run, "tiny_stories", 500, Making(), lineage("m", "run"), Settings())
    )
    (samples,) = (run.read(part) for part in parts if part.table == "sample")
    assert samples.height == PROBE_TREES


def test_a_bootstrap_is_probed_by_its_first_round(in_a_flow):
    parts, run = in_a_flow(
        lambda run: probed(run, "self_instruct", 300, Making(), lineage("m", "run"), Settings())
    )
    levels = {level for part in parts if part.table == "call" for level in run.read(part)["level"]}
    assert levels == {"instruction", "flag", "instance"}


def test_an_estimate_leaves_nothing_in_the_warehouse_but_the_replies(in_a_flow):
    said, run = in_a_flow(
        lambda run: estimated(run, ["tiny_stories"], 100, Making(), lineage("m", "run"), Settings())
    )
    assert said.startswith("requests: 100 (95%: ")
    assert not list(run.root.rglob("*.parquet"))
    assert (run.folder / "estimate.json").exists() and (run.root / "journal" / "calls.sqlite").exists()
