"""The engines of this process: one for each run, shared by the stages that ask at the same time."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from schemas.settings import Settings
from tasks.calls import halting
from tasks.calls.engine import Engine

_engines: dict[tuple[str, str, str], tuple[Engine, list[None]]] = {}
_door = threading.Lock()


@contextlib.contextmanager
def engine_of(root: Path, run_id: str, settings: Settings) -> Iterator[Engine]:
    """The engine of a run: opened by the first stage that needs it, closed by the last.

    Raises:
        SeedloomError: when everything must stop, or the journal cannot be opened.
    """
    if stop := halting.reason():
        raise stop
    name = (str(root), run_id, settings.model_dump_json())
    with _door:
        engine, users = _engines.get(name) or (_opened(Engine(root, run_id, settings)), [])
        _engines[name] = engine, users
        users.append(None)
    try:
        yield engine
    finally:
        with _door:
            users.pop()
            if not users:
                del _engines[name]
                engine.close()


def _opened(engine: Engine) -> Engine:
    engine.open()
    return engine
