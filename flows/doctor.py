"""`seedloom doctor`: settings with their origin, the warehouse, model servers on this machine."""

import json
import os
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from flows.console import Common, say
from schemas.errors import SeedloomError
from schemas.place import object_of, shown
from schemas.settings import Settings

# Where the usual local servers listen: Ollama, vLLM, llama.cpp, LM Studio, SGLang, text-generation-webui.
SERVERS = {
    "Ollama": 11434,
    "vLLM": 8000,
    "llama.cpp": 8080,
    "LM Studio": 1234,
    "SGLang": 30000,
    "text-generation-webui": 5000,
}
PACKAGES = ("prefect", "duckdb", "polars", "torch", "transformers", "trl", "sentence-transformers")


def examine(common: Common) -> None:
    """Print what was found; a problem is a line that says what mends it, and exit code 1.

    Raises:
        SeedloomError: when something would stop a run.
    """
    settings = common.settings()
    findings = [*_settings(settings), *_packages(), *_servers(settings)]
    problems = list(_warehouse(settings.root, findings))
    say(common, findings, "doctor")
    if problems:
        raise SeedloomError("; ".join(problems))


def origins(
    settings: BaseModel, prefix: str = "", file: dict[str, Any] | None = None
) -> list[dict[str, str]]:
    """Every setting with its value (secrets masked) and where it comes from."""
    rows = []
    for name, info in type(settings).model_fields.items():
        value = getattr(settings, name)
        path = f"{prefix}{name}"
        if isinstance(value, BaseModel):
            rows += origins(value, f"{path}__", (file or {}).get(name))
            continue
        text = "**********" if isinstance(value, SecretStr) else _text(value)
        rows.append(_line(path.replace("__", "."), text, _origin(path, name, file or {}), info.description))
    return rows


def _text(value: Any) -> str:
    return shown(value) if isinstance(value, Path) else str(value)


def _origin(path: str, name: str, file: dict[str, Any]) -> str:
    variable = f"SEEDLOOM_{path.upper()}"
    if variable in {key.upper() for key in os.environ}:
        return f"environment {variable}"
    return "seedloom.toml" if name in file else "default"


def _settings(settings: Settings) -> list[dict[str, str]]:
    import tomllib

    path = Path("seedloom.toml")
    return origins(settings, file=tomllib.loads(path.read_text()) if path.exists() else {})


def _line(what: str, value: str, where: str, note: str | None = "") -> dict[str, str]:
    return {"what": what, "value": value, "from": where, "note": note or ""}


def _packages() -> list[dict[str, str]]:
    from importlib.metadata import PackageNotFoundError

    rows = []
    for name in PACKAGES:
        try:
            rows.append(_line(name, version(name), "installed"))
        except PackageNotFoundError:
            rows.append(_line(name, "missing", "", "pip install -e .[train]"))
    return rows


def _warehouse(root: Path, findings: list[dict[str, str]]) -> list[str]:
    """Add what is known about the warehouse; return its problems."""
    place = shown(root)
    if object_of(root):
        from warehouse.succession import refuse_unconditional

        refuse_unconditional(root)  # it also says whether we may write there
        findings.append(_line("work folder", str(root), "SEEDLOOM_WORK", "journal, copies, runs begun"))
    elif not root.exists():
        findings.append(_line("warehouse", "none yet", place, "made by `seedloom corpus`"))
        return []
    elif not os.access(root, os.W_OK):
        return [f"warehouse {place} is not writable"]
    from warehouse.manifest import read_current

    manifest = read_current(root)
    parts = sum(len(parts) for parts in manifest.parts.values())
    findings.append(_line("warehouse", f"version {manifest.version}", place, f"{parts} parts"))
    return []


def _servers(settings: Settings) -> list[dict[str, str]]:
    """Model servers that answer on this machine, each with the line that uses it."""
    found = []
    for name, port in SERVERS.items():
        url = f"http://127.0.0.1:{port}/v1"
        for model in _models(url):
            line = f"SEEDLOOM_LLM__BASE_URL={url} SEEDLOOM_LLM__MODEL={model} seedloom corpus"
            found.append(_line("model server", model, f"{url} (port of {name})", line))
    return found or [
        _line("model server", "none found on this machine", "", f"writing with {settings.llm.model}")
    ]


def _models(url: str) -> list[str]:
    try:
        with urllib.request.urlopen(f"{url}/models", timeout=0.5) as reply:
            return [str(model["id"]) for model in json.load(reply)["data"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
