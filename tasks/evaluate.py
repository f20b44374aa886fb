"""What training gained: the loss on held-out rows before and after, and what the model writes.

Loss: negative log-likelihood summed over the assistant's tokens and divided by their number, nats per token,
in [0, inf). Its 95% interval takes rows, not tokens, as independent: linearised ratio of cluster sampling.
Perplexity: exp(loss), in [1, inf). Losses compare only between models of one tokeniser. `sample_distinct2`:
different word bigrams over all word bigrams of the completions (Li et al. 2016), in [0, 1]; near 0 a model
repeats itself.
"""

import gc
import json
import math
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.ids import digest, seed_for
from schemas.partition import Partition
from schemas.settings import Training
from tasks import lexical, tiny_model
from tasks.dialogue import IGNORED, Conversation, Example, examples, prompt_ids, read_conversations
from tasks.intervals import Estimate, around
from tasks.pretrained import hardware, load_model, load_tokenizer, old_names
from tasks.progress import Progress
from tasks.tiny_model import TINY, one_thread
from warehouse.copies import fetch_folder
from warehouse.files import write_durably
from warehouse.run import Run

VERSION = "1"
SAMPLES = "samples.jsonl"
N_SAMPLES = 8
NEW_TOKENS = 96  # of one completion, at most
TEMPERATURE = 0.8
CELLS = 2**25  # logits of one forward pass (rows x tokens x vocabulary): 128 MiB in float32
SCHEMA = {"metric": pl.String, "value": pl.Float64, "n": pl.Int64, "low": pl.Float64, "high": pl.Float64}


class Loss(NamedTuple):
    """A loss over held-out rows; value and ends in nats per token, None when there was nothing to measure."""

    value: float | None
    n_tokens: int
    n_rows: int
    low: float | None
    high: float | None


