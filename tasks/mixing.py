"""Examples-proportional mixing: how many rows each of several sets gives to a mixture.

Raffel et al. 2020, arXiv 1910.10683, section 3.5.2; Wei et al. 2022, arXiv 2109.01652 (Flan):

    rate_m = weight_m * min(e_m * scale, K)^(1/T),   divided by the sum over all sets

e_m = rows of set m, K = cap, T = temperature. T = 1 without a cap is proportional to size; T to infinity is
equal shares; past K rows a set has no extra weight. It is *not* equal sampling of all sets, as it is often
told. Range of every rate: [0, 1]; they sum to 1. An empty set has rate 0 at every temperature.
"""

import math
from collections.abc import Mapping

import numpy as np

from schemas.errors import BadInput


def rates(
    sizes: Mapping[str, int],
    cap: float = math.inf,
    temperature: float = 1.0,
    scale: float = 1.0,
    weights: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """The share of each set.

    Args:
        sizes: rows of each set.
        cap: K, in rows after scaling; infinite for none.
        temperature: T, above 0; infinite for equal shares.
        scale: by which every size is multiplied first (seqio).
        weights: further factors by set, 1 where none is named (Flan's 4, 3, 1, 1, 1 for its collections).

    Raises:
        BadInput: a weight for a set that is not there, or no set with a rate above 0.
    """
    given = weights or {}
    if strange := sorted(set(given) - set(sizes)):
        raise BadInput(f"mixture: a weight for {strange[0]!r}, which is no set; known: {sorted(sizes)}")
    # In logarithms, since e^(1/T) leaves the floats at T = 0.01.
    logs = {
        name: math.log(given.get(name, 1.0)) + math.log(min(size * scale, cap)) / temperature
        for name, size in sizes.items()
        if size > 0 and given.get(name, 1.0) > 0
    }
    if not logs:
        raise BadInput(f"mixture: no set has rows and a weight above 0; sets: {sorted(sizes)}")
    highest = max(logs.values())
    raw = {name: math.exp(logs[name] - highest) if name in logs else 0.0 for name in sizes}
    total = math.fsum(raw.values())
    return {name: value / total for name, value in raw.items()}


def largest_remainder(shares: Mapping[str, float], count: int) -> dict[str, int]:
    """`count` rows by shares: whole parts first, the rest to the largest remainders, ties by name.

    Every set is within one row of share * count, and the parts sum to `count`.
    """
    exact = {name: share * count for name, share in shares.items()}
    parts = {name: math.floor(value + 1e-9) for name, value in exact.items()}
    left = count - sum(parts.values())
    line = sorted(
        (name for name in shares if shares[name] > 0), key=lambda name: (parts[name] - exact[name], name)
    )
    for name in line[:left]:
        parts[name] += 1
    return parts


def drawn(shares: Mapping[str, float], count: int, seed: int) -> dict[str, int]:
    """`count` independent draws of a set by its share, as seqio samples; one multinomial draw."""
    names = sorted(shares)
    counts = np.random.default_rng(seed).multinomial(count, [shares[name] for name in names])
    return dict(zip(names, counts.tolist(), strict=True))


def fitted(
    wanted: Mapping[str, int], shares: Mapping[str, float], sizes: Mapping[str, int]
) -> dict[str, int]:
    """No set gives more rows than it has: what is missing goes to the others by their shares.

    Sums to the sum of `wanted`, or to all rows of the sets with a share when these are fewer.
    """
    given = {name: min(rows, sizes[name]) for name, rows in wanted.items()}
    left = sum(wanted.values()) - sum(given.values())
    while left:
        free = {name: shares[name] for name in given if given[name] < sizes[name] and shares[name] > 0}
        if not free:
            break
        total = math.fsum(free.values())
        more = largest_remainder({name: share / total for name, share in free.items()}, left)
        for name, rows in more.items():
            taken = min(rows, sizes[name] - given[name])
            given[name] += taken
            left -= taken
    return given
