"""Supervised fine-tuning on a release: the tiny model from scratch, a given model through LoRA or in full.

Loss: mean negative log-likelihood of the assistant's tokens, nats per token, in [0, inf). Rows, settings and
seed decide the result: neither the order of the rows in the file nor a kill and a resumption changes it, on
one kind of machine. What is left at the end is safetensors, JSON and text; the trainer's pickles are removed.
"""

import fcntl
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from schemas.errors import BadInput, SeedloomError
from schemas.ids import canonical, digest
from schemas.partition import Partition
from schemas.settings import Training
from tasks import resumption, tiny_model
from tasks.dialogue import Conversation, examples, read_conversations
from tasks.pretrained import hardware, load_model, load_tokenizer
from tasks.progress import Progress
from tasks.tiny_model import TINY, one_thread
from tasks.trainer import require_extra, trainer_for, watch
from warehouse.copies import fetch_folder
from warehouse.files import TEMPORARY, make_folder, sha256_of, sync_folder, write_durably
from warehouse.run import Run

if TYPE_CHECKING:
    from trl import SFTTrainer

MODELS = "models"  # folder of the checkpoints in the warehouse
REPORT = "training.json"
LOG = "training_log.jsonl"
WEIGHTS = ("adapter_model.safetensors", "model.safetensors")


