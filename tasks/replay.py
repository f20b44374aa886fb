"""Replays: somebody else's intermediate file through one of our stages, decision by decision.

A published run left a pool with its similarities, raw completions, flags or trees. A stage reads a row of
such a file, decides as the authors' code decided, and compares with what the row itself says was decided.
Nothing of a warehouse is read or written. Modules of tasks/replays declare the stages.
"""

import importlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from schemas.errors import BadInput
from schemas.slot import Part
from tasks.file_formats import raw_rows
from tasks.input_files import expand_inputs
from tasks.json_rows import Unreadable, parse_object, refuse_unstorable
from tasks.options import checked
from tasks.raw_rows import Raw
from tasks.records import SHOWN, Bad

TOLERANCE = 1e-9  # of similarities; the last digits of a mean depend on the order of its terms
_VARYING = re.compile(r"'[^']*'|\d+(?:\.\d+)?")

Fields = dict[str, Any]


class Row(NamedTuple):
    """One row that has the shape of its stage."""

    origin: str
    line: int
    said: Any  # what the stage's `reads` made of it


class Decision(NamedTuple):
    """What a stage decides on one row, and what the row says about it."""

    origin: str
    line: int
    text: str  # what was judged
    keep: bool
    reason: str | None = None
    score: float | None = None
    witness: str | None = None
    value: Any = None  # what was read, where that is more than keep and score: a flag, a verdict, pieces
    counted: dict[str, int] = {}  # what it adds to the counts
    compared: dict[str, tuple[Any, Any]] = {}  # name -> (as published, as replayed)

    def differing(self) -> dict[str, tuple[Any, Any]]:
        """What was not reproduced: name -> (as published, as replayed)."""
        return {name: pair for name, pair in self.compared.items() if not same(*pair)}


Beside = dict[str, Iterator[Fields]]  # name of an option -> rows of the files that it names
Decides = Callable[[Iterable[Row], Any, Beside], Iterator[Decision]]


class Stage(NamedTuple):
    """One stage: how it reads a row, its options, how it decides."""

    name: str
    wants: str  # the fields of a row, in words
    form: type[Part]
    reads: Callable[[Fields], Any]  # raises Unreadable; keeps no more than `decides` needs
    decides: Decides
    what: str


class Replay(NamedTuple):
    """A replay that is under way: `bad` fills while `decisions` are taken."""

    decisions: Iterator[Decision]
    bad: list[Bad]


STAGES: dict[str, Stage] = {}


def replay(
    name: str, wants: str, reads: Callable[[Fields], Any], form: type[Part] = Part
) -> Callable[[Decides], Decides]:
    """Register a stage: `seedloom replay NAME`.

    Args:
        name: of the stage.
        wants: the fields of a row, in words, for the message when they are missing.
        reads: makes of a row's fields what the stage decides by; raises Unreadable for another shape.
        form: its options; those in `FILES` name files whose rows the stage sees beside.
    """

    def registered(function: Decides) -> Decides:
        what = (function.__doc__ or "").strip().splitlines()[0]
        STAGES[name] = Stage(name, wants, form, reads, function, what)
        return function

    return registered


FILES = ("seeds", "flags", "published")


@cache
def stages() -> dict[str, Stage]:
    """All stages by name: those of every module in tasks/replays."""
    for file in sorted((Path(__file__).parent / "replays").glob("[!_]*.py")):
        importlib.import_module(f"tasks.replays.{file.stem}")
    return dict(sorted(STAGES.items()))


def replayed(stage: str, files: list[str], options: dict[str, Any]) -> Replay:
    """Begin a replay.

    Raises:
        BadInput: an unknown stage or option, a file that is not there; later, while the decisions are taken,
            when no row has the shape of the stage, or a row of a file beside cannot be read.
    """
    if stage not in stages():
        raise BadInput(f"no stage {stage!r} to replay; known: {list(stages())}")
    chosen = stages()[stage]
    form = checked(chosen.form, options, f"replay {stage}")
    beside = {name: _beside(getattr(form, name)) for name in FILES if getattr(form, name, None)}
    bad: list[Bad] = []
    rows = _rows(chosen, expand_inputs(files), bad)
    return Replay(chosen.decides(rows, form, beside), bad)


def tally(decisions: Iterable[Decision], n_bad: int = 0) -> dict[str, int]:
    """Counts of a replay: rows, what the stage counts, reasons without their numbers, what was compared."""
    totals, counted, reasons, compared, wrong = (Counter[str]() for _ in range(5))
    for decision in decisions:
        totals["rows kept" if decision.keep else "rows dropped"] += 1
        counted.update(decision.counted)
        reasons.update([kind_of(decision.reason)] if decision.reason else [])
        compared.update(decision.compared.keys())
        wrong.update(decision.differing().keys())
    head = {"rows": totals.total() + n_bad, "rows unreadable": n_bad}
    kept = {name: totals[name] for name in ("rows kept", "rows dropped")}
    why = {f"dropped: {name}": n for name, n in reasons.most_common()}
    said = {name: n for what in compared for name, n in _compared(what, compared, wrong)}
    return {**head, **kept, **counted, **why, **said}


def kind_of(reason: str) -> str:
    """A reason without what varies in it: numbers and quoted words."""
    return _VARYING.sub("…", reason)


def same(published: Any, found: Any) -> bool:
    """Whether two values are equal, numbers within TOLERANCE."""
    if isinstance(published, list | tuple) and isinstance(found, list | tuple):
        return len(published) == len(found) and all(map(same, published, found))
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (published, found))
    return math.isclose(published, found, rel_tol=0, abs_tol=TOLERANCE) if numbers else published == found


def wanted(fields: Fields, name: str, kind: type | tuple[type, ...] = str) -> Any:
    """A field that a row must have.

    Raises:
        Unreadable: it is missing or of another type; says which fields there are.
    """
    if name not in fields:
        raise Unreadable(f"no field {name!r}; found: {sorted(fields)}")
    if not isinstance(fields[name], kind):
        raise Unreadable(f"field {name!r} holds {type(fields[name]).__name__}")
    return fields[name]


def _compared(what: str, compared: Counter[str], wrong: Counter[str]) -> list[tuple[str, int]]:
    return [(f"compared: {what}", compared[what]), (f"differs: {what}", wrong[what])]


def _rows(stage: Stage, paths: list[Path], bad: list[Bad]) -> Iterator[Row]:
    read = False
    for path in paths:
        for raw in raw_rows(path):
            try:
                row = Row(str(path), raw.line, stage.reads(_fields(raw)))
            except Unreadable as error:
                bad.append(Bad(str(path), raw.line, str(error), _beginning(raw.content)))
                continue
            read = True
            yield row
    if not read:
        first = bad[0]
        raise BadInput(
            f"no row for stage {stage.name!r} ({len(bad):,} refused), which wants {stage.wants}; "
            f"the first: {first.origin}, row {first.line}: {first.reason}"
        )


def _beside(files: list[str]) -> Iterator[Fields]:
    """The rows of files that must be right as a whole."""
    for path in expand_inputs(files):
        for raw in raw_rows(path):
            try:
                yield _fields(raw)
            except Unreadable as error:
                raise BadInput(f"{path}, row {raw.line}: {error}") from error


def _fields(raw: Raw) -> Fields:
    if raw.problem:
        raise Unreadable(raw.problem)
    fields = parse_object(raw.content) if isinstance(raw.content, bytes) else raw.content
    refuse_unstorable(fields)
    return fields


def _beginning(content: bytes | Fields) -> str:
    text = content[: 4 * SHOWN].decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
    return text[:SHOWN].encode("utf-8", "replace").decode()
