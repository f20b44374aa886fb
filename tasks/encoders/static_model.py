"""Static vectors (model2vec; Tulkens & van Dongen 2024): the mean of one vector for each token, no attention.

Some 70 times faster than MiniLM on a CPU, and no substitute for it where diversity is measured: on templated
texts its cosines agree with those of MiniLM (Spearman 0.45 to 0.67) no better than tf-idf does. Good for a
first look at a large corpus. Read here from safetensors and tokenizer.json, without the package: it needs no
more than a lookup and a mean.
"""

import json
import logging
from pathlib import Path

import numpy as np

from schemas.errors import BadInput
from tasks.encoders.tokens import Tokens, tokenizer_of

BUDGET = 65_536  # tokens of a batch
WEIGHTS, TENSORS = "model.safetensors", {"embeddings", "weights", "mapping"}
LIMIT = 512  # tokens, where the folder names no other

logger = logging.getLogger("seedloom.embed")


class StaticModel:
    """A table of token vectors."""

    budget = BUDGET
    at_once = 1

    def __init__(self, table: np.ndarray, tokens: Tokens) -> None:
        self.table, self.tokens, self.prepare = table, tokens, tokens.prepare

    def forward(self, items: list[np.ndarray]) -> np.ndarray:
        """(k, d) float32; zero for a text without a known token."""
        found = np.zeros((len(items), self.table.shape[1]), np.float32)
        for i, item in enumerate(items):
            if len(item):
                found[i] = self.table[item].mean(axis=0)
        return found


def is_static(folder: Path) -> bool:
    """Whether a folder holds a model2vec model: one table of vectors and no layers."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / WEIGHTS, framework="numpy") as file:
            return set(file.keys()) <= TENSORS and "embeddings" in file.keys()  # noqa: SIM118  (no dict)
    except (OSError, SafetensorError):  # no such file, or none that anybody can read
        return False


def load_static(folder: Path) -> tuple[StaticModel, str, int]:
    """The model of a folder, its backend, and its number of parameters.

    Raises:
        BadInput: when the tokenizer and the vectors do not fit.
    """
    from safetensors.numpy import load_file

    say_static(folder.name)
    tensors, config, tokenizer = (
        load_file(folder / WEIGHTS),
        _config(folder),
        tokenizer_of(folder),
    )
    table = tensors["embeddings"].astype(np.float32)
    n_parameters = table.size
    if "mapping" in tensors:  # several tokens share a vector
        table = table[tensors["mapping"]]
    if "weights" in tensors:
        table = table * tensors["weights"].astype(np.float32)[:, None]
    if len(table) < tokenizer.get_vocab_size():
        raise BadInput(f"{folder} has {len(table)} vectors for {tokenizer.get_vocab_size()} tokens")
    unknown = getattr(tokenizer.model, "unk_token", None)
    without = tokenizer.token_to_id(unknown) if unknown else _unigram_unknown(tokenizer.to_str())
    limit = config.get("max_length", LIMIT) or LIMIT
    tokens = Tokens(tokenizer, int(limit), special=False, without=without)
    return StaticModel(table, tokens), "static-cpu/float32", n_parameters


def say_static(name: str) -> None:
    """Say in the log what static vectors are worth."""
    logger.warning(
        "encoder %s holds static vectors: a first look, no substitute for a transformer in diversity scores",
        name,
    )


def _unigram_unknown(tokenizer: str) -> int | None:
    return json.loads(tokenizer)["model"].get("unk_id")


def _config(folder: Path) -> dict:
    path = folder / "config.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}
