"""Samples that need no model: what a level with `make = "name"` makes of each of its parents.

A maker is a pure function of the parent and of what was gathered beside it, so it may run anywhere and again.
Modules named tasks/*_maker.py declare them.
"""

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tasks.replies import Piece


class Given(NamedTuple):
    """What a maker sees: rows of `sample` as dicts, their `slots` as a dict, in the order of ordinals."""

    parent: dict[str, Any]
    gathered: dict[str, list[dict[str, Any]]]  # level -> kept children of the parent
    values: dict[str, Any]  # what a prompt would see: slots, and texts of the levels above
    options: dict[str, Any]
    seed: int


Maker = Callable[[Given], list[Piece]]
MAKERS: dict[str, Maker] = {}
GIVES: dict[str, tuple[str, ...]] = {}


def maker(name: str, gives: tuple[str, ...] = ()) -> Callable[[Maker], Maker]:
    """Register a maker: a recipe calls it `make = "name"`; `gives` names the slots of its pieces."""

    def registered(function: Maker) -> Maker:
        MAKERS[name] = function
        GIVES[name] = gives
        return function

    return registered


@cache
def makers() -> dict[str, Maker]:
    """All makers by name: those of every module tasks/*_maker.py."""
    for file in sorted(Path(__file__).parent.glob("*_maker.py")):
        importlib.import_module(f"tasks.{file.stem}")
    return MAKERS
