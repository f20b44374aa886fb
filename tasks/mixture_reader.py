"""Source reader `mixture`: rows of several sets by examples-proportional rates, maybe with pre-training text.

`tasks.mixing` has the rates, `tasks.mixed_sets` says what a set is. Every file is read twice, to count and
to pick, so memory holds the numbers of the picked rows and nothing else. Rows are drawn without repetition:
seqio begins a set anew when it is used up, which the duplicate filters would undo here; what a set cannot
give goes to the others by their rates, and a `reject` of line 0 says so.
"""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from schemas.errors import BadInput
from schemas.ids import seed_for
from schemas.slot import Part
from tasks.mixed_sets import MixedSet, documents_of, rows_of, sets_of
from tasks.mixing import drawn, fitted, largest_remainder, rates
from tasks.options import checked
from tasks.picking import count_rows, numbered
from tasks.records import Bad
from tasks.source_rows import Reading, SourceRow, reader, seed_file

Found = SourceRow | Bad


class MixtureOptions(Part):
    """How much of each set."""

    rates: Literal["examples", "equal"] = "examples"  # by size, or the same for every set
    cap: float | None = Field(default=None, gt=0)  # K: rows beyond it give a set no extra weight
    temperature: float = Field(default=1.0, gt=0)  # T: above 1 evens out, 1 is proportional
    scale: float = Field(default=1.0, gt=0)  # of every size, before the cap
    weights: dict[str, float] = {}  # further factors by set; 1 where none is named
    draw: Literal["quota", "random"] = "quota"  # exact shares, or every row's set by chance as in seqio
    shortfall: Literal["redistribute", "leave"] = "redistribute"  # when a set has fewer rows than its share
    pretraining: str = ""  # a file of plain texts, or its name in tasks/seeds
    share: float = Field(
        default=0.1, ge=0, le=1
    )  # of the mixture that is pre-training text, when there is any


@reader("mixture")
def mixture(asked: Reading) -> Iterator[Found]:
    """The rows of a mixture, set by set, and every row that cannot be used.

    Raises:
        BadInput: for an unknown option or set, or when no set has a row.
    """
    options = checked(MixtureOptions, asked.source.options, 'reader = "mixture"')
    sets = sets_of(asked.paths)
    names = [each.name for each in sets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadInput(f"mixture: two sets are named {twice[0]!r}; rename a file")
    n_texts = round(asked.count * options.share) if options.pretraining else 0
    yield from _mixed(sets, rows_of, asked.count - n_texts, options, asked.seed)
    if n_texts:
        path = Path(options.pretraining)
        texts = MixedSet("pretraining", path if path.is_file() else seed_file(options.pretraining))
        yield from _mixed([texts], documents_of, n_texts, MixtureOptions(), asked.seed)


def _mixed(
    sets: list[MixedSet],
    read: Callable[[MixedSet], Iterable[Found]],
    count: int,
    options: MixtureOptions,
    seed: int,
) -> Iterator[Found]:
    sizes = {each.name: count_rows(read(each)) for each in sets}
    if not any(sizes.values()):
        for each in sets:
            yield from read(each)  # their reasons
        return
    cap = math.inf if options.cap is None else options.cap
    temperature = math.inf if options.rates == "equal" else options.temperature
    shares = rates(sizes, cap, temperature, options.scale, options.weights)
    if options.draw == "random":
        wanted = drawn(shares, count, seed_for("mixture", seed))
    else:
        wanted = largest_remainder(shares, count)
    given = {name: min(rows, sizes[name]) for name, rows in wanted.items()}
    if options.shortfall == "redistribute":
        given = fitted(wanted, shares, sizes)
    for each in sets:
        yield from _shortfall(each, wanted[each.name], sizes)
        draw = random.Random(seed_for("mixture", seed, each.name))
        yield from numbered(read(each), set(draw.sample(range(sizes[each.name]), given[each.name])))


def _shortfall(mixed: MixedSet, wanted: int, sizes: Mapping[str, int]) -> list[Bad]:
    """A note that a set was used up."""
    size = sizes[mixed.name]
    if wanted <= size:
        return []
    reason = f"set {mixed.name!r} has {size:,} rows for a share of {wanted:,}: all are taken, none twice"
    return [Bad(str(mixed.path), 0, reason, "")]
