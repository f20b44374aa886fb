import fcntl
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from schemas.errors import BadInput, SeedloomError
from schemas.settings import Training
from tasks import finetune, tiny_model
from tasks.finetune import method_of, train
from warehouse.run import begin

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
TINY = Training(epochs=2, batch_size=4, max_length=64)
STEPS = 12
ROWS = [
    [
        {"role": "user", "content": f"Write about the {animal} in the {place}."},
        {
            "role": "assistant",
            "content": f"Once upon a time a {animal} lived in a {place}. It was happy there.",
        },
    ]
    for animal in ["cat", "dog", "fox", "bear", "owl", "mouse"]
    for place in ["forest", "town", "castle", "river"]
]

# A process that trains as `whole` does, and is killed in the middle of the seventh step.
KILLED = """
import os, signal, sys
from pathlib import Path
from schemas.settings import Training
from tasks.finetune import train

def kill(step, steps, loss):
    if step == 7:
        os.kill(os.getpid(), signal.SIGKILL)

release, out, settings, sizes = sys.argv[1:]
train(Path(release), Path(out), Training.model_validate_json(settings), kill, eval(sizes))
"""


def release(folder, rows=ROWS):
    (folder / "messages").mkdir(parents=True)
    for split in ("train", "heldout"):
        frame = pl.DataFrame(
            {"messages": rows},
            schema={"messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String}))},
        )
        frame.write_parquet(folder / "messages" / f"{split}.parquet")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return release(tmp_path_factory.mktemp("corpus") / "release")


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    """An uninterrupted training: its folder, its report, and what it told on its way."""
    folder, told = tmp_path_factory.mktemp("whole"), []
    return folder, train(corpus, folder, TINY, lambda *facts: told.append(facts), SIZES), told


@pytest.fixture(autouse=True)
def one_thread():
    with tiny_model.one_thread():
        yield


def log(folder):
    return [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]


def test_the_loss_falls_and_every_step_is_told_and_logged(whole):
    folder, trained, told = whole
    assert [entry["step"] for entry in log(folder)] == list(range(1, STEPS + 1))
    assert told == [(entry["step"], STEPS, entry["loss"]) for entry in log(folder)]
    assert log(folder)[-1]["loss"] < log(folder)[0]["loss"] - 0.1
    assert trained.steps == STEPS
    assert trained.train_loss == pytest.approx(sum(entry["loss"] for entry in log(folder)) / STEPS)
    assert trained.n_trainable == trained.n_parameters
    assert (trained.method, trained.n_rows, trained.n_cut) == ("full", len(ROWS), 0)


def test_no_pickle_and_no_checkpoint_is_left(whole):
    folder, trained, _ = whole
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json", ".jsonl", ".jinja"}
    assert trained.weights == "model.safetensors"
    assert (folder / trained.weights).stat().st_mode & 0o777 == 0o644


def test_a_killed_training_is_resumed_and_ends_with_the_same_losses_and_weights(corpus, whole, tmp_path):
    arguments = [str(corpus), str(tmp_path), TINY.model_dump_json(), repr(SIZES)]
    repository = Path(finetune.__file__).parents[1]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=repository, check=False)
    assert killed.returncode == -signal.SIGKILL
    sealed = sorted(path.parent.name for path in tmp_path.glob("checkpoint-*/whole.json"))
    assert sealed == ["checkpoint-4", "checkpoint-6"]

    (tmp_path / "checkpoint-8").mkdir()  # what a kill in the middle of saving leaves
    torn = (tmp_path / "checkpoint-6" / "model.safetensors").read_bytes()[:1000]
    (tmp_path / "checkpoint-8" / "model.safetensors").write_bytes(torn)

    told = []
    resumed = train(corpus, tmp_path, TINY, lambda step, steps, loss: told.append(step), SIZES)
    folder, uninterrupted, _ = whole
    assert told == list(range(7, STEPS + 1))
    assert log(tmp_path) == log(folder)
    assert resumed == uninterrupted
    assert not list(tmp_path.glob("checkpoint-*"))


def test_the_order_of_the_rows_in_the_file_changes_nothing(whole, tmp_path):
    shuffled = release(tmp_path / "shuffled", random.Random(7).sample(ROWS, len(ROWS)))
    assert train(shuffled, tmp_path / "out", TINY, sizes=SIZES) == whole[1]


def test_a_finished_training_is_found_and_not_repeated(corpus, whole):
    def never(step, steps, loss):
        raise AssertionError("trained again")

    assert train(corpus, whole[0], TINY, never, SIZES) == whole[1]


def test_other_settings_in_the_same_folder_train_anew(corpus, whole, tmp_path):
    train(corpus, tmp_path, TINY.model_copy(update={"epochs": 0.5}), sizes=SIZES)
    assert train(corpus, tmp_path, TINY, sizes=SIZES) == whole[1]


