"""From a release to a checkpoint, for real and small."""

import pytest
from given import ask

from flows.corpus import corpus
from flows.model import model
from flows.summary import summary
from schemas.settings import Curation, Training

pytestmark = pytest.mark.filterwarnings("ignore")  # of Prefect's, torch's and transformers' own code
QUICK = Training(epochs=1, batch_size=8, max_length=64)


def test_the_newest_release_that_passed_is_trained_once_and_measured(root):
    release_id = corpus(
        recipe=["tiny_stories"], count=24, edition="e", curation=Curation(min_train=1, heldout=0.3)
    )
    assert model(training=QUICK) == release_id
    assert model(training=QUICK) is None, "nothing is left to train"
    assert model(release=release_id[:8], training=QUICK) == release_id
    ((trained_on, path, steps),) = ask(root, "SELECT release_id, path, steps FROM checkpoint")
    assert trained_on == release_id
    assert steps > 0
    assert list((root / path).glob("*.safetensors"))
    assert not [p for p in (root / path).rglob("*") if p.suffix in (".bin", ".pt", ".pth", ".pkl")]
    ((before, after),) = ask(root, "SELECT heldout_loss_before, heldout_loss_after FROM model_gain")
    assert after < before
    facts = {row["what"]: row["value"] for row in summary(root, release_id)}
    assert facts["held-out loss before / after"] == f"{before:.4f} / {after:.4f} nats per token"
    assert facts["checkpoint"] == str(root / path)
    assert "Training loss" in (root / "reports" / f"{release_id}.html").read_text()