def heldout_loss(model: Any, tokenizer: Any, rows: list[Conversation], max_length: int) -> Loss:
    """Loss of a model on what the assistant says in `rows`, each cut to `max_length` tokens.

    The same whatever the order of the rows, and up to rounding whatever fits into one pass. The interval is
    None below two rows.
    """
    turns = examples(tokenizer, rows, max_length)
    nats, tokens = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
    for batch in _batches(turns, max(1, CELLS // model.config.vocab_size)):
        for turn, value in zip(batch, _nats(model, batch), strict=True):
            nats[turn.row] += value
            tokens[turn.row] += len(turn.ids) - turn.start
    return loss_of(nats[tokens > 0], tokens[tokens > 0])


def loss_of(nats: np.ndarray, tokens: np.ndarray) -> Loss:
    """sum(nats) / sum(tokens) over (n,) rows with its 95% interval; a row is one cluster of tokens."""
    n, total = len(tokens), int(tokens.sum())
    if n == 0:
        return Loss(None, 0, 0, None, None)
    value = math.fsum(nats) / total
    deviation = float(np.std(nats - value * tokens, ddof=1)) if n > 1 else math.inf
    _, _, low, high = around(value, deviation * math.sqrt(n) / total, n, (0.0, math.inf))
    return Loss(value, total, n, low, high)


def samples(model: Any, tokenizer: Any, prompts: list[Conversation], seed: int) -> list[str]:
    """One completion per prompt, at most 96 tokens, drawn at temperature 0.8.

    A completion depends on model, prompt and seed, not on the other prompts. The context must hold a prompt.
    """
    return [_sample(model, tokenizer, prompt, seed) for prompt in prompts]


def _nats(model: Any, batch: list[Example]) -> list[float]:
    """The summed negative log-likelihood of what is learned in each example."""
    import torch
    from torch.nn.functional import cross_entropy

    width = max(len(turn.ids) for turn in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)  # (b, t); what fills up is masked
    labels = torch.full((len(batch), width), IGNORED)
    for place, turn in enumerate(batch):
        ids[place, : len(turn.ids)] = torch.tensor(turn.ids)
        labels[place, : len(turn.ids)] = torch.tensor(turn.labels())
    mask = torch.arange(width) < torch.tensor([[len(turn.ids)] for turn in batch])
    with torch.inference_mode():
        logits = model(ids.to(model.device), attention_mask=mask.long().to(model.device)).logits
        scores, targets = logits[:, :-1].float(), labels[:, 1:].to(model.device)  # (b, t-1, v), (b, t-1)
        each = cross_entropy(scores.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
    return each.double().sum(1).tolist()


def _batches(turns: list[Example], most: int) -> Iterator[list[Example]]:
    """Examples of like length together, as many as have `most` tokens with padding, at least one."""
    batch: list[Example] = []
    for turn in sorted(turns, key=lambda turn: (len(turn.ids), turn.ids)):
        if batch and (len(batch) + 1) * len(turn.ids) > most:
            yield batch
            batch = []
        batch.append(turn)
    if batch:
        yield batch


def _sample(model: Any, tokenizer: Any, prompt: Conversation, seed: int) -> str:
    import torch

    (ids,) = prompt_ids(tokenizer, [prompt])
    device = model.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed_for("sample", seed, prompt))
        read = torch.tensor([ids], device=device)
        out = model.generate(
            read,
            attention_mask=torch.ones_like(read),
            max_new_tokens=min(NEW_TOKENS, _context(model) - len(ids)),
            do_sample=True,
            temperature=TEMPERATURE,
            pad_token_id=tokenizer.eos_token_id,
        )
    return tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True)


def _context(model: Any) -> int:
    return getattr(model.config, "max_position_embeddings", None) or 10**9


def _prompts(tokenizer: Any, rows: list[Conversation], max_length: int) -> list[Conversation]:
    """The first 8 questions, by content, that leave half of the context for an answer."""
    asked = [list(takewhile(lambda turn: turn["role"] != "assistant", row)) for row in rows]
    unique = {digest(prompt): prompt for prompt in asked if prompt}
    prompts = [unique[key] for key in sorted(unique)]
    fit = zip(prompts, prompt_ids(tokenizer, prompts) if prompts else [], strict=True)
    return [prompt for prompt, ids in fit if len(ids) <= max_length // 2][:N_SAMPLES]


def measure(folder: Path, rows: list[Conversation], settings: Training, method: str) -> pl.DataFrame:
    """Statistics of a checkpoint: metric, value, n, low, high. Leaves `samples.jsonl` in its folder."""
    tokenizer = load_tokenizer(str(folder))
    model = _before(folder, settings, method)
    prompts = _prompts(tokenizer, rows, settings.max_length)
    with one_thread(model):
        before = heldout_loss(model, tokenizer, rows, settings.max_length)
        model = _after(model, folder, method)
        after = heldout_loss(model, tokenizer, rows, settings.max_length)
        completions = samples(model, tokenizer, prompts, settings.seed)
    lines = [
        json.dumps({"prompt": prompt[-1]["content"], "completion": text}, ensure_ascii=False) + "\n"
        for prompt, text in zip(prompts, completions, strict=True)
    ]
    write_durably(folder / SAMPLES, "".join(lines).encode())
    return pl.DataFrame(_rows(before, after, completions), schema=SCHEMA, orient="row")


def _rows(before: Loss, after: Loss, completions: list[str]) -> list[tuple[str, *tuple[Any, ...]]]:
    grams = lexical.ngrams(completions, 2)
    named = {
        "heldout_loss_before": Estimate(before.value, before.n_rows, before.low, before.high),
        "heldout_loss_after": Estimate(after.value, after.n_rows, after.low, after.high),
        "heldout_perplexity_after": Estimate(
            _exp(after.value), after.n_rows, _exp(after.low), _exp(after.high)
        ),
        "heldout_tokens": Estimate(float(after.n_tokens), after.n_rows),
        "sample_distinct2": Estimate(lexical.distinct_ngrams(completions, 2), len(grams.types)),
    }
    return [(name, *estimate) for name, estimate in named.items()]


def _exp(nats: float | None) -> float | None:
    return None if nats is None else math.exp(min(nats, 700.0))


def _before(folder: Path, settings: Training, method: str) -> Any:
    """The model as it was before training, ready to compute."""
    import torch

    machine = hardware()
    if settings.base_model == TINY:
        from transformers import AutoConfig

        model = tiny_model.untrained(AutoConfig.from_pretrained(folder), settings.seed)
    else:
        dtype = torch.float32 if method == "full" else machine.dtype
        model = load_model(settings.base_model, dtype)
    return model.to(machine.device).eval()


def _after(model: Any, folder: Path, method: str) -> Any:
    """The trained model; the one before is given up, or gets its adapter."""
    import torch

    device = model.device
    if method == "lora":
        from peft import PeftModel

        with old_names():
            return PeftModel.from_pretrained(model, str(folder)).eval()
    del model
    gc.collect()
    return load_model(str(folder), torch.float32).to(device).eval()


@task(name="evaluate", cache_policy=NO_CACHE)
def evaluate(
    run: Run, release_id: str, release_path: str, checkpoints: list[Partition], settings: Training
) -> list[Partition]:
    """Measure each checkpoint on the held-out rows of a release, as rows of `metric`.

    `release_path` is relative to the warehouse. Without held-out rows the losses are null.

    Raises:
        BadInput: when the release folder or its held-out rows cannot be read, or a base model is gone.
    """
    asked = {"release_id": release_id, **settings.model_dump()}
    return run.once(
        "evaluate", checkpoints, asked, lambda: {"metric": _metrics(run, release_path, checkpoints, settings)}
    )


def _metrics(run: Run, release_path: str, parts: list[Partition], settings: Training) -> pl.DataFrame:
    rows = read_conversations(fetch_folder(run.root / release_path), "heldout")
    found = [checkpoint for part in parts for checkpoint in run.read(part).iter_rows(named=True)]
    bar = Progress("evaluate: checkpoints", len(found))
    frames = []
    for checkpoint in found:
        folder = fetch_folder(run.root / checkpoint["path"])
        measured = measure(folder, rows, settings, checkpoint["method"])
        frames.append(measured.with_columns(scope_id=pl.lit(checkpoint["checkpoint_id"])))
        bar.advance()
    return pl.concat(frames).with_columns(
        run_id=pl.lit(run.run_id),
        scope=pl.lit("checkpoint"),
        version=pl.lit(VERSION),
        encoder=pl.lit(None, pl.String),
    )
