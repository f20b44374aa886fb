import pytest

from flows import ending
from flows.ending import hand_off
from schemas.errors import GateBlocked
from schemas.tables import Gate, Release


@pytest.fixture
def ended(monkeypatch, tmp_path):
    """A function that ends a run whose release passed or not; what it did is in the list that it returns."""

    def end(passed):
        did = []
        gate = Gate(
            name="size", passed=passed, value=3, threshold=5, blocks=True, rule="training rows, at least"
        )
        release = Release(
            release_id="rel", run_id="r", name="n", edition="e", model=None, n_train=3, n_heldout=1,
            passed=passed, gates=[gate], path="p", files=[], row_digest="d",
        )  # fmt: skip
        monkeypatch.setattr(ending, "release_of_run", lambda root, run_id: release)
        monkeypatch.setattr(ending, "report", lambda root, release_id: did.append("report"))
        monkeypatch.setattr(ending, "start_model", lambda release_id: did.append(f"start {release_id}"))
        return did, lambda: hand_off(tmp_path, "r")

    return end


def test_a_release_that_passed_is_reported_and_handed_over(ended):
    did, end = ended(True)
    assert end() == "rel"
    assert did == ["report", "start rel"]


def test_a_blocked_release_is_reported_and_not_handed_over(ended):
    did, end = ended(False)
    with pytest.raises(GateBlocked, match="release rel is blocked by size: 3.0 .training rows, at least 5"):
        end()
    assert did == ["report"]
    assert GateBlocked.code == 3
