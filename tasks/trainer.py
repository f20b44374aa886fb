"""The TRL trainer as this project uses it: in which order, at which rate, in which precision, how watched.

Rate: warm-up over a tenth of the steps, then a cosine to zero. LoRA: Hu et al. 2021, rank 16 on every linear
layer but the head. The order of the rows is drawn beforehand from the seed, so a training that was killed and
resumed goes through the same batches and ends with the same weights.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.errors import SeedloomError
from schemas.ids import seed_for
from schemas.settings import Training
from tasks import resumption
from tasks.dialogue import Example
from tasks.pretrained import hardware, old_names
from tasks.tiny_model import TINY, VOCABULARY

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

RATES = {"tiny": 1e-3, "lora": 2e-4, "full": 2e-5}
BLOCK = 8  # batches whose rows are sorted by length together: little padding, order still random
TOKENS = 8192  # of one forward pass, padding included; a larger batch is summed over several


def trainer_for(
    model: Any, tokenizer: Any, turns: list[Example], out_dir: Path, settings: Training, method: str
) -> "SFTTrainer":
    """A trainer that says nothing by itself. With method lora the model gets its adapter here."""
    from peft import LoraConfig
    from transformers import PrinterCallback, Trainer
    from transformers.utils.logging import disable_progress_bar
    from trl import SFTTrainer

    class Quiet(SFTTrainer):
        """Tells no server what is trained here, and writes no card: ours says more."""

        def _send_telemetry(self) -> None: ...

        def create_model_card(self, *args: Any, **kwargs: Any) -> None: ...

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            # TRL spares memory by going over the vocabulary in pieces; a small one is faster in one piece
            if self.model.config.vocab_size <= VOCABULARY:
                return Trainer.compute_loss(self, *args, **kwargs)
            return super().compute_loss(*args, **kwargs)

    disable_progress_bar()
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    dataset = _dataset(turns, settings)
    with old_names():
        trainer = Quiet(
            model=model,
            args=_arguments(out_dir, settings, method, len(dataset)),
            train_dataset=dataset,
            processing_class=tokenizer,
            peft_config=lora if method == "lora" else None,
        )
    trainer.remove_callback(PrinterCallback)
    return trainer


def require_extra() -> None:
    """Refuse to begin without the libraries of the `train` extra.

    Raises:
        SeedloomError: names the one that is missing.
    """
    try:
        import peft  # noqa: F401
        import trl  # noqa: F401
    except ModuleNotFoundError as error:
        raise SeedloomError(f"training needs {error.name}: pip install 'seedloom[train]'") from error


def watch(identity: str, progress: Callable[[int, int, float], None]) -> Any:
    """A callback that tells `progress` (step, steps, loss), stops what diverged, and seals checkpoints."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        """See `watch`."""

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
            if "loss" not in logs:
                return
            if not math.isfinite(logs["loss"]):
                raise SeedloomError(
                    f"the loss is {logs['loss']} at step {state.global_step} of {state.max_steps}; "
                    f"try a learning_rate below {args.learning_rate}"
                )
            progress(state.global_step, state.max_steps, logs["loss"])

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            resumption.seal(Path(args.output_dir) / f"checkpoint-{state.global_step}", identity)

    return Watch()


def arrange(lengths: list[int], epochs: float, batch_size: int, seed: int) -> np.ndarray:
    """The order in which rows are seen: (round(epochs * n),) indices, at least one.

    Every epoch is a fresh permutation. Inside each block of 8 batches rows are sorted by length and the
    batches shuffled, so that a batch holds rows of like length. Only the last batch may be short.
    """
    draw = np.random.default_rng(seed_for("order", seed))
    n, total = len(lengths), max(1, round(epochs * len(lengths)))
    order = np.concatenate([draw.permutation(n) for _ in range(math.ceil(total / n))])[:total]
    blocks = np.split(order, range(BLOCK * batch_size, total, BLOCK * batch_size))
    return np.concatenate([_group(block, np.asarray(lengths), batch_size, draw) for block in blocks])


def _group(block: np.ndarray, lengths: np.ndarray, batch_size: int, draw: np.random.Generator) -> np.ndarray:
    """One block, its rows sorted by length and its full batches shuffled."""
    by_length = block[np.argsort(lengths[block], kind="stable")]
    batches = np.split(by_length, range(batch_size, len(block), batch_size))
    short = [batches.pop()] if len(batches[-1]) < batch_size else []  # stays last: it would shift the others
    return np.concatenate([*(batches[i] for i in draw.permutation(len(batches))), *short])


def _dataset(turns: list[Example], settings: Training) -> "Dataset":
    """Columns input_ids and labels, int32 lists, in the order of training, all epochs."""
    import pyarrow as pa
    from datasets import Dataset

    ids = pa.array([turn.ids for turn in turns], pa.list_(pa.int32()))
    labels = pa.array([turn.labels() for turn in turns], pa.list_(pa.int32()))
    lengths = [len(turn.ids) for turn in turns]
    order = arrange(lengths, settings.epochs, settings.batch_size, settings.seed)
    return Dataset(pa.table({"input_ids": ids, "labels": labels})).select(order)


def _arguments(out_dir: Path, settings: Training, method: str, n_seen: int) -> "SFTConfig":
    from trl import SFTConfig

    machine = hardware()
    tiny = settings.base_model == TINY
    at_once = _at_once(settings.batch_size, settings.max_length)
    steps = math.ceil(n_seen / settings.batch_size)
    arguments = SFTConfig(
        output_dir=str(out_dir),
        seed=seed_for("finetune", settings.seed) % 2**32,
        num_train_epochs=1,  # the dataset already holds all epochs
        train_sampling_strategy="sequential",
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=settings.batch_size // at_once,
        learning_rate=settings.learning_rate or RATES["tiny" if tiny else method],
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        use_cpu=machine.device == "cpu",
        bf16=machine.bf16,
        fp16=machine.fp16,
        activation_checkpointing=not tiny,
        max_length=settings.max_length,
        dataset_kwargs={"skip_prepare_dataset": True},
        save_steps=math.ceil(steps / 10),
        save_total_limit=2,  # the one before stays until the new one is sealed
        logging_steps=1,
        logging_nan_inf_filter=False,
        dataloader_pin_memory=machine.device == "cuda",
        disable_tqdm=True,
        report_to="none",
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # one GPU: TRL refuses DataParallel over all that are visible
    return arguments


def _at_once(batch_size: int, max_length: int) -> int:
    """The most rows of a batch that go through the model together: a divisor of it, at most 8192 tokens."""
    most = max(1, TOKENS // max_length)
    return max(rows for rows in range(1, min(batch_size, most) + 1) if batch_size % rows == 0)