class Trained(BaseModel):
    """What is known of a finished training."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    identity: str  # digest of rows, settings and sizes
    method: str  # full or lora
    n_parameters: int
    n_trainable: int
    n_rows: int  # conversations trained on
    n_cut: int  # conversations left out: the prompt fills the context
    steps: int
    train_loss: float  # mean over the steps, nats per token
    weights: str  # name of the safetensors file
    sha256: str  # of that file


def train(
    release_dir: Path,
    out_dir: Path,
    settings: Training,
    progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
    sizes: Mapping[str, int] | None = None,
) -> Trained:
    """Train on the train split of a release; go on from the last whole checkpoint when there is one.

    `out_dir` ends up with the weights as safetensors, the tokeniser, `training_log.jsonl` (step, loss) and
    `training.json`. `progress` is told (step, steps, loss in nats per token); `sizes` overrides tiny's.

    Raises:
        BadInput: for a missing or empty release, an unknown base model, or a context that no row fits.
        SeedloomError: when the loss is no longer finite, or the `train` extra is not installed.
    """
    rows = read_conversations(release_dir, "train")
    if not rows:
        raise BadInput(f"no row of release folder {release_dir} has an assistant turn to train on")
    asked = [settings.model_dump(), method_of(settings), dict(sizes or {})]
    identity = digest("training", *asked, [digest(row) for row in rows])
    done = read_report(out_dir)
    if done is None or done.identity != identity:
        require_extra()
        make_folder(out_dir)
        trainer, facts = _prepare(rows, out_dir, settings, sizes)
        trainer.add_callback(watch(identity, progress))
        last = resumption.last_whole(out_dir, identity)
        with one_thread(trainer.model):
            trainer.train(resume_from_checkpoint=str(last) if last else None)
        done = _finish(trainer, out_dir, {"identity": identity, **facts})
    resumption.sweep(out_dir)
    return done


def method_of(settings: Training) -> str:
    """`full` or `lora`; auto is full for the tiny model and lora for a given one.

    Raises:
        BadInput: for lora on the tiny model, which has no weights worth keeping.
    """
    tiny = settings.base_model == TINY
    if tiny and settings.method == "lora":
        raise BadInput("method 'lora' needs a base model; for 'tiny' known: 'auto', 'full'")
    if settings.method == "auto":
        return "full" if tiny else "lora"
    return settings.method


def read_report(folder: Path) -> Trained | None:
    """What a finished training left in its folder; None when there is none."""
    report = folder / REPORT
    return Trained.model_validate_json(report.read_bytes()) if report.is_file() else None


def _prepare(
    rows: list[Conversation], out_dir: Path, settings: Training, sizes: Mapping[str, int] | None
) -> tuple["SFTTrainer", dict[str, Any]]:
    """The trainer before its first step, and what is known by then."""
    method = method_of(settings)
    model, tokenizer = _start(rows, settings, sizes)
    turns = examples(tokenizer, rows, settings.max_length)
    if not turns:
        raise BadInput(f"no prompt out of {len(rows)} leaves room to answer in {settings.max_length} tokens")
    n_rows = len({turn.row for turn in turns})
    facts = {"method": method, "n_rows": n_rows, "n_cut": len(rows) - n_rows}
    return trainer_for(model, tokenizer, turns, out_dir, settings, method), facts


def _start(rows: list[Conversation], settings: Training, sizes: Mapping[str, int] | None) -> tuple[Any, Any]:
    """The model before training, and its tokeniser."""
    import torch

    if settings.base_model == TINY:
        tokenizer = tiny_model.tokenizer_for(rows, settings.max_length)
        config = tiny_model.config_for(tokenizer, settings.max_length, sizes)
        return tiny_model.untrained(config, settings.seed), tokenizer
    # weights that are trained stay float32: small steps are lost in 16 bits
    dtype = torch.float32 if method_of(settings) == "full" else hardware().dtype
    return load_model(settings.base_model, dtype), load_tokenizer(settings.base_model)


def _finish(trainer: "SFTTrainer", out_dir: Path, facts: dict[str, Any]) -> Trained:
    """Write log, weights and, as the last of all, the report."""
    history = trainer.state.log_history
    log = [{"step": entry["step"], "loss": entry["loss"]} for entry in history if "loss" in entry]
    write_durably(out_dir / LOG, "".join(json.dumps(entry) + "\n" for entry in log).encode())
    weights = _save(trainer, out_dir)
    parameters = list(trainer.model.parameters())
    trained = Trained(
        **facts,
        n_parameters=sum(p.numel() for p in parameters),
        n_trainable=sum(p.numel() for p in parameters if p.requires_grad),
        steps=trainer.state.global_step,
        train_loss=math.fsum(entry["loss"] for entry in log) / len(log),
        weights=weights.name,
        sha256=sha256_of(weights),
    )
    write_durably(out_dir / REPORT, trained.model_dump_json(indent=2).encode())
    return trained


def _save(trainer: "SFTTrainer", out_dir: Path) -> Path:
    """Weights and tokeniser, durably; returns the path of the weights."""
    trainer.model.save_pretrained(out_dir, max_shard_size="1TB")  # one file, so that one SHA-256 names it
    trainer.processing_class.save_pretrained(out_dir)
    (out_dir / "README.md").unlink(missing_ok=True)  # peft's card, a form with nothing filled in
    weights = next(out_dir / name for name in WEIGHTS if (out_dir / name).is_file())
    weights.chmod(0o644)  # safetensors writes 0600, but who evaluates may be somebody else
    resumption.sync_files(out_dir)
    return weights


@task(name="finetune", cache_policy=NO_CACHE)
def finetune(run: Run, release_id: str, release_path: str, settings: Training) -> list[Partition]:
    """Train on a release and write one `checkpoint` row; the weights lie in `models/<checkpoint_id>`.

    `release_path` is relative to the warehouse. A killed training goes on where it was, a finished one is
    found.

    Raises:
        BadInput: see `train`.
        SeedloomError: when another process trains the same, or finished weights were altered since.
    """
    asked = {"release_id": release_id, **settings.model_dump()}
    return run.once(
        "finetune", [], asked, lambda: {"checkpoint": _row(run, release_id, release_path, settings)}
    )


def _row(run: Run, release_id: str, release_path: str, settings: Training) -> pl.DataFrame:
    checkpoint_id = digest("checkpoint", release_id, settings.model_dump())
    path = f"{MODELS}/{checkpoint_id}"
    trained = _train_once(run.root / path, fetch_folder(run.root / release_path), settings)
    row = {
        "checkpoint_id": checkpoint_id,
        "run_id": run.run_id,
        "release_id": release_id,
        "base_model": settings.base_model,
        "settings": canonical(settings.model_dump()).decode(),
        "path": path,
    }
    return pl.DataFrame([row | trained.model_dump(exclude={"identity", "n_rows", "n_cut", "weights"})])


def _train_once(folder: Path, release_dir: Path, settings: Training) -> Trained:
    """Train in a folder of another name, which gets its own when the training is whole."""
    draft = folder.parent / f"{TEMPORARY}{folder.name}"
    if not folder.is_dir():
        with _alone(draft):
            if not folder.is_dir():  # somebody may have finished before we were alone
                train(release_dir, draft, settings, _teller())
                os.replace(draft, folder)
                sync_folder(folder.parent)
    trained = read_report(folder)
    if trained is None or sha256_of(folder / trained.weights) != trained.sha256:
        raise SeedloomError(
            f"the weights in {folder} are not those that were trained; remove it to train again"
        )
    return trained


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes; the kernel lets go of it when this one dies."""
    make_folder(folder)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SeedloomError(f"another process is training in {folder}; wait for it, or end it") from error


def _teller() -> Callable[[int, int, float], None]:
    bar: Progress | None = None

    def tell(step: int, steps: int, loss: float) -> None:
        nonlocal bar
        bar = bar or Progress("finetune: steps", steps)
        bar.advance(step - bar.done, f"loss {loss:.3f}")

    return tell
