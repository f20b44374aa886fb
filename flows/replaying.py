"""The command `replay`: others' intermediate files through one stage, and what came out otherwise."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from flows.console import Common, say, stderr
from schemas.errors import BadInput, SeedloomError
from tasks.records import Bad
from tasks.replay import Decision, replayed, stages, tally
from warehouse.files import write_durably

SHOWN = 20  # rows of a table in the terminal
SHORT = 160  # characters of a text in it


def show_replay(
    common: Common,
    stage: str,
    files: list[str],
    beside: dict[str, list[str]] | None = None,
    changes: list[str] | None = None,
    out: Path | None = None,
) -> None:
    """Replay a stage and say its counts, the decisions that differ, and the rows that could not be read.

    Args:
        common: options of every command.
        stage: name of a stage, see `tasks.replay.stages`.
        files: files, folders or globs with the rows.
        beside: further files by the option that names them: seeds, flags, published.
        changes: `option=value`, the value as in TOML or a plain word.
        out: file to which each decision is written, as JSON lines.

    Raises:
        BadInput: an unknown stage or option, or a file that has not the shape of the stage.
        SeedloomError: when published decisions were not reproduced, how many; after everything was said.
    """
    _refuse_overwriting(out, files)
    replay = replayed(stage, files, {**_named(beside or {}), **_options(changes or [])})
    decisions = list(replay.decisions)
    if out is not None:
        rows = (json.dumps(decision_row(each), ensure_ascii=False) + "\n" for each in decisions)
        write_durably(out, "".join(rows).encode())
    counts = tally(decisions, len(replay.bad))
    wrong = [each for each in decisions if each.differing()]
    if common.as_json:
        _write(stage, files, counts, decisions, replay.bad)
    else:
        _tell(common, stage, counts, wrong, replay.bad)
    if wrong:
        n_compared = sum(bool(each.compared) for each in decisions)
        raise SeedloomError(f"{len(wrong):,} of {n_compared:,} rows are not reproduced as published")


def show_stages(common: Common) -> None:
    """Every stage that can be replayed: what it decides, the rows it wants, its options."""
    say(
        common,
        [
            {
                "stage": each.name,
                "what": each.what,
                "rows": each.wants,
                "options": ", ".join(
                    f"{name}={field.default!r}" for name, field in each.form.model_fields.items()
                ),
            }
            for each in stages().values()
        ],
    )


def decision_row(decision: Decision) -> dict[str, Any]:
    """A decision as a row of a file or a document."""
    return {**decision._asdict(), "differs": sorted(decision.differing())}


def difference_rows(decisions: list[Decision]) -> list[dict[str, Any]]:
    """One row for each thing that is otherwise than published."""
    return [
        {
            "row": f"{Path(decision.origin).name}:{decision.line}",
            "what": name,
            "published": published,
            "replayed": found,
            "reason": decision.reason,
            "witness": decision.witness,
            "text": decision.text,
        }
        for decision in decisions
        for name, (published, found) in decision.differing().items()
    ]


def _tell(common: Common, stage: str, counts: dict[str, int], wrong: list[Decision], bad: list[Bad]) -> None:
    say(common, [{"count": name, "n": f"{n:,}"} for name, n in counts.items()], f"replay {stage}")
    _some(common, difference_rows(wrong), "not as published")
    refused = [
        {"row": f"{Path(b.origin).name}:{b.line}", "reason": b.reason, "content": b.content} for b in bad
    ]
    _some(common, refused, "unreadable")


def _some(common: Common, rows: list[dict[str, Any]], title: str) -> None:
    """The first rows, their texts cut, and how many more there are."""
    if not rows:
        return
    say(common, [{name: _short(value) for name, value in row.items()} for row in rows[:SHOWN]], title)
    if len(rows) > SHOWN:
        stderr.print(f"{len(rows) - SHOWN:,} more; all of them with --json, or in the file of --out")


def _short(value: Any) -> Any:
    if value is None or isinstance(value, float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


def _write(
    stage: str, files: list[str], counts: dict[str, int], decisions: list[Decision], bad: list[Bad]
) -> None:
    document = {
        "stage": stage,
        "files": files,
        "counts": counts,
        "differences": difference_rows([each for each in decisions if each.differing()]),
        "unreadable": [each._asdict() for each in bad],
        "decisions": [decision_row(each) for each in decisions],
    }
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _named(beside: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: files for name, files in beside.items() if files}


def _options(changes: list[str]) -> dict[str, Any]:
    options = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not name.strip():
            raise BadInput(f"change {change!r} is no option=value, such as threshold=0.7")
        try:
            options[name.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[name.strip()] = value.strip()
    return options


def _refuse_overwriting(out: Path | None, files: list[str]) -> None:
    if out is not None and out.resolve() in {Path(file).resolve() for file in files}:
        raise BadInput(f"--out {out} is one of the files that are replayed")
