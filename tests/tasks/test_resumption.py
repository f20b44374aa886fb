import json

import pytest

from tasks import resumption


@pytest.fixture
def checkpoint(tmp_path):
    """A sealed checkpoint after ten steps."""
    return sealed(tmp_path, 10)


def sealed(folder, steps, identity="mine"):
    checkpoint = folder / f"checkpoint-{steps}"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(bytes(range(100)))
    (checkpoint / "optimizer.pt").write_bytes(b"momentum")
    resumption.seal(checkpoint, identity)
    return checkpoint


def test_a_sealed_checkpoint_is_whole(checkpoint):
    assert resumption.is_whole(checkpoint, "mine")


def test_a_checkpoint_of_another_training_is_not_whole(checkpoint):
    assert not resumption.is_whole(checkpoint, "theirs")


def unseal(folder):
    (folder / resumption.SEAL).unlink()


def tear_the_seal(folder):
    seal = folder / resumption.SEAL
    seal.write_bytes(seal.read_bytes()[:20])


def flip_a_bit(folder):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[50] ^= 1
    (folder / "model.safetensors").write_bytes(data)


def lose_a_file(folder):
    (folder / "optimizer.pt").unlink()


def gain_a_file(folder):
    (folder / "rng_state.pth").write_bytes(b"planted")


@pytest.mark.parametrize("damage", [unseal, tear_the_seal, flip_a_bit, lose_a_file, gain_a_file])
def test_a_damaged_checkpoint_is_not_whole_and_is_thrown_away(checkpoint, damage):
    sealed(checkpoint.parent, 5)
    damage(checkpoint)
    assert not resumption.is_whole(checkpoint, "mine")
    assert resumption.last_whole(checkpoint.parent, "mine") == checkpoint.parent / "checkpoint-5"
    assert not checkpoint.exists()


def test_the_last_checkpoint_has_the_most_steps_not_the_last_name(tmp_path):
    for steps in (9, 10, 100, 20):
        sealed(tmp_path, steps)
    assert resumption.last_whole(tmp_path, "mine").name == "checkpoint-100"


def test_a_training_that_has_not_begun_has_no_checkpoint(tmp_path):
    assert resumption.last_whole(tmp_path / "nowhere", "mine") is None


def test_the_seal_names_every_file(checkpoint):
    assert set(json.loads((checkpoint / resumption.SEAL).read_bytes())["files"]) == {
        "model.safetensors",
        "optimizer.pt",
    }


def test_sweeping_leaves_no_pickle_and_no_checkpoint(checkpoint):
    folder = checkpoint.parent
    for name in ("model.safetensors", "config.json", "training_args.bin", "scheduler.pt", "rng_state.pth"):
        (folder / name).write_bytes(b"x")
    (folder / "checkpoint-notes").mkdir()
    resumption.sweep(folder)
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors",
        "config.json",
        "checkpoint-notes",
    }