def test_rows_whose_prompt_fills_the_context_are_counted(corpus, tmp_path):
    long = [{"role": "user", "content": "why " * 200}, {"role": "assistant", "content": "so"}]
    settings = TINY.model_copy(update={"epochs": 0.1})
    trained = train(release(tmp_path / "long", [*ROWS, long]), tmp_path / "out", settings, sizes=SIZES)
    assert (trained.n_rows, trained.n_cut) == (len(ROWS), 1)


def test_lora_trains_an_adapter_on_a_model_from_a_folder(corpus, whole, tmp_path):
    settings = TINY.model_copy(update={"base_model": str(whole[0]), "epochs": 1})
    base = (whole[0] / "model.safetensors").read_bytes()
    trained = train(corpus, tmp_path, settings)
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["adapter_model.safetensors"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".json", ".jsonl", ".jinja"}
    assert trained.method == "lora"
    assert 0 < trained.n_trainable < trained.n_parameters / 2
    assert (whole[0] / "model.safetensors").read_bytes() == base


def test_full_on_a_given_model_goes_on_from_its_weights(corpus, whole, tmp_path):
    settings = TINY.model_copy(update={"base_model": str(whole[0]), "method": "full", "epochs": 0.2})
    trained = train(corpus, tmp_path, settings)
    assert trained.method == "full"
    assert trained.n_trainable == trained.n_parameters
    assert log(tmp_path)[0]["loss"] == pytest.approx(log(whole[0])[-1]["loss"], abs=0.5)


@pytest.mark.parametrize(
    ("base_model", "method", "expected"),
    [("tiny", "auto", "full"), ("tiny", "full", "full"), ("x/y", "auto", "lora"), ("x/y", "full", "full")],
)
def test_auto_is_full_for_tiny_and_lora_for_a_given_model(base_model, method, expected):
    assert method_of(Training(base_model=base_model, method=method)) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_model": "/no/such/model"}, "no base model .*'/no/such/model'; known: 'tiny'"),
        ({"method": "lora"}, "method 'lora' needs a base model"),
    ],
)
def test_settings_that_cannot_be_trained_with_are_refused_in_one_line(corpus, tmp_path, changes, message):
    with pytest.raises(BadInput, match=message) as caught:
        train(corpus, tmp_path, TINY.model_copy(update=changes), sizes=SIZES)
    assert "\n" not in str(caught.value)


def test_a_context_that_no_prompt_fits_is_refused(tmp_path):
    long = release(tmp_path / "long", [[{"role": "user", "content": "why " * 200}, ROWS[0][1]]])
    with pytest.raises(BadInput, match="no prompt out of 1 leaves room to answer in 64 tokens"):
        train(long, tmp_path / "out", TINY, sizes=SIZES)


def test_a_release_that_is_missing_or_empty_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no release folder .*nowhere"):
        train(tmp_path / "nowhere", tmp_path / "out", TINY)
    with pytest.raises(BadInput, match="no row of release folder .*empty has an assistant turn"):
        train(release(tmp_path / "empty", []), tmp_path / "out", TINY)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def small(monkeypatch):
    """The task with a model that is small even for tiny."""
    monkeypatch.setattr(tiny_model, "SIZES", SIZES)


def test_the_task_writes_one_row_and_another_run_finds_the_weights(run, small, monkeypatch):
    release(run.root / "releases" / "r1")
    (part,) = finetune.finetune.fn(run, "r1", "releases/r1", TINY)
    (row,) = run.read(part).to_dicts()
    assert (row["release_id"], row["base_model"], row["method"], row["steps"]) == (
        "r1",
        "tiny",
        "full",
        STEPS,
    )
    assert row["path"] == f"models/{row['checkpoint_id']}"
    assert Training.model_validate_json(row["settings"]) == TINY
    assert [path.name for path in (run.root / "models").iterdir()] == [row["checkpoint_id"]]

    monkeypatch.setattr(finetune, "train", None)
    other = begin(run.root, "model", "r1", "second", {})
    (again,) = finetune.finetune.fn(other, "r1", "releases/r1", TINY)
    assert other.read(again).drop("run_id").equals(run.read(part).drop("run_id"))

    (run.root / row["path"] / "model.safetensors").write_bytes(b"altered")
    with pytest.raises(SeedloomError, match="not those that were trained"):
        finetune.finetune.fn(begin(run.root, "model", "r1", "third", {}), "r1", "releases/r1", TINY)


def test_two_processes_do_not_train_the_same(tmp_path):
    (tmp_path / ".tmp-one").mkdir()
    holder = os.open(tmp_path / ".tmp-one", os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(SeedloomError, match="another process is training in .*one"):
        finetune._train_once(tmp_path / "one", tmp_path, TINY)
    os.close(holder)
