"""Which features are asked for together: measured shares of whole subsets (Eldan & Li 2023, TinyStories).

A file is JSON: a list of [[names], weight] as published for TinyStories, or an object {"name+name": weight}.
Weights are shares or counts; what comes back adds up to 1. The published names become the items that our
recipes and detectors use.
"""

import json
import math
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from schemas.errors import BadInput

ITEMS = {
    "Dialogue": "dialogue",
    "Twist": "plot twist",
    "MoralValue": "moral value",
    "Foreshadowing": "foreshadowing",
    "Conflict": "conflict",
    "BadEnding": "bad ending",
}
_SHAPES = '[[["Dialogue", "Twist"], 0.085], ...] or {"dialogue+plot twist": 0.085, ...}'


@cache
def read_subsets(path: Path | str) -> dict[tuple[str, ...], float]:
    """Share of each subset, in (0, 1], adding up to 1; items of a subset and the subsets are in sorted order.

    Raises:
        BadInput: for a file that is missing or has another shape, a weight that is no finite number of 0 or
            more, a subset that comes twice, and when all weights are 0.
    """
    try:
        loaded = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"subsets_file {path}: no readable JSON: {error}") from error
    weights: dict[tuple[str, ...], float] = {}
    for entry in _entries(loaded, path):
        subset, weight = _checked(entry, path)
        if subset in weights:
            raise BadInput(f"subsets_file {path}: the subset {'+'.join(subset)!r} comes twice")
        weights[subset] = weight
    total = sum(weights.values())
    if total <= 0:
        raise BadInput(f"subsets_file {path}: no subset has a weight above 0")
    return {subset: weight / total for subset, weight in sorted(weights.items()) if weight > 0}


def _entries(loaded: Any, path: Path | str) -> Iterable[Any]:
    if isinstance(loaded, dict):
        return [[[name for name in key.split("+") if name], weight] for key, weight in loaded.items()]
    if isinstance(loaded, list):
        return loaded
    raise BadInput(f"subsets_file {path}: {type(loaded).__name__} at the top; known shapes: {_SHAPES}")


def _checked(entry: Any, path: Path | str) -> tuple[tuple[str, ...], float]:
    """One subset and its weight."""
    match entry:
        case [list(names), float() | int() as weight] if all(isinstance(name, str) for name in names):
            items = [ITEMS.get(name.strip(), name.strip()) for name in names]
        case _:
            raise BadInput(f"subsets_file {path}: {str(entry)[:60]!r} is no subset; known shapes: {_SHAPES}")
    if len(set(items)) < len(items) or "" in items:
        raise BadInput(f"subsets_file {path}: {names} names an item twice or not at all")
    if isinstance(weight, bool) or not math.isfinite(weight) or weight < 0:
        raise BadInput(f"subsets_file {path}: the weight of {names} is {weight}; it must be 0 or more")
    return tuple(sorted(items)), float(weight)


def coin_shares(coins: dict[str, float], at_least: int = 0) -> dict[tuple[str, ...], float]:
    """Share of each subset when every item falls by its own coin, drawn again until `at_least` fell."""
    shares: dict[tuple[str, ...], float] = {(): 1.0}
    for item, share in coins.items():
        fallen = {tuple(sorted((*subset, item))): p * share for subset, p in shares.items()}
        shares = {subset: p * (1 - share) for subset, p in shares.items()} | fallen
    allowed = {subset: p for subset, p in shares.items() if len(subset) >= at_least and p > 0}
    total = math.fsum(allowed.values())
    return {subset: p / total for subset, p in allowed.items()}


def total_variation(one: dict[tuple[str, ...], float], other: dict[tuple[str, ...], float]) -> float:
    """Half the sum of the absolute differences of two distributions. Range: 0 (equal) to 1 (disjoint)."""
    subsets = {*one, *other}
    return math.fsum(abs(one.get(subset, 0.0) - other.get(subset, 0.0)) for subset in subsets) / 2
